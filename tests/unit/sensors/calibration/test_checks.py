import sys
from datetime import datetime, timedelta

import msgspec
import numpy as np
import pytest

from olfactory_transformer.sensors.calibration.build import calibrate
from olfactory_transformer.sensors.calibration.checks import Checks, check_recording
from olfactory_transformer.sensors.calibration.value import Drift
from olfactory_transformer.sensors.frame import Frame

START = 1_764_000_000.0


@pytest.fixture
def calibration(board, scales):
    return calibrate("desk", board.record(), scales=scales)


def feed(checks, recording, rows=None):
    for time, row in list(zip(recording.times, recording.values, strict=True))[:rows]:
        checks.add(Frame(float(time), dict(zip(recording.names, map(float, row), strict=True))))
    return checks


def test_a_sound_board_has_no_warnings(calibration, board):
    assert check_recording(board.record(600), calibration) == ()
    assert check_recording(board.record(ppm=100), calibration) == ()


@pytest.mark.parametrize("calibrated", [True, False])
def test_columns_without_names_are_forgotten_once_the_board_has_said_its_header(
    calibration, board, calibrated
):
    checks = Checks(calibration if calibrated else None)
    for t in range(15):
        checks.add(Frame(START + t, {"c1": 1.0 + t % 2, "c2": 2.0 + t % 3}))
    feed(checks, board.record(60))
    assert checks.warnings() == (() if calibrated else ("uncalibrated",))


def test_without_a_calibration(board):
    assert check_recording(board.record(), None) == ("uncalibrated",)
    assert Checks(None).warnings() == ("uncalibrated",)


def test_an_old_one(calibration, board):
    late = board.record(start=START + 40 * 86400)
    assert check_recording(late, calibration) == ("expired",)
    assert check_recording(late, calibration, now=calibration.made) == ()
    # Times from a recording's start say nothing of the day: the clock does.
    past = msgspec.structs.replace(
        calibration,
        made=calibration.made - timedelta(days=9999),
        expires=calibration.made - timedelta(days=9998),
    )
    assert check_recording(board.record(start=0), past) == ("expired",)


def test_a_drifted_one(calibration, board):
    drifted = msgspec.structs.replace(calibration, drift=Drift({"mq3": 0.3}, 0.1, calibration.made))
    assert check_recording(board.record(), drifted) == ("drifted",)


def test_cleaner_than_clean_air_is_drift(calibration, board):
    up = {"mq3": 0.2, "mq7": 0.2, "Gas_Resistance": 0.2}
    assert check_recording(board.record(shift=up), calibration) == ("drifted",)
    assert check_recording(board.record(shift={"mq3": 0.2}), calibration) == ()  # one may be another gas
    down = dict.fromkeys(up, -0.2)
    assert check_recording(board.record(shift=down), calibration) == ()  # which a gas does, too


def test_half_of_the_channels_are_not_most(board, scales, replaced):
    voc = 500 + np.arange(180) % 3
    calibration = calibrate("x", replaced(board.record(), "VOC", voc), scales=scales)
    for up, found in ((["mq3", "mq7"], ()), (["mq3", "mq7", "Gas_Resistance"], ("drifted",))):
        moved = replaced(board.record(shift=dict.fromkeys(up, 0.2)), "VOC", voc)
        assert check_recording(moved, calibration) == found


def test_a_cold_room_is_no_drift_where_it_is_compensated(board, scales):
    board.warmth = dict.fromkeys(board.r0, -0.02)
    plain = calibrate("x", board.record(), scales=scales)
    rooms = [board.record(temperature=t) for t in (14, 32)]
    compensated = calibrate("x", board.record(), scales=scales, other_air=rooms)
    cold = board.record(temperature=15)
    assert check_recording(cold, plain) == ("drifted",) and check_recording(cold, compensated) == ()


def test_a_stuck_channel_is_found_and_recovers(calibration, board, replaced):
    air = board.record(200)
    values = air.values[:, 1].copy()
    values[50:150] = values[50]
    broken = replaced(air, "mq7", values)
    checks = feed(Checks(calibration), broken, 70)
    assert checks.warnings() == ()  # too soon
    assert feed(Checks(calibration), broken, 150).warnings() == ("stuck:mq7",)
    over = feed(Checks(calibration), broken)
    assert over.warnings() == () and over.warnings(ever=True) == ("stuck:mq7",) == check_recording(
        broken, calibration
    )


def test_a_stuck_thermometer_is_found(calibration, board, replaced):
    assert check_recording(replaced(board.record(), "Temperature", 25.0), calibration) == (
        "stuck:Temperature",
    )


def test_calm_is_not_stuck(board, replaced):
    # A coarse channel: 2 counts for minutes, then 3. In clean air it was as calm.
    coarse = np.full(300, 2.0)
    calibration = calibrate("x", replaced(board.record(300), "Alcohol", coarse))
    assert check_recording(replaced(board.record(300), "Alcohol", coarse), calibration) == ()
    bursts = coarse.copy()
    bursts[::40] = 3
    calibration = calibrate("x", replaced(board.record(300), "Alcohol", bursts))
    assert check_recording(replaced(board.record(100), "Alcohol", 2.0), calibration) == ()
    assert check_recording(replaced(board.record(300), "Alcohol", 2.0), calibration) == ()  # may be chance
    # A hundred times the calm of clean air is stuck.
    assert check_recording(replaced(board.record(4000), "Alcohol", 2.0), calibration) == ("stuck:Alcohol",)


