"""Boards on pseudo-terminals that do what boards do: go away, come back, stutter, start again, fall silent."""

from __future__ import annotations

import os
import time
import tty

import pytest

from olfactory_transformer.core.errors import SourceError
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.sources import source_of
from olfactory_transformer.sensors.sources.serial import SerialSource

WAIT = 20.0


class Plug:
    """A pseudo-terminal behind a link that can be pulled out and put in again."""

    def __init__(self, link):
        self.link, self.fds = link, ()
        self.put_in()

    def put_in(self):
        self.fds = os.openpty()
        tty.setraw(self.fds[1])
        self.link.symlink_to(os.ttyname(self.fds[1]))

    def pull(self):
        if self.fds:
            self.link.unlink()
            for fd in self.fds:
                os.close(fd)
            self.fds = ()

    def say(self, *lines):
        for line in lines:
            os.write(self.fds[0], line.encode() + b"\r\n")


@pytest.fixture
def plug(tmp_path):
    made = Plug(tmp_path / "board")
    yield made
    made.pull()


@pytest.fixture
def source(plug):
    with SerialSource(str(plug.link), timeout=0.3) as opened:
        plug.say("ial line CO=1")
        assert following(opened).kind == "partial"
        yield opened


def following(source):
    deadline = time.monotonic() + WAIT
    while (came := source.read(0.2)) is None:
        assert time.monotonic() < deadline, "nothing came"
    return came


def test_frames_in_their_order(plug, source):
    before = time.time()
    plug.say("t=1 seq=0 CO=800", "t=2 seq=1 CO=801")
    first, second = following(source), following(source)
    assert [first.values["CO"], second.values["CO"]] == [800.0, 801.0]
    assert (first.sequence, second.sequence, second.device_time) == (0, 1, 2.0)
    assert first.source == f"serial:{plug.link}" and before <= first.time <= time.time()


def test_half_a_line_waits_for_its_end(plug, source):
    os.write(plug.fds[0], b"CO=8")
    assert source.read(0.15) is None
    os.write(plug.fds[0], b"00\n")
    assert following(source).values == {"CO": 800.0}


def test_garbage_is_told_of_and_the_rest_read(plug, source):
    os.write(plug.fds[0], b"\xff\xfe\x00\n")
    plug.say("CO=1*01", "CO=800")
    kinds = [following(source) for _ in range(3)]
    assert [each.kind for each in kinds[:2]] == ["garbled", "garbled"]
    assert kinds[0].detail.isprintable() and kinds[2].values["CO"] == 800


def test_no_end_of_line_ever(plug, source):
    os.write(plug.fds[0], b"x" * 3000)
    assert source.read(0.1) is None
    os.write(plug.fds[0], b"x" * 3000)
    assert "baud" in following(source).detail
    plug.say("", "rest CO=1", "CO=2")
    found = [following(source), following(source)]
    assert isinstance(found[-1], Frame) and found[-1].values == {"CO": 2.0}


def test_lost_frames_are_counted_by_the_boards_own_numbers(plug, source):
    plug.say("seq=1 CO=1", "seq=5 CO=5")
    assert following(source).values["CO"] == 1
    lost = following(source)
    assert (lost.kind, lost.count) == ("lost", 3)
    assert following(source).sequence == 1  # ours has no gap


def test_a_restart(plug, source):
    plug.say("seq=100 CO=1", "seq=0 CO=2")
    assert [getattr(following(source), "kind", "frame") for _ in range(3)] == ["frame", "restarted", "frame"]


def test_its_clock_jumps(plug, source):
    plug.say("t=100 CO=1", "t=101 CO=1", "t=5000 CO=1", "t=5001 CO=1", "t=2 CO=1")
    kinds = [getattr(following(source), "kind", "frame") for _ in range(7)]
    assert kinds == ["frame", "frame", "clock-jump", "frame", "frame", "restarted", "frame"]


def test_silence_is_told_of_once(plug, source):
    assert following(source).kind == "silent"
    assert source.read(0.5) is None
    plug.say("CO=1")
    assert following(source).values == {"CO": 1.0}


def test_unplugged_and_replugged(plug, source):
    plug.say("seq=0 CO=1")
    assert following(source).sequence == 0
    plug.pull()
    assert following(source).kind == "unplugged"
    assert source.read(0.5) is None
    plug.put_in()
    assert following(source).kind == "replugged"
    plug.say("eq=5 CO=1", "seq=6 CO=2")
    kinds = [following(source) for _ in range(3)]
    assert [getattr(each, "kind", "frame") for each in kinds] == ["partial", "lost", "frame"]
    assert kinds[1].count == 5 and kinds[2].sequence == 1


def test_a_port_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="is the board plugged in"):
        source_of(f"serial:{tmp_path}/none").open()


def test_closed_twice_and_read_after(plug):
    source = SerialSource(str(plug.link))
    source.open()
    source.close()
    source.close()
    assert source.read(0.1) is None


@pytest.mark.parametrize(
    "text", ["", "serial:", "replay:", "http://board", "mqtt://host", "mqtt://a:b@c/d", "simulated:x"]
)
def test_texts_that_name_no_source(text):
    with pytest.raises(SourceError, match="expected"):
        source_of(text)
