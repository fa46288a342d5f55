import math

import numpy as np
import pytest

from olfactory_transformer.api.sensors import listening as module
from olfactory_transformer.api.sensors.listening import GAP_SECONDS, MOST_CHANNELS, Listening
from olfactory_transformer.inference.nose.predictor import NosePredictor


def frames(listening, times, **values):
    return [time for time in times if listening.add(float(time), values or {"CO": 800.0})]


def test_a_window_is_due_at_every_hop():
    listening = Listening(10, 5)
    assert frames(listening, range(0, 31)) == [5, 10, 15, 20, 25, 30]
    assert (listening.seconds, listening.full) == (30, True)


def test_it_is_short_until_it_is_full():
    listening = Listening(10, 5)
    frames(listening, range(0, 10))
    assert not listening.full
    listening.add(10.0, {"CO": 1.0})
    assert listening.full and listening.recording().seconds == 10


def test_the_window_holds_no_more_than_its_seconds():
    listening = Listening(10, 5)
    frames(listening, np.arange(0, 100, 0.5))
    assert listening.recording().times.tolist() == np.arange(89.5, 100, 0.5).tolist()


def test_times_need_not_be_even_and_a_pause_makes_one_window_due():
    listening = Listening(100, 5)
    assert frames(listening, [0, 0.1, 4.9, 5.2, 24.0, 24.5, 27.0, 29.1]) == [5.2, 24.0, 27.0]


@pytest.mark.parametrize("next_time", [12.0 + GAP_SECONDS + 0.1, 3.0])
def test_a_gap_and_a_clock_that_falls_begin_anew(next_time):
    listening = Listening(10, 5)
    frames(listening, range(0, 13))
    listening.add(next_time, {"VOC": 1.0})
    assert listening.times_begun == 1
    assert (listening.seconds, listening.full, listening.names) == (0, False, ("VOC",))
    assert listening.recording().times.tolist() == [next_time]


def test_the_same_time_twice_is_no_fall():
    listening = Listening(10, 5)
    frames(listening, [1, 1, 2])
    assert listening.times_begun == 0 and len(listening.recording().times) == 3


def test_a_header_after_columns_without_names_makes_it_begin_anew():
    listening = Listening(10, 5)
    frames(listening, range(3), c1=1.0, c2=2.0)
    frames(listening, range(3, 6), NO2=1.0, CO=2.0)
    assert (listening.times_begun, listening.names) == (1, ("NO2", "CO"))
    assert listening.recording().times.tolist() == [3, 4, 5]
    frames(listening, range(6, 9), CO=2.0)  # a line a channel is no header
    assert listening.times_begun == 1


def test_channels_come_and_go():
    listening = Listening(10, 5)
    listening.add(0.0, {"CO": 1.0, "VOC": 2.0})
    listening.add(1.0, {"VOC": 3.0, "NO2": math.nan})
    recording = listening.recording()
    assert recording.names == ("CO", "VOC", "NO2")
    assert np.array_equal(recording.values, [[1, 2, math.nan], [math.nan, 3, math.nan]], equal_nan=True)


def test_a_channel_that_left_the_window_is_not_in_it():
    listening = Listening(4, 2)
    listening.add(0.0, {"CO": 1.0, "VOC": 2.0})
    for time in range(1, 8):
        listening.add(float(time), {"CO": 1.0})
    assert listening.recording().names == ("CO",)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_FRAMES", 50)
    listening = Listening(10, 5)
    frames(listening, np.arange(0, 1, 0.01))
    assert len(listening.recording().times) == 50 and listening.overflowed == 50
    listening.add(1.0, {f"c{n}": 1.0 for n in range(2 * MOST_CHANNELS)})
    assert len(listening.names) == MOST_CHANNELS


@pytest.mark.parametrize(
    ("interval", "jitter"), [(1.0, 0.0), (1.0, 0.05), (1.3, 0.1), (2.0, 0.01), (7.0, 0.5)]
)
def test_a_full_window_is_whole_to_the_model_however_a_board_keeps_time(interval, jitter):
    nose = NosePredictor.from_pretrained()
    listening = Listening(nose.window_seconds, nose.hop_seconds)
    random, usual, asked = np.random.default_rng(0), np.array(nose.config.levels[:6]), []
    for frame in range(round(250 / interval)):
        counts = usual * np.exp(0.01 * random.standard_normal(6))
        values = dict(zip(nose.config.channels, counts.tolist(), strict=True))
        if listening.add(frame * interval + random.uniform(0, jitter), values) and listening.full:
            asked.append(bool(np.isfinite(nose.read(listening.recording()).agreement).all()))
    assert len(asked) > 3 and all(asked)
