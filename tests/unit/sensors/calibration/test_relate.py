import numpy as np
import pytest

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.build import Reference, calibrate
from olfactory_transformer.sensors.calibration.relate import apply, estimate
from olfactory_transformer.sensors.recording import Recording


@pytest.fixture
def calibration(board, scales):
    references = [Reference("ethanol", ppm, board.record(ppm=ppm)) for ppm in (5, 20, 80, 300)]
    return calibrate("desk", board.record(), references=references, scales=scales)


def test_clean_air_is_1(calibration, board):
    related = apply(calibration, board.record())
    assert related.values[:, :3] == pytest.approx(1, abs=0.03)
    assert [each.unit for each in related.channels[:3]] == ["Rs/R0"] * 3


def test_a_gas_is_its_law(calibration, board):
    related = apply(calibration, board.record(ppm=100))
    assert np.median(related.values[100:, 0]) == pytest.approx(2.0 * 100**-0.6, rel=0.01)


def test_the_gain_of_a_board_is_gone(board, scales):
    # The same sensors with twice the resistance: what is relative to their own clean air is the same.
    twin = type(board)(r0={name: 2 * r0 for name, r0 in board.r0.items()})
    ours, theirs = (
        apply(calibrate("x", each.record(), scales=scales), each.record(ppm=50)).values[100:, :3].mean(axis=0)
        for each in (board, twin)
    )
    assert ours == pytest.approx(theirs, rel=0.005)


def test_the_room_and_the_notes_stay(calibration, board, replaced):
    air = board.record()
    sample = Recording(air.channels, air.times, air.values, {"substance": "tea"})
    related = apply(calibration, sample)
    assert related.names == air.names and (related.times == air.times).all()
    assert (related.values[:, 3:] == air.values[:, 3:]).all() and related.channels[3:] == air.channels[3:]
    assert related.notes == {"substance": "tea", "calibration": f"desk {calibration.made:%Y-%m-%dT%H:%M:%SZ}"}


def test_a_channel_that_was_not_calibrated_is_left_out_and_named(calibration, board, replaced):
    related = apply(calibration, replaced(board.record(), "VOC", 500))
    assert "VOC" not in related.names and related.notes["uncalibrated"] == "VOC"


def test_what_says_nothing_stays_nothing(calibration, board, replaced):
    values = board.record().values[:, 0].copy()
    values[3], values[4] = np.nan, 2**32 - 1
    related = apply(calibration, replaced(board.record(), "mq3", values))
    assert np.isnan(related.values[3:5, 0]).all() and np.isfinite(related.values[5:, 0]).all()


def test_another_board_or_twice(calibration, board):
    air = board.record()
    alien = Recording(air.channels[3:], air.times, air.values[:, 3:])
    with pytest.raises(CalibrationError, match=r"got the channels Temperature, .*expected one of mq3, mq7"):
        apply(calibration, alien)
    with pytest.raises(CalibrationError, match="a calibration was applied to"):
        apply(calibration, apply(calibration, air))


def test_an_empty_recording(calibration, board):
    air = board.record()
    nothing = Recording(air.channels, air.times[:0], air.values[:0])
    assert apply(calibration, nothing).values.shape == (0, 7)
    assert estimate(calibration, nothing, "ethanol").ppm.shape == (0, 2)


def test_how_much_there_is(calibration, board):
    found = estimate(calibration, board.record(ppm=100), "ethanol")
    assert found.channels == ("mq3", "mq7") and found.error.shape == (2,)
    assert (
        np.median(found.ppm[100:], axis=0) == pytest.approx([100, 100], rel=0.05) and found.inside[100:].all()
    )


def test_beyond_the_curve_is_told(calibration, board):
    for ppm in (2000, 1):
        assert not estimate(calibration, board.record(ppm=ppm), "ethanol").inside[100:].any()


def test_an_unknown_compound(calibration, board):
    with pytest.raises(
        CalibrationError, match=r"got the compound 'ether', expected a calibrated one \(ethanol\)"
    ):
        estimate(calibration, board.record(), "ether")
