import numpy as np
import pytest

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.baseline import measure_baseline
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording


def test_resistances_are_found_again(board, scales):
    baseline = measure_baseline(board.record(), scales)
    for name, r0 in board.r0.items():
        level = baseline.levels[name]
        assert 10**level.log == pytest.approx(r0, rel=0.005)
        assert 0.0015 < level.spread < 0.003 and abs(level.moved) < 0.003
    assert baseline.room["temperature"] == pytest.approx(25, abs=0.1)
    assert baseline.room["humidity"] == pytest.approx(40, abs=0.1)
    assert set(baseline.room) == {"temperature", "humidity"} and baseline.left_out == {}


def test_counts_without_a_scale_have_counts_for_r0(board):
    level = measure_baseline(board.record()).levels["mq3"]
    assert level.reading == pytest.approx(65535 * 10 / 70, rel=0.01) and not level.scale.in_kohm


def test_a_whiff_does_not_move_it(board, scales, replaced):
    air = board.record()
    values = air.values[:, 0].copy()
    values[60:80] *= 2
    assert measure_baseline(replaced(air, "mq3", values), scales).levels["mq3"].log == pytest.approx(
        measure_baseline(air, scales).levels["mq3"].log, abs=0.001
    )


def test_a_board_that_warms_up_is_refused(board, scales, replaced):
    air = board.record()
    warming = replaced(air, "mq7", board.record(warming=0.2).values[:, 1])
    with pytest.raises(
        CalibrationError, match=r"clean air: mq7 moved by (3\d) % in 120 s, expected at most 5 %"
    ):
        measure_baseline(warming, scales)
    assert measure_baseline(warming, scales, tolerance=0.2).levels["mq7"].slope == pytest.approx(
        -4.0, abs=0.3
    )


def test_all_that_move_are_named(board):
    with pytest.raises(CalibrationError) as refused:
        measure_baseline(board.record(warming=0.3))
    assert all(f"{name} moved by" in str(refused.value) for name in board.r0)


@pytest.mark.parametrize("levels", [(2, 3), (3, 2), (900, 901)])
def test_one_step_of_a_coarse_channel_is_no_move(levels):
    # Two counts that become three: the least that this ADC can show.
    times = np.arange(120.0)
    values = np.where(times < 60, *levels)[:, None].astype(np.float32)
    assert measure_baseline(Recording((channel("Alcohol"),), times, values)).levels


@pytest.mark.parametrize(("seconds", "frames"), [(59, 59), (300, 20), (0, 0)])
def test_too_short(seconds, frames):
    recording = Recording(
        (channel("CO"),), np.linspace(0, seconds, frames), np.full((frames, 1), 800, np.float32)
    )
    with pytest.raises(
        CalibrationError, match=f"got {frames} frames in {seconds} s, expected at least 30 in 60 s"
    ):
        measure_baseline(recording)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.nan, "missing"),
        (4_294_967_295, "saturated"),
        (0, "saturated"),
        (1023, "saturated"),
        (65535, "saturated"),
    ],
)
def test_channels_of_no_use_are_left_out_and_named(board, replaced, values, why):
    baseline = measure_baseline(replaced(board.record(), "VOC", values))
    assert baseline.left_out == {"VOC": why} and "VOC" not in baseline.levels and "mq3" in baseline.levels


def test_1023_is_no_end_of_a_larger_adc(board, replaced):
    steps = 1023 + np.arange(180) % 3
    assert "VOC" in measure_baseline(replaced(board.record(), "VOC", steps)).levels
    top = measure_baseline(replaced(board.record(), "VOC", 1023), {"VOC": {"full_scale": 4095.0}})
    assert top.levels["VOC"].reading == 1023


def test_a_board_without_a_usable_channel():
    times = np.arange(100.0)
    recording = Recording((channel("CO"), channel("Temperature")), times, np.zeros((100, 2), np.float32))
    with pytest.raises(CalibrationError, match=r"no gas channel that can be used \(CO: saturated\)"):
        measure_baseline(recording)


def test_a_scale_of_a_channel_that_is_not_there(board):
    with pytest.raises(CalibrationError, match="a scale of mq9"):
        measure_baseline(board.record(), {"mq9": {"load": 10.0}})


def test_a_full_scale_below_the_readings_is_refused(board):
    with pytest.raises(
        CalibrationError, match=r"mq3 reading \d+ with a full scale of 100, expected the highest"
    ):
        measure_baseline(board.record(), {"mq3": {"full_scale": 100.0}})
    glitch = board.record()
    glitch.values[50, glitch.names.index("mq3")] = 100_000
    assert "mq3" in measure_baseline(glitch, {"mq3": {"full_scale": 65535.0}}).levels


def test_noise_tells_a_calm_channel(board, replaced):
    baseline = measure_baseline(replaced(board.record(), "VOC", 500))
    assert baseline.levels["VOC"].noise.changes == 0 and baseline.levels["VOC"].noise.longest == 179
    assert baseline.levels["mq3"].noise.changes > 0.8 and set(baseline.room_noise) == {
        "Temperature",
        "Humidity",
    }


def test_noise_is_no_move_but_does_not_hide_one(board):
    board.noise = 0.1  # decades: 26 % from one reading to the next
    assert measure_baseline(board.record(300), tolerance=0.001).levels
    board.noise = 0.002
    steady, moved = board.record(300).values[:, 1], board.record(300, shift={"mq7": 0.3}).values[:, 1]
    times = np.arange(300.0)
    step = np.where(times < 150, steady, moved)[:, None]
    with pytest.raises(CalibrationError, match="mq7 moved by"):  # though it stands still in each half
        measure_baseline(Recording((channel("mq7"),), times, step))


@pytest.mark.parametrize(("part", "missing"), [(0.05, False), (0.2, True)])
def test_some_readings_may_be_missing(board, replaced, part, missing):
    air = board.record(200)
    values = air.values[:, 0].copy()
    values[: int(part * 200)] = np.nan
    assert measure_baseline(replaced(air, "mq3", values)).left_out == ({"mq3": "missing"} if missing else {})


def test_the_spread_is_about_the_slope(board, scales):
    baseline = measure_baseline(board.record(600, warming=0.06), scales, tolerance=1)
    assert baseline.levels["mq3"].spread == pytest.approx(0.002, rel=0.2)
