"""Listening to a board until its last minutes do for what they are wanted for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from olfactory_transformer.core.errors import CalibrationError, SourceEnded
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.sources.contract import Source, Trouble

_MOST = 500_000  # frames kept
_AGAIN = 5.0  # seconds between two looks at the whole window
_STALE = 10_000  # frames thrown away at most, so that a flood does not hold us for ever
_GAPS = ("unplugged", "replugged", "restarted", "clock-jump")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far listening has come.

    Parameters
    ----------
    frame : Frame or None
        The last one.
    heard : float
        Seconds of the window so far.
    wanted : float
        Seconds that it should have.
    waiting_for : str
        Why a full window did not do; empty before.
    trouble : Trouble or None
        What has just gone wrong.
    """

    frame: Frame | None
    heard: float
    wanted: float
    waiting_for: str = ""
    trouble: Trouble | None = None


def listen(
    source: Source,
    seconds: float,
    judge: Callable[[Recording], object],
    *,
    patience: float,
    show: Callable[[Progress], None] = lambda _: None,
) -> Recording:
    """Return the first window of a board's frames that `judge` takes.

    Parameters
    ----------
    source : Source
        Open.
    seconds : float
        How long the window is. It moves on with every frame while it does not do.
    judge : callable
        Raises CalibrationError for a window that does not do.
    patience : float
        Seconds after which to give up.
    show : callable
        Called with every frame and trouble.

    Raises
    ------
    CalibrationError
        As `judge`, when the patience or the source has ended; or no frame came at all. After a gap (unplugged,
        restarted, a clock that jumps) the window begins anew: a sensor whose heater was off has to settle again.
    """
    notes = {"source": source.name, "simulated": str(source.kind == "simulated").lower()}
    frames: deque[Frame] = deque(maxlen=_MOST)
    began, heard, why, looked = time.monotonic(), 0.0, "", 0.0
    while True:
        try:
            came = source.read(0.5)
        except SourceEnded:
            raise CalibrationError(
                why or _too_little("the source has ended", _span(frames), seconds)
            ) from None
        if isinstance(came, Trouble):
            if came.kind in _GAPS:
                frames.clear()
            show(Progress(None, _span(frames), seconds, why, came))
        elif came is not None:
            if frames and came.time < frames[-1].time:
                frames.clear()
            heard += came.time - frames[-1].time if frames else 0.0
            frames.append(came)
            while frames[-1].time - frames[1 if len(frames) > 1 else 0].time >= seconds:
                frames.popleft()
            show(Progress(came, min(_span(frames), seconds), seconds, why))
            if _span(frames) >= seconds and heard - looked >= (_AGAIN if why else 0):
                looked, window = heard, Recording.of(frames, notes)
                try:
                    judge(window)
                    return window
                except CalibrationError as error:
                    why = str(error)
        # By the frames' clock, too: a replay may be faster than ours.
        if max(time.monotonic() - began, heard) > patience:
            raise CalibrationError(why or _too_little(f"waited for {patience:.0f} s", _span(frames), seconds))


def drain(source: Source) -> None:
    """Throw away what a live board has sent while nobody listened."""
    if source.kind in ("serial", "mqtt"):
        for _ in range(_STALE):
            if source.read(0.0) is None:
                return


def _span(frames: deque[Frame]) -> float:
    return frames[-1].time - frames[0].time if frames else 0.0


def _too_little(what: str, got: float, wanted: float) -> str:
    return f"{what}: got {got:.0f} s of frames without a gap, expected {wanted:.0f} s"
