"""What the columns of a file make: one recording, or several if a column says which rows are whose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import RecordingError, shown
from olfactory_transformer.sensors.channels import Channel, channel
from olfactory_transformer.sensors.files.columns import PART, Column
from olfactory_transformer.sensors.files.limits import LONGEST_NAME, Limits
from olfactory_transformer.sensors.recording import Recording

ASSUMED = "assumed: one frame a second"
_NUMBERING = frozenset({"seq", "sequence", "n", "frame"})  # as in lines of boards
_UNNAMED = re.compile(r"(unnamed: \d+)?")  # an index without a name, and what pandas calls it
_IN_BRACKETS = re.compile(r"(.*\S)\s*(?:\[([^\]]*)\]|\(([^)]*)\))")
_UNITS = {
    "c": "degC",
    "°c": "degC",
    "degc": "degC",
    "hpa": "hPa",
    "mbar": "hPa",
    "kohm": "kOhm",
    "counts": "count",
}


def check_header(names: Sequence[str], limits: Limits) -> None:
    """Raise RecordingError if these cannot be the names of columns."""
    limits.check_columns(len(names))
    seen: set[str] = set()
    for name in names:
        if name in seen and name:
            raise RecordingError(f"the column {shown(name)} twice", "each name once")
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise RecordingError(
                f"the column {shown(name)}", f"names of at most {LONGEST_NAME} printable characters"
            )
        seen.add(name)


def recordings_of(columns: Sequence[Column], rows: int) -> Iterator[Recording | RecordingError]:
    """Yield the recordings of a file, in the order in which they begin, each or why it is none.

    Raises
    ------
    RecordingError
        There is no recording in it at all.
    """
    if not rows:
        raise RecordingError("a header without rows", "a row a frame")
    for column in columns:
        column.close()
    named = [column for column in columns if not (column.left_out or _UNNAMED.fullmatch(column.name.lower()))]
    channels = [
        column
        for column in named
        if not (column.is_words or column.is_time or column.name.lower() in _NUMBERING)
    ]
    if not channels:
        got = f"the columns {', '.join(column.name for column in columns)}"
        raise RecordingError(got[:200], "at least one channel")
    words = [column for column in named if column.is_words]
    clock = next((column for column in named if column.is_time), None)
    part = next((column for column in words if column.name == PART), None)
    known = tuple(_channel(column.name) for column in channels)
    values = np.stack([column.values for column in channels], 1).astype(np.float32)
    times = None if clock is None else clock.values
    if part is None:
        yield _recording(known, times, values, None, words)
        return
    parts = part.parts()
    for name, place in parts.items():
        try:
            yield _recording(known, times, values, place, words)
        except RecordingError as error:
            got = f"{shown(name)}: {error.got}" if len(parts) > 1 else error.got
            yield RecordingError(got, error.expected, error.row)


def _recording(
    channels: tuple[Channel, ...],
    times: NDArray[np.float64] | None,
    values: NDArray[np.float32],
    rows: NDArray[np.int64] | None,
    words: Sequence[Column],
) -> Recording:
    kept = values if rows is None else values[rows]
    notes = {column.name.lower(): column.text_of(rows) for column in words}
    said = {name: text for name, text in notes.items() if text}
    if left_out := [name for name, text in notes.items() if text is None]:
        said["left out"] = ", ".join(left_out)
    if times is None:
        moments, said["times"] = np.arange(len(kept), dtype=np.float64), ASSUMED
    else:
        moments = times if rows is None else times[rows]
    try:
        return Recording(channels, moments, kept, said)
    except RecordingError as error:
        if error.row is None or rows is None:
            raise
        raise RecordingError(error.got, error.expected, int(rows[error.row])) from None


def _channel(text: str) -> Channel:
    """Part a name from its unit.

    >>> _channel("Temperature (C)"), _channel("mq3")
    (Channel(name='Temperature', unit='degC', kind='temperature'), Channel(name='mq3', unit='', kind='gas'))
    """
    if found := _IN_BRACKETS.fullmatch(text):
        unit = (found[2] or found[3] or "").strip()
        return channel(found[1], _UNITS.get(unit.lower(), unit))
    return channel(text)
