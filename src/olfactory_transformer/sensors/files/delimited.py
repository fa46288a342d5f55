"""Recordings in CSV: cells parted by commas, semicolons or tabs, a header, a row a frame."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

from olfactory_transformer.core.errors import RecordingError, shown
from olfactory_transformer.sensors.files.columns import Column, columns_of
from olfactory_transformer.sensors.files.limits import Limits
from olfactory_transformer.sensors.files.tables import check_header, recordings_of
from olfactory_transformer.sensors.recording import Recording

CUT = "the last line, which was not whole"
_AT_ONCE = 4096  # rows between which cells become numbers, so that no file's cells are all in memory
_LONGEST = 1 << 17  # bytes of a line
_EXPECTED = "a header with the names of the channels"


def read(file: BinaryIO, limits: Limits, *, unfinished: bool = False) -> Iterator[Recording | RecordingError]:
    r"""Read a file.

    Parameters
    ----------
    file : binary file
    limits : Limits
    unfinished : bool
        Whoever wrote it was cut off, so a last line without an end may look like another number than it was to be.

    Yields
    ------
    Recording, or RecordingError
        Each recording of the file, or why it is none.

    Raises
    ------
    RecordingError
        There is none at all in it; the row where it can be told.

    Examples
    --------
    >>> import io
    >>> [found.values.tolist() for found in read(io.BytesIO(b"NO2;Temperature\r\n216;25,5\r\n217;"), Limits())]
    [[[216.0, 25.5], [217.0, nan]]]
    """
    lines = _Lines(file, limits)
    rows = 0
    try:
        head = next(lines, "")
        delimiter = max((",", ";", "\t"), key=head.count)
        reader = csv.reader(_again(head, lines), delimiter=delimiter)
        names = [name.strip() for name in next(reader, [])]
        _check(names, head, limits)
        columns = columns_of(names, decimal_comma=delimiter != ",")
        pending: list[list[str]] = []
        cut, empty, line = False, 0, reader.line_num
        for row in reader:
            line, before = reader.line_num, line
            if not any(cell.strip() for cell in row):
                # A moment of which nothing is known, unless nothing follows, as spreadsheets leave it.
                empty += len(row) == len(names) and len(row) > 1
                continue
            # A record of several lines is a quotation mark without its fellow, and not where writing was cut off.
            if lines.unended and line == before + 1 and (unfinished or len(row) < len(names)):
                cut = True
                continue
            if len(row) != len(names) and (len(row) < len(names) or any(row[len(names) :])):
                raise RecordingError(f"{len(row)} cells", f"{len(names)}, as the header has", rows + empty)
            pending += [[""] * len(names)] * empty
            pending.append(row)
            rows, empty = rows + empty + 1, 0
            if len(pending) >= _AT_ONCE:
                limits.check_rows(rows)
                _take(columns, pending, rows)
        limits.check_rows(rows)
        _take(columns, pending, rows)
    except csv.Error as error:
        what = str(error).partition(" - ")[0]  # the rest is for programmers
        raise RecordingError(f"broken CSV, {what}", "cells parted by commas", rows) from None
    except UnicodeDecodeError as error:
        raise RecordingError(
            f"bytes that are not UTF-8, {error.object[error.start :][:4]!r}", "UTF-8", rows
        ) from None
    for found in recordings_of(columns, rows):
        if cut and isinstance(found, Recording):
            found = Recording(found.channels, found.times, found.values, {**found.notes, "cut": CUT})
        yield found


class _Lines:
    """Lines of a text, bounded, and whether the last one has an end."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file, self._limits, self._size = file, limits, 0
        self.unended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST + 1)
        if not line:
            raise StopIteration
        if len(line) > _LONGEST:
            raise RecordingError("a line without an end", f"at most {_LONGEST} bytes")
        text = line.decode("utf-8" if self._size else "utf-8-sig")
        self._size += len(line)
        self._limits.check_size(self._size)
        self.unended = not line.endswith(b"\n")
        return text


def _again(head: str, lines: _Lines) -> Iterator[str]:
    if head:
        yield head
    yield from lines


def _check(names: list[str], head: str, limits: Limits) -> None:
    if not any(names):
        raise RecordingError("an empty first line" if head else "an empty file", _EXPECTED)
    if all(_is_number(name) for name in names if name):
        raise RecordingError(f"a first line of numbers, {shown(head.strip())}", _EXPECTED)
    check_header(names, limits)


def _take(columns: list[Column], pending: list[list[str]], rows: int) -> None:
    first = rows - len(pending)
    for column, cells in zip(columns, zip(*pending, strict=False), strict=False):
        column.add(cells, first)
    pending.clear()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
