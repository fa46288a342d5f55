"""Replays, and the simulated board."""

from __future__ import annotations

import time

import numpy as np
import pytest

from olfactory_transformer.core.errors import SourceEnded, SourceError
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.sources import source_of
from olfactory_transformer.sensors.sources.contract import Source
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


def test_the_simulated_board_says_that_it_is_and_repeats_itself():
    def frames(seed):
        with SimulatedSource(seed, speed=0) as source:
            return [source.read(1) for _ in range(400)]

    first, again, other = frames(3), frames(3), frames(4)
    assert {each.source for each in first} == {"simulated:3"}
    assert [each.values for each in first] == [each.values for each in again]
    assert [each.values for each in first] != [each.values for each in other]
    air = np.mean([each.values["VOC"] for each in first[80:119]])
    smelt = np.mean([each.values["VOC"] for each in first[200:290]])
    assert smelt > 1.2 * air
