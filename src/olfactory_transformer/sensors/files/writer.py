"""A recording, written while it is made, so that whatever ends it costs its last moment at most."""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from olfactory_transformer import __version__
from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.files.body import Body, blocks, is_dated, iso
from olfactory_transformer.sensors.files.notes import COMPLETE, UNITS, as_json, beside, write_notes
from olfactory_transformer.sensors.files.reading import PARQUET
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.sources.contract import Trouble

PART = ".part.csv"
RESERVED = frozenset(
    {
        "source",
        "started",
        "ended",
        "frames",
        "seconds",
        "troubles",
        "simulated",
        "software",
        "clock",
        UNITS,
        COMPLETE,
    }
)
"""Notes that the writer makes itself."""
_SYNC = 5.0  # seconds after which what was written is safe from a loss of power, too
_NOTING = 1.0  # seconds between two writings of the notes for the sake of troubles


class RecordingWriter:
    """Appends frames to a file.

    Each frame is a line, written at once. The notes are beside it from the start, and say that the recording is not
    `complete` until it is closed. Of Parquet nothing can be read before its end is written, so it is `NAME.part.csv`
    first, and Parquet when it is closed; one that was cut off stays a CSV.

    Parameters
    ----------
    path : Path
        `.csv`, or `.parquet`.
    notes : mapping of str to str
        What is known besides, under names other than `RESERVED`.
    overwrite : bool
        Whether to replace a file, which stays as it was until the first frame.

    Raises
    ------
    RecordingError
        The name is of another kind of file, or a note of a reserved name.
    FileExistsError
        There is such a file, or the part of one.
    OSError
        Nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> with RecordingWriter(path, {"substance": "clove"}) as writer:
    ...     writer.add(Frame(0.25, {"CO": 830.0}))
    ...     writer.add(Frame(1.25, {"CO": float("nan")}))
    >>> print(path.read_text(), end="")
    t,CO
    0,830
    1,
    """

    def __init__(
        self, path: str | Path, notes: Mapping[str, str] | None = None, *, overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self._parquet = self.path.suffix.lower() == PARQUET
        if not self._parquet and self.path.suffix.lower() != ".csv":
            raise RecordingError(f"the file {self.path.name}", "a name that ends in .csv or .parquet")
        if reserved := RESERVED & set(notes or {}):
            raise RecordingError(
                f"the note {min(reserved)}", "another name, as the recording has one of this"
            )
        part = self.path.with_name(self.path.name + PART) if self._parquet else self.path
        if self.path.exists() and not overwrite:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.path))
        self._troubles: dict[str, int] = {}
        self._untold = False
        self._notes: dict[str, Any] = {"software": f"olfactory-transformer {__version__}", **(notes or {})}
        self._first: float | None = None
        self._last = self._shift = self._back = 0.0
        self._restored: dict[str, Any] = {}
        self._safe = self._noted = time.monotonic()
        self._closed = False
        self._replaces = part.exists()
        self._body = Body(part, overwrite=overwrite)
        try:
            if not self._replaces:
                self._write_notes()
        except OSError:
            self._body.close()
            with suppress(OSError):
                part.unlink()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            self.close()
        except OSError:
            if error is None:
                raise

    @property
    def kept_in(self) -> Path:
        """Where what was recorded is at this moment."""
        return self.path if self._closed else self._body.path

    @property
    def frames(self) -> int:
        """Return how many frames were written."""
        return self._body.rows

    @property
    def seconds(self) -> float:
        """Return the time from the first frame to the last."""
        return self._last - self._first if self._first is not None else 0.0

    @property
    def troubles(self) -> dict[str, int]:
        """Return how often each kind of trouble was."""
        return dict(self._troubles)

    def add(self, frame: Frame) -> None:
        """Append a frame.

        A clock that was set back does not make times fall: they go on from the last frame, and the note `clock` says by
        how many seconds. A frame with a new channel widens the file.

        Raises
        ------
        OSError
            It cannot be written, as the disk is full; all frames before are whole.
        RecordingError
            It has no channel, or the board has more than `Limits.columns` by now.
        """
        if not math.isfinite(frame.time) or not frame.values:
            raise RecordingError(
                f"a frame of {len(frame.values)} channels at {frame.time}", "a time and a channel"
            )
        moment = frame.time + self._shift
        if self._first is None:
            self._first = self._last = moment
            self._notes |= {"source": frame.source, "simulated": frame.source.startswith("simulated")}
            self._notes |= self._restored
            if is_dated(moment):
                self._notes["started"] = iso(moment)
        if moment < self._last:
            back = self._last - moment
            self._shift, self._back, moment = self._shift + back, self._back + back, self._last
            self._notes["clock"] = f"set back by {self._back:.3f} s; the times go on from before"
        new = self._body.add(moment - self._first, moment, frame.values)
        self._last = moment
        now = time.monotonic()
        if new or (self._untold and now - self._noted > _NOTING):
            self._write_notes()
        if now - self._safe > _SYNC:
            self._safe = now
            self._body.sync()

    def trouble(self, trouble: Trouble) -> None:
        """Count a trouble of the source; the notes say so within a second, or with the next frame."""
        self._troubles[trouble.kind] = self._troubles.get(trouble.kind, 0) + trouble.count
        self._untold = True

    def restore(self, recording: Recording) -> None:
        """Take over what another recording, whose frames are to follow, says of its making."""
        made = recording.notes
        with suppress(KeyError, ValueError, AttributeError):
            self._troubles = {kind: int(count) for kind, count in json.loads(made["troubles"]).items()}
        for name in ("source", "clock"):
            if made.get(name):
                self._restored[name] = made[name]
        if made.get("simulated") == "true":
            self._restored["simulated"] = True
        if len(recording.times) and not is_dated(recording.times[0]):
            with suppress(KeyError, ValueError):
                self._shift = datetime.fromisoformat(made["started"]).timestamp() - float(recording.times[0])

    def close(self) -> None:
        """End the recording; may be called twice. Without a frame there is no file.

        Raises
        ------
        OSError
            The notes, or the Parquet file, cannot be written; the frames are in `kept_in`.
        """
        if self._closed:
            return
        self._body.close()
        part = self._body.path
        if not self.frames:
            if not self._replaces:
                self._unlink(part)
        elif not self._parquet:
            self._write_notes(complete=True)
        else:
            self._convert(part)
            self._unlink(part)
        self._closed = True

    def _convert(self, part: Path) -> None:
        from olfactory_transformer.sensors.files import parquet  # arro3 takes its time to load

        whole = self.path.with_name(self.path.name + ".whole")
        try:
            with whole.open("wb") as file:
                parquet.write(
                    file, self._body.names, self._body.dated, blocks(part), as_json(self._said(complete=True))
                )
                file.flush()
                os.fsync(file.fileno())
            whole.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                whole.unlink()
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    @staticmethod
    def _unlink(part: Path) -> None:
        for each in (beside(part), part):
            with suppress(FileNotFoundError):
                each.unlink()

    def _said(self, complete: bool) -> dict[str, Any]:
        found: dict[str, Any] = {**self._notes, "troubles": dict(self._troubles)}
        found[UNITS] = {name: unit for name in self._body.names if (unit := channel(name).unit)}
        if complete:
            found |= {"frames": self.frames, "seconds": round(self.seconds, 3)}
            if is_dated(self._last):
                found["ended"] = iso(self._last)
        return {**found, COMPLETE: complete}

    def _write_notes(self, complete: bool = False) -> None:
        write_notes(self._body.path, self._said(complete))
        self._untold, self._noted = False, time.monotonic()


def write_recording(path: str | Path, recording: Recording, *, overwrite: bool = False) -> None:
    """Write a recording that is there already, with what it says of its making; see `RecordingWriter`."""
    notes = {name: text for name, text in recording.notes.items() if name not in RESERVED}
    with RecordingWriter(path, notes, overwrite=overwrite) as writer:
        writer.restore(recording)
        for moment, row in zip(recording.times.tolist(), recording.values, strict=True):
            writer.add(Frame(moment, dict(zip(recording.names, map(float, row), strict=True))))
