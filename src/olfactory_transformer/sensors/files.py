"""Recordings from files: CSV, JSON Lines and Parquet, one file or a folder of them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from olfactory_transformer.core.errors import RecordingError, SensorError, shown
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.numbers import clean, is_time, number, seconds
from olfactory_transformer.sensors.recording import Recording

SIDECAR = ".json"  # NAME.csv.json: notes, as CSV has no place for them
_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".parquet")
_WORDS = frozenset({"substance", "recording", "label", "name", "source", "device", "note", "notes"})
_UNITS = {
    "degc": "degC",
    "c": "degC",
    "hpa": "hPa",
    "%": "%",
    "kohm": "kOhm",
    "m": "m",
    "ppm": "ppm",
    "count": "count",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a file may be.

    Parameters
    ----------
    rows, columns, characters : int
        Frames; columns; characters of the file.
    """

    rows: int = 1_000_000
    columns: int = 200
    characters: int = 512 * 2**20


def read_recording(file: str | Path | BinaryIO, limits: Limits | None = None) -> Recording:
    """Read one recording.

    Columns that have a time's name are the time, columns of words (`substance`, `recording`...) are no channels, and
    all others are channels, with a unit in brackets or parentheses if there is one. Without a time, a frame a second is
    assumed, and `notes["times"]` says so. Empty cells, NaN, and 4294967295 (-1 without its sign) are no value.

    Parameters
    ----------
    file : str, Path or binary file
        A binary file is CSV.
    limits : Limits or None

    Raises
    ------
    RecordingError
        It is not such a file; the row where it can be told.
    OSError
        It cannot be read.

    Examples
    --------
    >>> said = read_recording(io.BytesIO(b"NO2,Temperature [degC]\\n216,25.5\\n217,\\n"))
    >>> said.names, said.notes["times"], said.values[1].tolist()
    (('NO2', 'Temperature'), 'assumed: one frame a second', [217.0, nan])
    """
    limits = limits or Limits()
    if isinstance(file, str | Path):
        path = Path(file)
        found = list(_of_path(path, limits))
        if len(found) > 1:
            raise RecordingError(f"{path}: {len(found)} recordings in one file", "one")
        recording = found[0]
        return replace(recording, notes={**recording.notes, **_sidecar(path), "file": path.name})
    return next(_of_text(file.read(limits.characters + 1), limits))


def read_recordings(
    path: str | Path, limits: Limits | None = None
) -> Iterator[tuple[str, Recording | SensorError | OSError]]:
    """Yield (file, recording or why there is none) for a file or each file of a folder, by name.

    A file with a column `recording` is as many as it names, called `FILE#NAME` if more than one.

    Raises
    ------
    OSError
        There is no such file or folder.
    """
    limits, path = limits or Limits(), Path(path)
    paths = [path]
    if path.is_dir():
        paths = sorted(each for each in path.iterdir() if each.is_file() and each.suffix.lower() in _SUFFIXES)
    elif not path.exists():
        raise FileNotFoundError(2, "No such file or folder", str(path))
    for each in paths:
        try:
            found = list(_of_path(each, limits))
            notes = _sidecar(each)
        except (SensorError, OSError) as error:
            yield each.name, error
            continue
        for recording in found:
            name = each.name if len(found) == 1 else f"{each.name}#{recording.notes['recording']}"
            yield name, replace(recording, notes={**recording.notes, **notes, "file": name})


def _of_path(path: Path, limits: Limits) -> Iterator[Recording]:
    if path.suffix.lower() == ".parquet":
        return _of_parquet(path, limits)
    with path.open("rb") as file:
        body = file.read(limits.characters + 1)
    try:
        if path.suffix.lower() == ".jsonl":
            return iter([_of_json_lines(body, limits)])
        return iter(list(_of_text(body, limits)))
    except RecordingError as error:
        raise RecordingError(f"{path.name}: {error.got}", error.expected, error.row) from None


