import numpy as np
import pytest

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.baseline import measure_baseline
from olfactory_transformer.sensors.calibration.build import calibrate
from olfactory_transformer.sensors.calibration.relate import log_ratios
from olfactory_transformer.sensors.calibration.room import fit_compensation
from olfactory_transformer.sensors.recording import Recording


def rooms(board):
    return [board.record(temperature=t, humidity=h) for t, h in ((20, 40), (30, 55), (28, 30), (33, 45))]


def test_the_room_is_found_again(board, scales):
    baseline = measure_baseline(board.record(), scales)
    fitted = fit_compensation(baseline, rooms(board))
    assert fitted["mq3"].temperature == pytest.approx(-0.01, abs=0.0005)
    assert fitted["mq3"].humidity == pytest.approx(-0.004, abs=0.0003)
    assert fitted["mq7"].temperature == pytest.approx(0, abs=0.0005)
    assert fitted["mq7"].humidity == pytest.approx(-0.002, abs=0.0003)
    assert fitted["mq3"].rms < 0.004 < 0.03 < fitted["mq3"].rms_before
    assert fitted["mq3"].temperatures == pytest.approx((-5, 8), abs=0.3)


def test_another_room_no_longer_shows(board, scales):
    compensated = calibrate("x", board.record(), scales=scales, other_air=rooms(board))
    plain = calibrate("x", board.record(), scales=scales)
    elsewhere = board.record(temperature=29, humidity=50)
    assert np.median(log_ratios(plain, elsewhere)["mq3"]) == pytest.approx(-0.08, abs=0.01)
    assert np.median(log_ratios(compensated, elsewhere)["mq3"]) == pytest.approx(0, abs=0.005)


def test_only_what_varied_is_fitted(board, scales):
    baseline = measure_baseline(board.record(), scales)
    fitted = fit_compensation(baseline, [board.record(temperature=20), board.record(temperature=32)])
    assert fitted["mq3"].temperature == pytest.approx(-0.01, abs=0.001)
    assert all(each.humidity == 0 and each.humidities == (0, 0) for each in fitted.values())


def test_too_little_variation_is_refused(board, scales):
    baseline = measure_baseline(board.record(), scales)
    with pytest.raises(
        CalibrationError,
        match=r"too little: got temperature within 1\.\d degC, humidity within 3\.\d %, "
        r"expected 3 degC or 8 % or more",
    ):
        fit_compensation(baseline, [board.record(), board.record(temperature=26, humidity=43)])


def test_one_wild_reading_is_no_variation(board, scales, replaced):
    baseline = measure_baseline(board.record(), scales)
    air = board.record()
    wild = air.values[:, air.names.index("Temperature")].copy()
    wild[50] = 85.0
    with pytest.raises(CalibrationError, match="varied too little"):
        fit_compensation(baseline, [replaced(air, "Temperature", wild)])


def test_two_that_went_together_are_refused(board, scales):
    baseline = measure_baseline(board.record(), scales)
    together = [board.record(temperature=25 + d, humidity=40 - 2 * d) for d in (-4, 0, 4, 8)]
    with pytest.raises(CalibrationError, match=r"went together \(correlation -1\.00\)"):
        fit_compensation(baseline, together)


def test_a_board_without_a_room(board, scales):
    air = board.record()
    bare = Recording(air.channels[:3], air.times, air.values[:, :3])
    with pytest.raises(CalibrationError, match="without temperature and humidity"):
        fit_compensation(measure_baseline(bare, scales), [bare])


def test_pressure_and_altitude_compensate_nothing(board, scales, replaced):
    def lifted(recording):
        t = np.arange(len(recording.times))
        return replaced(replaced(recording, "Pressure", 900 - t), "Altitude", 1000 + 8 * t)

    air, others = board.record(), rooms(board)
    plain = calibrate("x", air, scales=scales, other_air=others)
    moved = calibrate("x", lifted(air), scales=scales, other_air=[lifted(each) for each in others])
    assert moved.channels == plain.channels
    sample = board.record(ppm=50, temperature=28)
    for name, logs in log_ratios(plain, sample).items():
        assert (log_ratios(moved, lifted(sample))[name] == logs).all()


def test_beyond_what_was_measured_the_edge_holds(board, scales):
    compensated = (
        calibrate("x", board.record(), scales=scales, other_air=rooms(board)).channels["mq3"].compensation
    )
    shifts = compensated.shift(np.array([8.0, 100.0, np.nan]), np.zeros(3))
    assert shifts[1] == pytest.approx(shifts[0], abs=0.005) and shifts[2] == 0


def test_a_channel_that_was_not_there_has_none(board, scales):
    baseline = measure_baseline(board.record(), scales)
    without = [Recording(r.channels[1:], r.times, r.values[:, 1:]) for r in rooms(board)]
    assert set(fit_compensation(baseline, without)) == {"mq7", "Gas_Resistance"}


def test_the_baseline_itself_counts(board, scales):
    made = calibrate("x", board.record(), scales=scales, other_air=[board.record(temperature=31)])
    assert made.channels["mq3"].compensation.temperature == pytest.approx(-0.01, abs=0.001)
    assert made.channels["mq3"].compensation.temperatures == pytest.approx((0, 6), abs=0.3)
