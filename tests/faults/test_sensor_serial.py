"""Boards on pseudo-terminals that do what boards do: go away, come back, stutter, start again and fall silent."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from board import Board, until

from olfactory_transformer.core.errors import SourceError
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.sources import source_of
from olfactory_transformer.sensors.sources.serial import SerialSource

WAIT = 20.0
QUIET = 0.4  # seconds, after which a line is known to be whole


@pytest.fixture
def board(tmp_path):
    with Board(tmp_path / "board") as made:
        yield made


@pytest.fixture
def source(board):
    with opened(board) as source:
        yield source


@contextmanager
def opened(board, **options):
    """Give a source that has its first line behind it."""
    with SerialSource(str(board.link), **{"timeout": 30.0} | options) as source:
        board.say("ial line CO=1\r\n")
        assert following(source).kind == "partial"
        yield source


def following(source):
    deadline = time.monotonic() + WAIT
    while (came := source.read(0.2)) is None:
        assert time.monotonic() < deadline, "nothing came"
    return came


def kinds(source, count):
    return [getattr(following(source), "kind", "frame") for _ in range(count)]


def test_frames_in_their_order(board, source):
    before = time.time()
    board.say("t=1 seq=0 CO=800\r\nt=2 seq=1 CO=801\r\n")
    first, second = following(source), following(source)
    assert [first.values["CO"], second.values["CO"]] == [800.0, 801.0]
    assert (first.sequence, second.sequence, second.device_time) == (0, 1, 2.0)
    assert first.source == f"serial:{board.link}" and before <= first.time <= second.time <= time.time()


@pytest.mark.parametrize("line_format", ["pairs", "csv", "values", "json"])
@pytest.mark.parametrize("checked", [False, True])
def test_every_format(tmp_path, line_format, checked):
    with (
        Board(tmp_path / "board", line_format, clock=True, checked=checked) as board,
        opened(board) as source,
    ):
        for at in range(5):
            board.send(NO2=216.0, CO=830.5 + at)
        frames = [following(source) for _ in range(5)]
    # Without a header nobody knows which is the number and which the clock.
    names = ("c1", "c2", "c3", "c4") if line_format == "values" else ("NO2", "CO")
    assert {tuple(frame.values) for frame in frames} == {names}
    assert [frame.values[names[-1]] for frame in frames] == [830.5 + at for at in range(5)]
    assert [frame.sequence for frame in frames] == list(range(5))
    assert all((frame.device_time is None) == (line_format == "values") for frame in frames)


def test_names_given_for_columns_without_a_header(board):
    with opened(board, names=("seq", "NO2", "CO")) as source:
        board.say("3,216,830\r\n5,216,830\r\n")
        assert following(source).values == {"NO2": 216.0, "CO": 830.0}
        assert following(source).count == 1


def test_half_a_line_waits_for_its_end(board, source):
    board.say("CO=8")
    assert source.read(0.15) is None
    board.say("00\n")
    assert following(source).values == {"CO": 800.0}


def test_a_read_that_does_not_wait_takes_what_is_there(board, source):
    board.say("CO=1\r\n")
    deadline = time.monotonic() + WAIT
    while (came := source.read(0)) is None:
        assert time.monotonic() < deadline
    assert came.values == {"CO": 1.0}


def test_garbage_is_told_of_and_the_rest_read(board, source):
    board.garbage()
    board.say("CO=1*01\r\n")
    board.send(CO=800)
    told = [following(source) for _ in range(3)]
    assert [each.kind for each in told[:2]] == ["garbled", "garbled"]
    assert told[0].detail.isprintable() and told[2].values["CO"] == 800


def test_damage_shows_in_the_checksum_and_cut_lines_in_its_absence(tmp_path):
    with Board(tmp_path / "board", checked=True) as board, opened(board) as source:
        board.send(CO=800)
        board.damaged(CO=801)
        board.half_line(CO=802)
        board.say("\r\n")
        board.send(CO=803)
        assert kinds(source, 5) == ["frame", "garbled", "garbled", "lost", "frame"]


def test_no_end_of_line_ever(board, source):
    board.say("x" * 3000)
    assert source.read(0.1) is None
    board.say("x" * 3000)
    told = following(source)
    assert told.kind == "partial" and "baud" in told.detail
    board.say("x" * 3000)
    assert source.read(0.1) is None
    board.say("x" * 3000)  # which is still that line
    assert source.read(0.1) is None
    board.say("rest CO=1\r\nCO=2\r\n")
    assert following(source).values == {"CO": 2.0}


def test_lost_frames_are_counted_by_the_boards_own_numbers(board, source):
    board.send(CO=1)
    board.lose(3)
    board.send(CO=5)
    assert following(source).values["CO"] == 1
    lost = following(source)
    assert (lost.kind, lost.count) == ("lost", 3)
    assert following(source).sequence == 1  # ours has no gap


@pytest.mark.parametrize("line_format", ["pairs", "csv", "json"])
@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("clock", [True, False])
def test_a_restart_is_told_of_once(tmp_path, line_format, numbered, clock):
    with (
        Board(tmp_path / "board", line_format, numbered=numbered, clock=clock) as board,
        opened(board) as source,
    ):
        board.jump_clock(500)
        board.sent = 100
        board.send(CO=1)
        board.restart()
        board.send(CO=2)
        board.send(CO=3)
        assert kinds(source, 4) == ["frame", "restarted", "frame", "frame"]
        assert source.read(0.1) is None
        assert "rst:0x1" in source.messages[-2]


def test_its_clock_jumps(tmp_path):
    with Board(tmp_path / "board", clock=True) as board, opened(board) as source:
        board.jump_clock(500)
        board.send(CO=1)
        board.jump_clock(3600)
        board.send(CO=1)
        board.send(CO=1)
        board.jump_clock(-3000)
        board.send(CO=1)
        assert kinds(source, 6) == ["frame", "clock-jump", "frame", "frame", "clock-jump", "frame"]


def test_silence_is_told_of_once(board):
    with opened(board, timeout=0.3) as source:
        board.fall_silent()
        board.send(CO=1)
        assert following(source).kind == "silent"
        assert source.read(0.5) is None
        board.speak()
        board.send(CO=2)
        assert following(source).values == {"CO": 2.0}
        assert following(source).kind == "silent"


def test_silence_that_is_none_says_what_comes(board):
    with opened(board, timeout=0.3) as source:
        board.say("no end of line")
        assert "14 bytes without the end of a line" in following(source).detail


def test_unplugged_and_replugged(board, source):
    board.send(CO=1)
    assert following(source).sequence == 0
    board.half_line(CO=2)
    assert source.read(0.1) is None
    board.unplug()
    told = following(source)
    assert told.kind == "unplugged" and "in the middle of a line" in told.detail
    board.lose(3)
    assert source.read(0.5) is None
    board.plug()
    assert following(source).kind == "replugged"
    board.say(b"eq=5 CO=1\r\n")
    board.lose()
    board.send(CO=2)
    told = [following(source) for _ in range(3)]
    assert [getattr(each, "kind", "frame") for each in told] == ["partial", "lost", "frame"]
    assert told[1].count == 5 and told[2].sequence == 1


def test_a_line_that_comes_after_quiet_is_whole(board):
    with SerialSource(str(board.link)) as source:
        time.sleep(QUIET)
        board.say("s1,s2\r\n1,2\r\n")  # a header without a name that is known
        assert following(source).values == {"s1": 1.0, "s2": 2.0}


def test_a_board_of_columns_that_is_opened_in_the_middle_of_a_line(board):
    with SerialSource(str(board.link)) as source:
        board.say("30,2,38\r\n" + "216,830,2,38\r\n" * 3)
        assert following(source).kind == "partial"
        assert {tuple(following(source).values) for _ in range(3)} == {("c1", "c2", "c3", "c4")}


def test_a_port_that_flaps_is_left_alone_for_longer_and_longer(board, source):
    for _ in range(3):
        board.unplug()
        assert following(source).kind == "unplugged"
        board.plug()
        assert following(source).kind == "replugged"
    assert source._wait >= 0.8
    board.say("x\r\n")
    board.send(CO=1)
    assert kinds(source, 2) == ["partial", "frame"]
    assert source._wait == 0.1


def test_a_driver_that_does_not_say_that_its_port_went_away(board, source):
    board.link.unlink()  # while the terminal stays open
    told = following(source)
    assert told.kind == "unplugged" and "is gone" in told.detail
    board.link.symlink_to(os.ttyname(board._fds[1]))
    assert following(source).kind == "replugged"


def came_again(board, heard):
    """Send a frame, and tell whether it came."""
    number = board.sent
    board.say("\r\n")
    board.send(CO=2, number=number)
    time.sleep(0.2)
    return any(isinstance(each, Frame) and each.values["number"] == number for each in list(heard))


@pytest.mark.parametrize("line_format", ["pairs", "csv", "json"])
@pytest.mark.parametrize("seed", range(2))
def test_no_frame_is_lost_without_being_told_of(tmp_path, line_format, seed):
    """Whatever happens: of the frames that the board numbered, each came or was counted as lost."""
    chance = random.Random(seed)
    with Board(tmp_path / "board", line_format, checked=True) as board, opened(board, timeout=0.2) as source:
        heard: list = []
        done = threading.Event()

        def listen():
            while not done.is_set():
                if (came := source.read(0.05)) is not None:
                    heard.append(came)

        thread = threading.Thread(target=listen)
        thread.start()
        board.send(CO=0, number=board.sent)
        for _ in range(60):
            misbehave = chance.choice(
                [
                    board.garbage,
                    board.half_line,
                    board.damaged,
                    board.lose,
                    board.fall_silent,
                    "unplug",
                    "flood",
                ]
                + [board.send] * 3
            )
            if misbehave == "unplug":
                board.unplug()
                time.sleep(0.05)
                board.plug()
            elif misbehave == "flood":
                for _ in range(300):  # more than a terminal has room for
                    board.send(CO=1, number=board.sent)
            elif misbehave in (board.send, board.half_line, board.damaged):
                misbehave(CO=1, number=board.sent)
            else:
                misbehave()
            time.sleep(0.005)
            board.speak()
        until(lambda: came_again(board, heard), "it is not heard again")
        done.set()
        thread.join()
    frames = [each for each in heard if isinstance(each, Frame)]
    numbers = [int(frame.values["number"]) for frame in frames]
    assert numbers == sorted(set(numbers))
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    troubles = Counter()
    for each in heard:
        if not isinstance(each, Frame):
            troubles[each.kind] += each.count
    assert len(frames) + troubles["lost"] == numbers[-1] - numbers[0] + 1
    assert troubles["restarted"] == troubles["clock-jump"] == 0
    assert min(troubles["lost"], troubles["garbled"], troubles["unplugged"]) > 0  # it did misbehave
    assert troubles["unplugged"] == troubles["replugged"]


def test_a_port_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="is the board plugged in"):
        source_of(f"serial:{tmp_path}/none").open()


def test_a_file_is_no_port(tmp_path):
    (tmp_path / "file").write_text("NO2,CO\n")
    with pytest.raises(SourceError, match="cannot be opened"):
        source_of(f"serial:{tmp_path}/file").open()


def test_a_port_that_another_program_reads(board, source):
    code = "import sys; from olfactory_transformer.sensors.sources import source_of; source_of(sys.argv[1]).open()"
    done = subprocess.run([sys.executable, "-c", code, str(board.link)], capture_output=True, text=True)
    assert "SourceError" in done.stderr and "lock" in done.stderr
    board.send(CO=1)
    assert following(source).values == {"CO": 1.0}


def test_closed_twice_and_read_after_and_opened_again(board):
    source = SerialSource(str(board.link))
    source.open()
    source.close()
    source.close()
    assert source.read(0.1) is None
    source.open()
    board.say("x\r\nCO=1\r\n")
    assert kinds(source, 2) == ["partial", "frame"]
    source.close()


def test_closed_by_another_thread_while_it_waits(board, source):
    found = []
    thread = threading.Thread(target=lambda: found.append(source.read(60)))
    thread.start()
    time.sleep(0.2)
    source.close()
    thread.join(WAIT)
    assert found == [None]


def test_a_line_format_that_does_not_exist(board):
    with pytest.raises(SourceError, match="expected one of auto, csv, pairs, json"):
        SerialSource(str(board.link), line_format="xml")


@pytest.mark.parametrize(
    "text", ["", "serial:", "replay:", "http://board", "mqtt://host", "mqtt://a:b@c/d", "simulated:x"]
)
def test_texts_that_name_no_source(text):
    with pytest.raises(SourceError, match="expected"):
        source_of(text)
