import time

import pytest
from board import Board

from olfactory_transformer.core.errors import CalibrationError, SourceEnded
from olfactory_transformer.sensors.calibration.baseline import measure_baseline
from olfactory_transformer.sensors.calibration.listen import drain, listen
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.sources.contract import Trouble
from olfactory_transformer.sensors.sources.serial import SerialSource


class Script:
    """A source that sends what it was given, as fast as it is asked."""

    name, kind = "replay:script", "replay"

    def __init__(self, *things, forever=None):
        self.things, self.forever = list(things), forever

    def read(self, timeout):
        if self.things:
            return self.things.pop(0)
        if self.forever is None:
            raise SourceEnded("the end")
        return self.forever()


def frames(recording):
    names = recording.names
    return [
        Frame(float(t), dict(zip(names, map(float, row), strict=True)), "", n)
        for n, (t, row) in enumerate(zip(recording.times, recording.values, strict=True))
    ]


def joined(first, second):
    return frames(first) + frames(
        Recording(second.channels, second.times - second.times[0] + first.times[-1] + 1, second.values)
    )


def test_it_waits_until_the_levels_stand_still(board):
    source = Script(*joined(board.record(200, warming=0.4), board.record(300)))
    seen = []
    heard = listen(source, 90, measure_baseline, patience=1e4, show=seen.append)
    assert heard.seconds == 90 and measure_baseline(heard)
    assert heard.times[0] > seen[0].frame.time + 150  # the warming is not in it
    assert seen[50].waiting_for == "" and (seen[50].heard, seen[50].wanted) == (50, 90)
    assert "mq3 moved by" in seen[120].waiting_for
    assert len(source.things) > 100  # and it did not take all there was


def test_the_first_window_that_does_is_taken(board):
    source = Script(*frames(board.record(200)))
    heard = listen(source, 90, measure_baseline, patience=1e4)
    assert len(heard.times) == 91 and len(source.things) == 200 - 91


def test_the_end_comes_too_soon(board):
    with pytest.raises(CalibrationError, match="ended: got 49 s of frames without a gap, expected 90 s"):
        listen(Script(*frames(board.record(50))), 90, measure_baseline, patience=1e4)
    with pytest.raises(CalibrationError, match="not settled in clean air: mq3 moved by"):
        listen(Script(*frames(board.record(200, warming=1.0))), 90, measure_baseline, patience=1e4)
    with pytest.raises(CalibrationError, match="got 0 s of frames"):
        listen(Script(), 90, measure_baseline, patience=1e4)


def test_patience_ends_by_the_frames_clock_or_by_ours(board):
    source = Script(*frames(board.record(2000, warming=4.0)))
    with pytest.raises(CalibrationError, match="not settled"):
        listen(source, 90, measure_baseline, patience=500)
    assert len(source.things) == 2000 - 502
    with pytest.raises(CalibrationError, match="waited for 0 s: got 0 s"):
        listen(Script(forever=lambda: None), 90, measure_baseline, patience=0.05)


@pytest.mark.parametrize("kind", ["unplugged", "replugged", "restarted", "clock-jump"])
def test_after_a_gap_it_begins_anew(board, kind):
    sent = frames(board.record(200))
    trouble, seen = Trouble(kind, "gone", sent[60].time), []
    heard = listen(
        Script(*sent[:60], trouble, *sent[60:]), 90, measure_baseline, patience=1e4, show=seen.append
    )
    assert heard.times[0] == sent[60].time
    assert [each.trouble for each in seen if each.trouble] == [trouble]


def test_a_garbled_line_is_no_gap(board):
    sent = frames(board.record(200))
    source = Script(*sent[:60], Trouble("garbled", "?", sent[60].time), *sent[60:])
    assert listen(source, 90, measure_baseline, patience=1e4).times[0] == sent[0].time


def test_time_that_falls_begins_anew(board):
    sent = frames(board.record(200))
    late = [Frame(f.time + 1000, f.values) for f in sent[:60]]
    assert listen(Script(*late, *sent), 90, measure_baseline, patience=1e4).times[0] == sent[0].time


def test_what_came_while_nobody_listened_is_thrown_away(board):
    class Live(Script):
        kind = "serial"

    live = Live(*frames(board.record(50)), forever=lambda: None)
    drain(live)
    assert live.things == []
    flood = Live(forever=lambda: Frame(0.0, {"CO": 1.0}))
    drain(flood)  # ends
    kept = Script(*frames(board.record(50)))
    drain(kept)
    assert len(kept.things) == 50  # a replay has no time of its own


def test_a_window_that_does_not_do_is_not_looked_at_all_the_time(board):
    asked = []

    def judge(window):
        asked.append(window)
        measure_baseline(window)

    with pytest.raises(CalibrationError):
        listen(Script(*frames(board.record(300, warming=2.0))), 90, judge, patience=1e4)
    assert 40 <= len(asked) <= 43  # every five of 210 seconds


def test_a_real_board_that_is_unplugged_meanwhile(tmp_path):
    """On a pseudo-terminal: what was heard before the gap does not count, nor what came while nobody listened."""
    rows = [{"CO": 800.0 + n % 3} for n in range(3)]
    seen = []
    with Board(tmp_path / "board") as board, SerialSource(str(tmp_path / "board"), timeout=2) as source:
        board.sending(rows, every=0.01)

        def show(progress):
            seen.append(progress)
            if len(seen) == 30:
                board.unplug()
                board.plug()

        heard = listen(source, 1.0, lambda window: None, patience=60, show=show)
        assert heard.seconds >= 1.0 and heard.notes["simulated"] == "false"
        gap = [n for n, each in enumerate(seen) if each.trouble and each.trouble.kind == "replugged"]
        assert gap and heard.times[0] >= seen[gap[-1]].trouble.time - 0.1
        time.sleep(0.5)
        now = time.time()
        drain(source)
        assert listen(source, 0.2, lambda window: None, patience=60).times[0] >= now - 0.1