def test_noise_that_comes_in_bursts(board, scales, replaced):
    # A long calm in clean air is no fault later, restless as the channel is else.
    air = board.record(300)
    values = air.values[:, 1].copy()
    values[100:200] = values[100]
    calibration = calibrate("x", replaced(air, "mq7", values), scales=scales)
    sample = board.record(700).values[:, 1].copy()
    sample[50:400] = sample[50]
    assert check_recording(replaced(board.record(700), "mq7", sample), calibration) == ()
    sample[50:600] = sample[50]
    assert check_recording(replaced(board.record(700), "mq7", sample), calibration) == ("stuck:mq7",)


def test_fast_frames_are_judged_by_their_seconds(calibration, board):
    air = board.record(400)
    values = np.repeat(air.values[::100], 100, axis=0)  # each reading for ten seconds
    fast = type(air)(air.channels, air.times[0] + np.arange(400) / 10, values)
    assert check_recording(fast, calibration) == ()


@pytest.mark.parametrize("value", [0, 65535, 4_294_967_295])
def test_saturated(calibration, board, replaced, value):
    air = board.record(60)
    values = air.values[:, 0].copy()
    values[20:29] = value
    assert check_recording(replaced(air, "mq3", values), calibration) == ()
    values[20:31] = value
    assert check_recording(replaced(air, "mq3", values), calibration) == ("saturated:mq3",)


@pytest.mark.parametrize(("value", "found"), [(1023, True), (4095, True), (1000, False), (-5, True)])
def test_ends_of_unknown_adcs(board, replaced, value, found):
    recording = replaced(board.record(60), "VOC", value)
    assert ("saturated:VOC" in check_recording(recording, None)) is found
    higher = np.full(60, float(value))
    higher[0] = 5000
    assert ("saturated:VOC" in check_recording(replaced(recording, "VOC", higher), None)) is (value <= 0)


def test_an_amplifier_that_clips_twice_at_the_same_reading(calibration, board, replaced):
    air = board.record(200)
    values = air.values[:, 1].copy()
    values[50:90] = values[110:199] = 30_000
    checks = feed(Checks(calibration), replaced(air, "mq7", values), 199)
    assert checks.warnings() == ("saturated:mq7",)


def test_a_channel_that_sticks_at_its_highest_reading(calibration, board, replaced):
    air = board.record(200)
    values = air.values[:, 1].copy()
    values[98] = values[100:199] = 30_000  # but it was not flat there before
    assert feed(Checks(calibration), replaced(air, "mq7", values), 199).warnings() == ("stuck:mq7",)


def test_a_missing_channel(calibration, board):
    air = board.record(40)
    without = type(air)(air.channels[1:], air.times, air.values[:, 1:])
    assert check_recording(without, calibration) == ("missing:mq3",)
    assert feed(Checks(calibration), without, 1).warnings() == ("missing:mq3",)
    values = air.values.copy()
    values[10:19, 0] = np.nan
    assert check_recording(type(air)(air.channels, air.times, values), calibration) == ()
    values[10:25, 0] = np.nan
    gone = type(air)(air.channels, air.times, values)
    assert feed(Checks(calibration), gone, 22).warnings() == ("missing:mq3",)
    assert feed(Checks(calibration), gone).warnings() == ()


def test_a_channel_that_vanishes_is_missed_without_a_calibration():
    checks = Checks(None)
    for t in range(30):
        checks.add(Frame(float(t), {"CO": 800.0 + t, **({"VOC": 9.0 + t} if t < 15 else {})}))
    assert checks.warnings() == ("uncalibrated", "missing:VOC")


def test_before_any_frame_nothing_is_missing(calibration):
    assert Checks(calibration, now=calibration.made).warnings() == ()


def test_memory_is_bounded(calibration):
    def size(thing, seen):
        if id(thing) in seen or isinstance(thing, (type, datetime)):
            return 0
        seen.add(id(thing))
        parts = (
            list(thing.items())
            if isinstance(thing, dict)
            else list(thing)
            if isinstance(thing, (tuple, list))
            else []
        )
        parts += [getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())]
        parts += list(vars(thing).values()) if hasattr(thing, "__dict__") else []
        return sys.getsizeof(thing) + sum(size(each, seen) for each in parts)

    checks, rng = Checks(calibration), np.random.default_rng(0)
    for t in range(300):  # names that are never the same
        checks.add(Frame(START + t, {f"s{t}.{n}": rng.random() for n in range(5)}))
    before = size(checks, set())
    for t in range(300, 3000):
        checks.add(Frame(START + t, {f"s{t}.{n}": rng.random() for n in range(5)}))
    assert size(checks, set()) <= before * 1.01
    assert len(checks.warnings(ever=True)) < 300
