"""The lines of a recording under way."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.sensors.files.limits import Limits
from olfactory_transformer.sensors.files.tables import check_header

CLOCKS = ("t", "time")  # seconds from the start; the moment, if the source knows it
_DATED = (1e9, 1e11)  # seconds since 1970 of which a date is made: from 2001 on
_BLOCK = 1 << 16


class Body:
    """A CSV file that grows by whole lines.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether to replace a file, which stays as it was until the first line.

    Raises
    ------
    OSError
        It cannot be made.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.names: tuple[str, ...] = ()
        self.rows = 0
        self.dated = False
        self._size = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | (0 if overwrite else os.O_EXCL), 0o666)

    def add(self, t: float, moment: float, values: Mapping[str, float]) -> bool:
        """Append a line; return whether there are new channels.

        Parameters
        ----------
        t : float
            Seconds from the first frame.
        moment : float
            Seconds since 1970; without a date if it is none.
        values : mapping of str to float

        Raises
        ------
        OSError
            There is no room; the lines before are whole.
        RecordingError
            A channel's name cannot be one of a column.
        """
        new = [name for name in values if name not in self.names]
        if new:
            names = (*self.names, *new)
            check_header([*CLOCKS, *names], Limits())
            if self.names:
                self._widen(names)
            else:
                self.dated = is_dated(moment)
                os.ftruncate(self._fd, 0)
                self._append(self._header(names))
            self.names = names
        cells = [f"{round(t, 6):.15g}", *([iso(moment) if is_dated(moment) else ""] if self.dated else [])]
        cells += [_cell(values.get(name, np.nan)) for name in self.names]
        self._append(",".join(cells) + "\n")
        self.rows += 1
        return bool(new)

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _append(self, text: str) -> None:
        content = text.encode()
        try:
            written = 0
            while written < len(
                content
            ):  # on a disk that is nearly full a part is written, and the next write fails
                written += os.write(self._fd, content[written:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, self._size, os.SEEK_SET)
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        self._size += len(content)

    def _header(self, names: Sequence[str]) -> str:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([*CLOCKS[: 1 + self.dated], *names])
        return line.getvalue()

    def _widen(self, names: Sequence[str]) -> None:
        """Write the file anew with a wider header; a short line of an old frame gets empty cells."""
        wider = self.path.with_name(self.path.name + ".wider")
        padding = b"," * (len(names) - len(self.names)) + b"\n"
        fd = -1
        try:
            with self.path.open("rb") as old, wider.open("wb") as file:
                old.readline()
                file.write(self._header(names).encode())
                for line in old:
                    file.write(line[:-1] + padding)
                size = file.tell()
            fd = os.open(wider, os.O_RDWR)
            os.lseek(fd, size, os.SEEK_SET)
            wider.replace(self.path)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            with suppress(OSError):
                wider.unlink()
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        os.close(self._fd)
        self._fd, self._size = fd, size


def _cell(value: float) -> str:
    """Return a value as a cell; one that came from 32 bits as it was before it had 64.

    >>> _cell(25.53), _cell(float(np.float32(25.53))), _cell(830.0), _cell(np.nan)
    ('25.53', '25.53', '830', '')
    """
    if value != value:
        return ""
    text = f"{value:.9g}"
    short = np.float32(value)
    return min(text, str(short), key=len) if short == value else text


def blocks(path: Path) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64] | None, NDArray[np.float32]]]:
    """Yield what a closed body has, as `parquet.write` takes it."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        first = len(CLOCKS) if header[1 : len(CLOCKS)] == list(CLOCKS[1:]) else 1
        rows: list[list[str]] = []
        for row in reader:
            rows.append(row)
            if len(rows) == _BLOCK:
                yield _block(rows, first)
                rows.clear()
        if rows:
            yield _block(rows, first)


def _block(
    rows: list[list[str]], first: int
) -> tuple[NDArray[np.float64], NDArray[np.int64] | None, NDArray[np.float32]]:
    times = np.array([float(row[0]) for row in rows], np.float64)
    values = np.array([[float(cell or "nan") for cell in row[first:]] for row in rows], np.float32)
    moments = None
    if first > 1:
        moments = np.array(
            [round(1000 * datetime.fromisoformat(row[1]).timestamp()) for row in rows], np.int64
        )
    return times, moments, values


def is_dated(moment: float) -> bool:
    """Say whether a time is one since 1970, and not one from the start of a recording.

    >>> is_dated(1764000000.0), is_dated(12.5)
    (True, False)
    """
    return _DATED[0] <= moment < _DATED[1]


def iso(moment: float) -> str:
    """Return a moment as text.

    >>> iso(1764000000.25)
    '2025-11-24T16:00:00.250Z'
    """
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
