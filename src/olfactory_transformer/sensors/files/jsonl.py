"""Recordings in JSON Lines: an object a frame, as `olfactory sense read` prints them, or flat."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from olfactory_transformer.core.errors import RecordingError, shown
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.files.limits import Limits
from olfactory_transformer.sensors.files.tables import ASSUMED, check_header
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.numbers import clean, is_time, number, seconds
from olfactory_transformer.sensors.recording import Recording

_OBJECT = "a JSON object a line"
_ABOUT = frozenset({"source", "sequence", "seq", "n", "frame", "device_time"})  # fields about the frame


def read(file: BinaryIO, limits: Limits, *, unfinished: bool = False) -> Iterator[Recording]:
    r"""Read a file; see `delimited.read`.

    Examples
    --------
    >>> import io
    >>> body = b'{"time": 5, "values": {"CO": 830}}\n{"time": 6, "values": {"CO": null}}\n'
    >>> [found.values.tolist() for found in read(io.BytesIO(body), Limits())]
    [[[830.0], [nan]]]
    """
    frames: list[Frame] = []
    names: dict[str, None] = {}
    size, timed = 0, 0
    notes: dict[str, str] = {}
    while line := file.readline(limits.size + 1):
        size += len(line)
        limits.check_size(size)
        if not line.strip():
            continue
        row = len(frames)
        try:
            given = _object(line, row)
        except RecordingError:
            if line.endswith(b"\n") or not frames:
                raise
            notes["cut"] = "the last line, which was not whole"
            break
        nested = isinstance(given.get("values"), dict)
        clock = next((name for name in given if is_time(name)), None)
        timed += clock is not None
        time = float(row) if clock is None else _moment(given[clock], clock, row)
        values = _values(given["values"] if nested else given, row)
        if isinstance(source := given.get("source"), str):
            notes.setdefault("source", source)
        names |= dict.fromkeys(values)
        if len(names) > limits.columns:
            limits.check_columns(len(names))
        frames.append(Frame(time, values))
        limits.check_rows(len(frames))
    if not frames:
        raise RecordingError("an empty file", _OBJECT)
    if timed not in (0, len(frames)):
        raise RecordingError(f"{timed} of {len(frames)} lines with a time", "all of them or none")
    if not names:
        raise RecordingError("lines without a channel", "at least one")
    check_header(list(names), limits)
    if not timed:
        notes["times"] = ASSUMED
    made = Recording.of(frames, notes)
    yield Recording(tuple(channel(name) for name in made.names), made.times, made.values, made.notes)


def _object(line: bytes, row: int) -> dict[str, Any]:
    try:
        given = json.loads(line.decode("utf-8-sig" if not row else "utf-8"))
    except (ValueError, RecursionError):
        raise RecordingError(shown(line[:70].decode("utf-8", "replace").strip()), _OBJECT, row) from None
    if not isinstance(given, dict):
        raise RecordingError(f"{type(given).__name__}", _OBJECT, row)
    return given


def _moment(value: object, name: str, row: int) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"{type(value).__name__} is not a time")
        return seconds(str(value), name)
    except (ValueError, OverflowError) as error:
        raise RecordingError(f"{shown(name)}: {error}", "a time", row) from None


def _values(given: Mapping[str, Any], row: int) -> dict[str, float]:
    """Return the channels of a line: numbers, nulls, and texts of numbers."""
    found = {}
    for name, value in given.items():
        if is_time(name) or name in _ABOUT:
            continue
        try:
            if value is None:
                found[name] = math.nan
            elif isinstance(value, str):
                found[name] = number(value)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found[name] = clean(value)
            else:
                raise ValueError(f"{type(value).__name__} is not a number")
        except (ValueError, OverflowError) as error:
            raise RecordingError(f"{shown(name)}: {error}", "a number or null", row) from None
    return found
