from datetime import UTC, datetime

import numpy as np
import pytest

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.build import Reference, calibrate, measure_drift
from olfactory_transformer.sensors.recording import Recording

PPM = (5, 20, 80, 300)


def ethanol(board, ppm=PPM, **more):
    return [Reference("ethanol", each, board.record(ppm=each, **more)) for each in ppm]


def test_the_laws_of_the_board_are_found_again(board, scales):
    made = calibrate("x", board.record(), references=ethanol(board), scales=scales)
    for name, (a, b) in board.laws.items():
        curve = made.channels[name].curves["ethanol"]
        assert (curve.a, curve.b) == (pytest.approx(a, rel=0.02), pytest.approx(b, abs=0.005))
        assert curve.rms < 0.005 and (curve.points, curve.low, curve.high) == (4, 5, 300)
    # The third does not react, and has no curve that would say so of everything.
    assert made.channels["Gas_Resistance"].curves == {}


def test_without_a_scale_the_curve_is_one_of_the_counts(board):
    made = calibrate("x", board.record(), references=ethanol(board))
    # Counts near full scale bend it, and the fit's error says that.
    assert made.channels["mq3"].curves["ethanol"].b == pytest.approx(-0.4, abs=0.12)
    assert made.channels["mq3"].curves["ethanol"].rms > 0.02


def test_references_in_another_room_are_compensated(board, scales):
    others = [board.record(temperature=t, humidity=h) for t, h in ((20, 50), (32, 35), (30, 60))]
    warm = ethanol(board, temperature=31, humidity=55)
    made = calibrate("x", board.record(), references=warm, other_air=others, scales=scales)
    plain = calibrate("x", board.record(), references=warm, scales=scales)
    assert made.channels["mq3"].curves["ethanol"].a == pytest.approx(2.0, rel=0.03)
    assert plain.channels["mq3"].curves["ethanol"].a == pytest.approx(2.0 * 10**-0.12, rel=0.03)


@pytest.mark.parametrize(
    ("ppm", "what"),
    [
        ((50,), "got 1 concentration of ethanol, expected two"),
        ((50, 50), "1 concentration"),
        ((0, 50), "got 0 ppm"),
    ],
)
def test_concentrations_that_make_no_curve(board, ppm, what):
    references = [Reference("ethanol", each, board.record()) for each in ppm]
    with pytest.raises(CalibrationError, match=what):
        calibrate("x", board.record(), references=references)


def test_a_compound_that_nothing_reacts_to(board):
    references = [Reference("argon", each, board.record()) for each in (10, 100)]
    with pytest.raises(CalibrationError, match="no channel reacts to argon"):
        calibrate("x", board.record(), references=references)


def test_a_reference_that_still_moves_is_refused_by_name(board):
    references = [*ethanol(board), Reference("ethanol", 7, board.record(ppm=7, warming=0.5))]
    with pytest.raises(CalibrationError, match=r"not settled in ethanol at 7 ppm: mq3 moved by"):
        calibrate("x", board.record(), references=references)


def test_a_saturated_point_is_left_out_of_its_channel(board, scales, replaced):
    references = ethanol(board)
    references[-1] = Reference("ethanol", 300, replaced(references[-1].recording, "mq3", 65535))
    made = calibrate("x", board.record(), references=references, scales=scales)
    assert (made.channels["mq3"].curves["ethanol"].points, made.channels["mq3"].curves["ethanol"].high) == (
        3,
        80,
    )
    assert made.channels["mq7"].curves["ethanol"].points == 4


def test_a_reference_of_another_board(board, replaced):
    alien = Recording(board.record().channels[3:], np.arange(180.0), board.record().values[:, 3:])
    with pytest.raises(CalibrationError, match="no usable channel in ethanol at 5 ppm, expected one of mq3"):
        calibrate("x", board.record(), references=[Reference("ethanol", p, alien) for p in (5, 50)])


def test_when_it_was_made(board):
    assert calibrate("x", board.record(start=1.7e9)).made == datetime.fromtimestamp(1.7e9 + 179, UTC)
    before = datetime.now(UTC)
    assert calibrate("x", board.record(start=0)).made >= before
    assert calibrate("x", board.record(start=4e9)).made <= datetime.now(UTC)  # by a clock that is wrong


def test_when_it_was_made_by_a_file_s_notes(board):
    air = board.record(start=0)
    for started, made in (
        ("2026-05-01T12:00:00Z", datetime(2026, 5, 1, 12, 2, 59, tzinfo=UTC)),
        ("noon", None),
    ):
        noted = Recording(air.channels, air.times, air.values, {"started": started})
        found = calibrate("x", noted).made
        assert found == made if made else (datetime.now(UTC) - found).total_seconds() < 60


def test_a_made_up_board_stays_one(board):
    air = board.record()
    noted = Recording(
        air.channels, air.times, air.values, {"simulated": "true", "source": "x", "substance": "tea"}
    )
    assert calibrate("x", noted, notes={"place": "lab"}).notes == {
        "simulated": "true",
        "source": "x",
        "place": "lab",
    }


def test_a_board_that_did_not_drift(board, scales):
    made = calibrate("x", board.record(), scales=scales)
    checked = measure_drift(made, board.record())
    assert (
        checked.drift.worst < 0.003
        and checked.status(made.made) == "ok"
        and checked.channels == made.channels
    )


def test_how_far_a_board_drifted(board, scales):
    made = calibrate("x", board.record(), scales=scales)
    checked = measure_drift(made, board.record(shift={"mq3": 0.15, "mq7": -0.05}))
    assert checked.drift.channels["mq3"] == pytest.approx(0.15, abs=0.003)
    assert checked.drift.channels["mq7"] == pytest.approx(-0.05, abs=0.003)
    assert checked.drift.drifted == ("mq3",) and checked.status(made.made) == "drifted"
    assert measure_drift(made, board.record(), threshold=1e-9).status(made.made) == "drifted"


def test_a_warm_room_is_no_drift_where_it_is_compensated(board, scales):
    others = [board.record(temperature=t, humidity=h) for t, h in ((20, 50), (32, 35), (30, 60))]
    made = calibrate("x", board.record(), other_air=others, scales=scales)
    assert measure_drift(made, board.record(temperature=31, humidity=55)).drift.worst < 0.01


def test_drift_is_measured_in_settled_clean_air_of_the_same_board(board, scales):
    made = calibrate("x", board.record(), scales=scales)
    with pytest.raises(CalibrationError, match="not settled"):
        measure_drift(made, board.record(warming=0.2))
    air = board.record()
    alien = Recording(air.channels[2:3], air.times, air.values[:, 2:3])
    with pytest.raises(CalibrationError, match="got the channels Gas_Resistance, expected one of mq3"):
        measure_drift(calibrate("x", Recording(air.channels[:2], air.times, air.values[:, :2])), alien)


def test_only_what_is_left_of_a_board_can_drift(board, scales):
    made, air = calibrate("x", board.record(), scales=scales), board.record()
    half = Recording(air.channels[:1], air.times, air.values[:, :1])
    assert set(measure_drift(made, half).drift.channels) == {"mq3"}
