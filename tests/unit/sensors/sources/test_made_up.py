"""Replays, and the simulated board."""

from __future__ import annotations

import dataclasses
import threading
import time

import numpy as np
import pytest

from olfactory_transformer.core.errors import SourceEnded, SourceError
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.sources import source_of
from olfactory_transformer.sensors.sources.contract import Source
from olfactory_transformer.sensors.sources.metal_oxide import Exposure, MetalOxide
from olfactory_transformer.sensors.sources.replay import ReplaySource
from olfactory_transformer.sensors.sources.simulated import SimulatedSource


def test_a_file_is_replayed_to_its_end(tmp_path):
    path = tmp_path / "clove.csv"
    path.write_text("t,CO\n0,800\n1,801\n2,802\n")
    with source_of(f"replay:{path}", speed=0) as source:
        assert isinstance(source, Source)
        assert [source.read(1).values["CO"] for _ in range(3)] == [800, 801, 802]
        with pytest.raises(SourceEnded):
            source.read(1)


def test_its_speed():
    recording = Recording((channel("CO"),), np.arange(3.0), np.zeros((3, 1), np.float32))
    with ReplaySource(recording, speed=10) as source:
        began = time.monotonic()
        assert source.read(0).sequence == 0
        assert source.read(0.01) is None  # its time has not come
        while source.read(0.5).sequence < 2:
            pass
        assert time.monotonic() - began >= 0.2


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        ReplaySource(tmp_path / "none.csv").open()


@pytest.mark.parametrize("speed", [-1.0, float("nan")])
def test_speeds_that_are_none(speed):
    for text in ("replay:a.csv", "simulated"):
        with pytest.raises(SourceError, match="expected 0 or more"):
            source_of(text, speed=speed)


def frames(*arguments, count=400, **options):
    with SimulatedSource(*arguments, speed=0, **options) as source:
        return [source.read(1) for _ in range(count)]


def test_the_simulated_board_says_that_it_is_and_repeats_itself():
    first, again, other = frames(3), frames(3), frames(4)
    assert {each.source for each in first} == {"simulated:3"}
    assert [each.sequence for each in first] == list(range(400))
    assert [each.values for each in first] == [each.values for each in again]
    assert [each.values for each in first] != [each.values for each in other]
    air = np.mean([each.values["VOC"] for each in first[80:119]])
    smelt = np.mean([each.values["VOC"] for each in first[200:290]])
    assert smelt > 1.2 * air


def test_it_is_as_fast_as_a_board():
    with SimulatedSource(3, speed=10) as source:
        began = time.monotonic()
        assert source.read(0).sequence == 0
        assert source.read(0.01) is None
        assert source.read(1).sequence == 1
        assert time.monotonic() - began >= 0.1
    assert source.read(0) is None


SLOW = Recording((channel("CO"),), np.array([0.0, 3600.0]), np.zeros((2, 1), np.float32))


@pytest.mark.parametrize("timeout", [1800, 7200], ids=["before the next frame", "after it"])
@pytest.mark.parametrize(
    "make",
    [lambda: ReplaySource(SLOW), lambda: SimulatedSource(3, rate=1 / 3600)],
    ids=["replay", "simulated"],
)
def test_a_read_that_waits_returns_when_another_thread_closes_it(make, timeout):
    source, found = make(), []
    source.open()
    assert source.read(0).sequence == 0
    thread = threading.Thread(target=lambda: found.append(source.read(timeout)), daemon=True)
    thread.start()
    time.sleep(0.1)
    source.close()
    thread.join(30)
    assert not thread.is_alive() and found == [None]


QUIET = MetalOxide("CO", 500.0, {"ethanol": (0.5, 0.5)}, noise=0.0, walk=0.0, per_degree=0.0, per_percent=0.0)


def test_it_follows_its_laws():
    schedule = (Exposure(300.0, "ethanol", 4.0), Exposure(300.0))
    found = [each.values["CO"] for each in frames(1, sensors=(QUIET,), schedule=schedule, count=1200)]
    np.testing.assert_allclose(found[:600], found[600:], atol=1)  # after five minutes hardly anything is left
    after = np.arange(1, 301)
    np.testing.assert_allclose(found[:300], 500 * (2 - np.exp(-after / QUIET.rise)), atol=0.51)
    np.testing.assert_allclose(found[300:600], 500 * (1 + np.exp(-after / QUIET.fall)), atol=0.51)


def test_a_faster_board_reacts_as_fast():
    schedule = (Exposure(30.0, "ethanol", 4.0),)
    slow = [each.values["CO"] for each in frames(1, sensors=(QUIET,), schedule=schedule, count=30)]
    fast = frames(1, sensors=(QUIET,), schedule=schedule, count=300, rate=10.0)
    assert [each.values["CO"] for each in fast[9::10]] == slow
    assert fast[10].time - fast[0].time == pytest.approx(1.0)


def test_noise_drift_room_and_the_end_of_the_scale():
    air = (Exposure(60.0),)

    def counts(count=4000, **options):
        sensor = dataclasses.replace(QUIET, **options)
        return np.array(
            [each.values["CO"] for each in frames(1, sensors=(sensor,), schedule=air, count=count)]
        )

    assert np.std(counts(noise=0.02)) == pytest.approx(10, rel=0.1)
    assert counts(trend=0.1)[3600] == pytest.approx(550, abs=1)
    walks = [
        frames(seed, sensors=(dataclasses.replace(QUIET, walk=1e-3),), schedule=air, count=401)[-1].values[
            "CO"
        ]
        for seed in range(40)
    ]
    assert np.std(np.log(walks)) == pytest.approx(1e-3 * 400**0.5, rel=0.35)
    assert set(counts(clean=5000.0)) == {4095.0}
    room = frames(1, sensors=(dataclasses.replace(QUIET, per_degree=0.1),), schedule=air, count=2000)
    warmth = np.array([each.values["Temperature"] for each in room])
    assert np.corrcoef(warmth, [each.values["CO"] for each in room])[0, 1] > 0.95


@pytest.mark.parametrize(
    "options", [{"rate": 0.0}, {"schedule": ()}, {"schedule": (Exposure(0.0),)}, {"rate": float("nan")}]
)
def test_boards_that_cannot_be(options):
    with pytest.raises(SourceError, match="expected more than 0"):
        SimulatedSource(**options)