def _of_text(body: bytes, limits: Limits) -> Iterator[Recording]:
    text = _decoded(body, limits)
    head = text[: text.find("\n")] if "\n" in text else text
    delimiter = max((",", ";", "\t"), key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not any(header):
            raise RecordingError("an empty file", "a header with the names of the channels")
        if all(_is_number(name) for name in header if name):
            raise RecordingError(
                f"a first line of numbers, {shown(head)}", "a header with the names of the channels"
            )
        rows: list[list[str]] = []
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise RecordingError(f"{len(row)} cells", f"{len(header)}, as the header has", len(rows))
            rows.append(row)
            if len(rows) > limits.rows:
                raise RecordingError(f"more than {limits.rows} rows", "fewer")
    except csv.Error as error:
        raise RecordingError(f"broken CSV ({error})", "cells parted by commas", reader.line_num) from None
    yield from _tables(header, rows, limits)


def _tables(header: list[str], rows: list[list[str]], limits: Limits) -> Iterator[Recording]:
    """Part rows by their recording, if they say which."""
    if len(header) > limits.columns:
        raise RecordingError(f"{len(header)} columns", f"at most {limits.columns}")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise RecordingError(f"the column {shown(twice)} twice", "each name once")
    if not rows:
        raise RecordingError("a header without rows", "a row a frame")
    parts: dict[str, list[tuple[int, list[str]]]] = {}
    at = header.index("recording") if "recording" in header else None
    for index, row in enumerate(rows):
        parts.setdefault(row[at] if at is not None else "", []).append((index, row))
    for part in parts.values():
        yield _of_rows(header, part)


def _of_rows(header: list[str], rows: list[tuple[int, list[str]]]) -> Recording:
    time = next((place for place, name in enumerate(header) if is_time(name)), None)
    words = [place for place, name in enumerate(header) if name.lower() in _WORDS]
    places = [place for place in range(len(header)) if place != time and place not in words and header[place]]
    if not places:
        raise RecordingError(f"columns {', '.join(header)[:200]}", "at least one channel")
    values = np.empty((len(rows), len(places)), np.float32)
    times = np.arange(len(rows), dtype=np.float64)
    for out, (index, row) in enumerate(rows):
        try:
            values[out] = [number(row[place]) for place in places]
            if time is not None:
                times[out] = seconds(row[time], header[time])
        except ValueError as error:
            raise RecordingError(str(error), "numbers with a decimal point", index) from None
    notes = {header[place].lower(): rows[0][1][place] for place in words}
    if time is None:
        notes["times"] = "assumed: one frame a second"
    return Recording(tuple(channel(*_unit(header[place])) for place in places), times, values, notes)


def _unit(text: str) -> tuple[str, str]:
    """Part `Temperature [degC]` into a name and a unit."""
    for opening, closing in ("[]", "()"):
        if text.endswith(closing) and opening in text:
            name, _, unit = text[:-1].rpartition(opening)
            return name.strip(), _UNITS.get(unit.strip().lower(), unit.strip())
    return text, ""


def _of_json_lines(body: bytes, limits: Limits) -> Recording:
    from olfactory_transformer.sensors.frame import Frame

    frames: list[Frame] = []
    for index, line in enumerate(_decoded(body, limits).splitlines()):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except (ValueError, RecursionError):
            raise RecordingError(f"{shown(line)}", "a JSON object a line", index) from None
        if not isinstance(given, dict):
            raise RecordingError(f"{shown(line)}", "a JSON object a line", index)
        values: dict[str, Any] = given["values"] if isinstance(given.get("values"), dict) else given
        time = next((given[name] for name in given if is_time(name)), float(len(frames)))
        kept = {
            name: clean(value) if value is not None else math.nan
            for name, value in values.items()
            if not is_time(name)
            and (value is None or (isinstance(value, int | float) and not isinstance(value, bool)))
        }
        try:
            frames.append(Frame(seconds(str(time), "time"), kept))
        except ValueError as error:
            raise RecordingError(str(error), "a time in seconds", index) from None
        if len(frames) > limits.rows:
            raise RecordingError(f"more than {limits.rows} rows", "fewer")
    if not frames:
        raise RecordingError("an empty file", "a JSON object a line")
    return Recording.of(frames)


def _of_parquet(path: Path, limits: Limits) -> Iterator[Recording]:
    from arro3.io import read_parquet

    try:
        table = read_parquet(path).read_all()
    except OSError:
        raise
    except Exception as error:  # arro3 raises plain Exception of its own kinds
        raise RecordingError(
            f"{path.name}: not readable as Parquet ({str(error)[:100]})", "a Parquet file"
        ) from None
    if table.num_rows > limits.rows:
        raise RecordingError(f"{path.name}: {table.num_rows} rows", f"at most {limits.rows}")
    header = list(table.column_names)
    columns = [
        [("" if value is None else str(value)) for value in table.column(name).to_pylist()] for name in header
    ]
    notes = {
        key.decode("utf-8", "replace").removeprefix("olfactory."): value.decode("utf-8", "replace")
        for key, value in (table.schema.metadata or {}).items()
        if key.startswith(b"olfactory.")
    }
    for recording in _tables(header, [list(row) for row in zip(*columns, strict=True)], limits):
        yield replace(recording, notes={**recording.notes, **notes})


def _decoded(body: bytes, limits: Limits) -> str:
    if len(body) > limits.characters:
        raise RecordingError(f"more than {limits.characters} bytes", "a smaller file")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordingError(f"bytes that are not UTF-8 at {error.start}", "UTF-8") from None
    if "\0" in text:
        raise RecordingError("a zero byte", "text")
    return text


def _sidecar(path: Path) -> dict[str, str]:
    """Return the notes that lie beside a file; a broken file of notes costs the notes alone."""
    beside = path.with_name(path.name + SIDECAR)
    try:
        given = json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
