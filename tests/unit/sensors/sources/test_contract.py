"""What every source does, whatever it reads."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import paho.mqtt.publish as publish
import pytest
from board import Board
from services.run import mosquitto

from olfactory_transformer.core.errors import SourceEnded
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.sources import source_of
from olfactory_transformer.sensors.sources.contract import Source
from olfactory_transformer.sensors.sources.replay import ReplaySource
from olfactory_transformer.sensors.sources.simulated import SimulatedSource

FRAMES = 5


@contextmanager
def serial(tmp_path):
    with Board(tmp_path / "board", "json") as board:
        yield source_of(str(board.link)), lambda: [board.send(CO=at) for at in range(FRAMES)]


@contextmanager
def mqtt(tmp_path):
    with mosquitto() as service:
        payloads = [("nose", f"seq={at} CO={at}", 1, False) for at in range(FRAMES)]
        send = lambda: publish.multiple(payloads, hostname="127.0.0.1", port=service.port)  # noqa: E731
        yield source_of(f"{service.url}/nose"), send


@contextmanager
def replay(tmp_path):
    values = np.arange(FRAMES, dtype=np.float32)[:, None]
    yield ReplaySource(Recording((channel("CO"),), np.arange(float(FRAMES)), values), speed=0), lambda: None


@contextmanager
def simulated(tmp_path):
    yield SimulatedSource(3, speed=0), lambda: None


@pytest.fixture(params=[serial, mqtt, replay, simulated], ids=lambda made: made.__name__)
def source_and_send(request, tmp_path):
    with request.param(tmp_path) as made:
        yield made


def frames_of(source, count):
    found, deadline = [], time.monotonic() + 30
    while len(found) < count:
        if isinstance(came := source.read(0.2), Frame):
            found.append(came)
        assert time.monotonic() < deadline
    return found


def test_its_frames_are_labelled_and_numbered_without_a_gap(source_and_send):
    source, send = source_and_send
    assert isinstance(source, Source)
    with source as opened:
        assert opened is source
        send()
        found = frames_of(source, FRAMES)
    assert [frame.sequence for frame in found] == list(range(FRAMES))
    assert {frame.source for frame in found} == {source.name} and source.name.startswith(source.kind + ":")
    times = [frame.time for frame in found]
    assert times == sorted(times)
    if source.kind != "simulated":
        assert [frame.values["CO"] for frame in found] == list(range(FRAMES))


def test_it_can_be_closed_twice_and_gives_nothing_then(source_and_send):
    source, _ = source_and_send
    source.close()  # before it was opened
    source.open()
    source.close()
    source.close()
    try:
        assert source.read(0.01) is None
    except SourceEnded:
        assert source.kind == "replay"


def test_it_can_be_opened_again(source_and_send):
    source, send = source_and_send
    for _ in range(2):
        with source:
            send()
            assert len(frames_of(source, FRAMES)) == FRAMES


@pytest.mark.parametrize(("text", "module"), [("/dev/ttyUSB0", "serial"), ("mqtt://host/topic", "paho.mqtt")])
def test_without_the_extra_it_says_what_to_install(text, module):
    code = f"import sys; sys.modules[{module!r}] = None\nfrom olfactory_transformer.sensors.sources import source_of\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}source_of({text!r})"], capture_output=True, text=True
    )
    assert "MissingExtra" in done.stderr and "olfactory-transformer[sensors]" in done.stderr
