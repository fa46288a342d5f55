"""A recording, played again."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Literal, Self

from olfactory_transformer.core.errors import RecordingError, SourceEnded, SourceError
from olfactory_transformer.sensors.files import read_recording
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.sources.contract import Trouble


class ReplaySource:
    """Frames of a recording, at any speed.

    Parameters
    ----------
    recording : Recording, str or Path
        Or the file of one.
    speed : float
        1: as recorded; 10: ten times as fast; 0: as fast as it is read.
    name : str or None
        What it is called after `replay:`; None: the file's name.

    Examples
    --------
    >>> source = ReplaySource(Recording.of([Frame(5.0, {"CO": 800.0}), Frame(6.0, {"CO": 801.0})]), speed=0)
    >>> with source:
    ...     source.read(1.0).values["CO"], source.read(1.0).time
    (800.0, 6.0)
    """

    kind: Literal["replay"] = "replay"

    def __init__(
        self, recording: Recording | str | Path, speed: float = 1.0, name: str | None = None
    ) -> None:
        if not speed >= 0:  # NaN is neither
            raise SourceError(f"a speed of {speed:g}, expected 0 or more")
        self._given, self._speed = recording, speed
        self.name = (
            f"replay:{name or (Path(recording).name if isinstance(recording, str | Path) else 'recording')}"
        )
        self._recording: Recording | None = recording if isinstance(recording, Recording) else None
        self._at, self._began, self._closed = 0, 0.0, threading.Event()

    def open(self) -> None:
        """Read the file; see `Source.open`."""
        if self._recording is None:
            assert not isinstance(self._given, Recording)
            try:
                self._recording = read_recording(self._given)
            except (OSError, RecordingError) as error:
                reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
                raise SourceError(f"{self._given}: cannot be replayed ({reason})") from None
        self._at, self._began = 0, time.monotonic()
        self._closed.clear()

    def read(self, timeout: float) -> Frame | Trouble | None:
        """Return the next frame when its time has come; SourceEnded after the last."""
        recording = self._recording
        if self._closed.is_set() or recording is None or self._at >= len(recording.times):
            raise SourceEnded(f"{self.name}: the recording is over")
        if self._speed:
            since = float(recording.times[self._at] - recording.times[0]) / self._speed
            wait = self._began + since - time.monotonic()
            if wait > timeout:
                self._closed.wait(timeout)
                return None
            if self._closed.wait(max(wait, 0.0)):
                return None
        row = self._at
        self._at += 1
        values = dict(zip(recording.names, map(float, recording.values[row]), strict=True))
        return Frame(float(recording.times[row]), values, self.name, row, float(recording.times[row]))

    def close(self) -> None:
        """End it; a read that waits returns."""
        self._closed.set()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
