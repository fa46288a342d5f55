import json
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.core.errors import FileFormatError, RecordingError
from olfactory_transformer.inference.nose.reference_profile import (
    from_json,
    judge,
    learn,
    t_quantile,
    to_json,
)
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording


def batch(seed, seconds=200, change=None, gain=1.0, names=("CO", "NO2", "Temperature"), rate=1.0):
    """A batch of which CO rises and NO2 falls, each a little differently."""
    rng = np.random.default_rng(seed)
    times = np.arange(0.0, seconds, 1 / rate)
    rise = 1 - np.exp(-times / 40)
    columns = {
        "CO": gain * (800 + 200 * rng.normal(1, 0.05) * rise),
        "NO2": gain * (300 - 100 * rng.normal(1, 0.05) * rise),
        "Temperature": np.full(len(times), rng.uniform(10, 40)),
    }
    if change:
        change(times, columns)
    values = np.stack([columns[name] + rng.normal(0, 1, len(times)) for name in names], axis=1)
    return Recording(tuple(map(channel, names)), times, values.astype(np.float32))


@pytest.fixture(scope="module")
def profile():
    return learn([batch(seed) for seed in range(8)])


def test_what_the_profile_is_of(profile):
    assert profile.channels == ("CO", "NO2")  # the room is no part of it
    assert (profile.grid.step, profile.grid.count, profile.batches, profile.warnings) == (1.0, 199, 8, ())
    assert profile.mean.shape == profile.spread.shape == (199, 2) and (profile.spread > 0).all()


@pytest.mark.parametrize("seed", range(100, 110))
def test_another_good_batch_is_good(profile, seed):
    verdict = judge(profile, batch(seed))
    assert not verdict.deviates and verdict.channels == () and verdict.score <= verdict.threshold


def test_a_bad_batch_says_which_channel_when_and_which_way(profile):
    def leak(times, columns):
        columns["NO2"][(times >= 90) & (times < 150)] *= 2

    verdict = judge(profile, batch(50, change=leak))
    (found,) = verdict.channels
    assert verdict.deviates and (found.channel, found.direction) == ("NO2", "high")
    assert 90 <= found.began <= 110 and 150 <= found.ended <= 199
    assert verdict.score == found.score > verdict.threshold

    def weak(times, columns):
        columns["CO"] = columns["CO"] * 0.7

    assert [each.direction for each in judge(profile, batch(51, change=weak)).channels] == ["low"]


def test_it_is_seen_while_it_happens_and_not_before(profile):
    def leak(times, columns):
        columns["NO2"][times >= 90] *= 2

    bad = batch(50, change=leak)
    deviates = [
        judge(profile, Recording(bad.channels, bad.times[:n], bad.values[:n])).deviates
        for n in range(1, 200, 10)
    ]
    assert deviates == sorted(deviates) and deviates.index(True) in range(9, 13)


def renamed(recording, names):
    return replace(recording, channels=tuple(map(channel, names)))


def test_channels_are_found_in_letters_of_any_size(profile):
    same = judge(profile, batch(9))
    lower = judge(profile, renamed(batch(9), ("co", "no2", "temperature")))
    assert not lower.deviates and lower.score == same.score
    mixed = [batch(1), *(renamed(batch(seed), ("Co", "no2", "TEMPERATURE")) for seed in range(2, 6))]
    assert learn(mixed).channels == ("CO", "NO2")


def test_one_odd_frame_is_no_bad_batch(profile):
    def spark(times, columns):
        columns["CO"][100] += 30

    assert not judge(profile, batch(52, change=spark)).deviates


def test_a_channel_that_is_gone_or_falls_silent_is_a_deviation(profile):
    verdict = judge(profile, batch(53, names=("CO",)))
    assert [(each.channel, each.direction) for each in verdict.channels] == [("NO2", "missing")]
    assert math.isinf(verdict.score) and verdict.as_dict()["score"] is None

    def silent(times, columns):
        columns["NO2"][times >= 60] = np.nan

    (found,) = judge(profile, batch(54, change=silent)).channels
    assert found.direction == "missing" and 110 <= found.began <= 125


def test_relative_to_the_start_the_level_of_the_board_does_not_count(profile):
    start = learn([batch(seed) for seed in range(8)], against="start")
    louder = batch(60, gain=1.5)
    assert judge(profile, louder).deviates and not judge(start, louder).deviates

    def weak(times, columns):
        columns["CO"] = 800 + 0 * times

    assert judge(start, batch(61, change=weak)).deviates


def test_other_rates_and_lengths(profile):
    assert not judge(profile, batch(70, rate=4.0)).deviates
    verdict = judge(profile, batch(71, seconds=400))
    assert not verdict.deviates and verdict.seconds == verdict.of_seconds == 199
    assert judge(profile, batch(72, seconds=50)).seconds == 49
    slow = learn([batch(seed, seconds=3600, rate=0.2) for seed in range(3)])
    assert slow.grid.step == 6.0 and not judge(slow, batch(73, seconds=3600, rate=0.2)).deviates


def test_the_share_of_good_batches_that_is_called_bad_is_near_that_intended():
    alarms = []
    for seed in range(0, 300, 6):
        found = learn([batch(seed + i) for i in range(5)], false_alarms=0.1)
        alarms.append(judge(found, batch(seed + 5)).deviates)
    assert np.mean(alarms) <= 0.2
    strict, loose = (learn([batch(i) for i in range(5)], share).threshold for share in (0.01, 0.2))
    assert strict > loose


def test_few_batches_are_warned_of():
    assert "3 batches" in learn([batch(seed) for seed in range(3)]).warnings[0]


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([batch(0), batch(1)], "2 good batches; expected at least 3"),
        ([batch(0), batch(1), batch(2, seconds=60)], "a batch of 59 s; expected at least 120 s"),
        ([batch(0), batch(1), batch(2, names=("Temperature",))], "without a gas channel in common"),
        ([batch(0), batch(1), batch(0)], "the same recording as batches 1 and 3"),
    ],
)
def test_batches_that_are_not_enough(batches, said):
    with pytest.raises(RecordingError, match=said):
        learn(batches)


def test_a_batch_without_frames(profile):
    with pytest.raises(RecordingError, match="without frames"):
        judge(profile, Recording((channel("CO"),), np.empty(0), np.empty((0, 1), np.float32)))


def test_the_file_comes_back(profile):
    again = from_json(to_json(profile))
    bad = batch(50, gain=1.2)
    for one, other in zip(judge(again, bad).channels, judge(profile, bad).channels, strict=True):
        assert (one.channel, one.direction, one.began) == (other.channel, other.direction, other.began)
        assert one.score == pytest.approx(other.score, rel=1e-3)
    assert (again.threshold, again.left_out, again.against) == (profile.threshold, profile.left_out, "level")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "format version 2, expected 1"),
        ({"type": "other"}, "not a reference profile"),
        ({"channels": []}, "0 channels"),
        ({"channels": ["CO", "CO"]}, "2 channels"),
        ({"mean": [[1.0, 2.0]]}, "2 channels"),
        ({"units": [1.0, 0.0]}, "not above 0"),
        ({"threshold": -1}, "not above 0"),
        ({"against": "moon"}, "not a reference profile"),
    ],
)
def test_wrong_files_are_refused_with_the_reason(profile, change, said):
    stored = json.loads(to_json(profile)) | change
    with pytest.raises(FileFormatError, match=f"ref.json: .*{said}"):
        from_json(json.dumps(stored).encode(), "ref.json")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_typed_error(data):
    with pytest.raises(FileFormatError):
        from_json(data)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 12, 21])
def test_quantiles_are_those_of_scipy(freedom):
    for probability in (0.5, 0.9, 0.98, 0.999):
        expected = scipy.stats.t.ppf(probability, freedom)
        assert t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-6, abs=1e-9)
