"""Recordings of a file, or of all files of a folder."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from olfactory_transformer.core.errors import RecordingError, SensorError
from olfactory_transformer.sensors.files import delimited, jsonl
from olfactory_transformer.sensors.files.columns import PART
from olfactory_transformer.sensors.files.limits import Limits
from olfactory_transformer.sensors.files.notes import noted, parse_notes, read_notes
from olfactory_transformer.sensors.recording import Recording

DELIMITED = (".csv", ".tsv", ".txt")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = ".parquet"
GZIP = ".gz"  # after one of the others but Parquet


def read_recording(file: str | Path | BinaryIO, limits: Limits | None = None) -> Recording:
    r"""Read one recording.

    The first column with the name of a time is the time, and no column of words is a channel. Empty cells, NaN
    and 4294967295 (-1 without its sign) are no value. Without a time, a frame a second is assumed, and the note
    `times` says so. All of it is in docs/reference/recordings.md.

    Parameters
    ----------
    file : str, Path or binary file
        A binary file is CSV. What a path's name does not say is taken for CSV, too.
    limits : Limits or None

    Raises
    ------
    RecordingError
        It is no recording, or several; the row where it can be told.
    OSError
        It cannot be read.

    Examples
    --------
    >>> import io
    >>> said = read_recording(io.BytesIO(b"NO2,Temperature [degC]\n216,25.5\n217,\n"))
    >>> said.names, said.notes["times"], said.values[1].tolist()
    (('NO2', 'Temperature'), 'assumed: one frame a second', [217.0, nan])
    """
    if isinstance(file, str | Path):
        path = Path(file)
        found, name = [recording for _, recording in _of_path(path, limits or Limits())], f"{path.name}: "
    else:
        found, name = list(delimited.read(file, limits or Limits())), ""
    if len(found) > 1:
        raise RecordingError(f"{name}{len(found)} recordings in one file", "one")
    if isinstance(found[0], RecordingError):
        raise found[0]
    return found[0]


def read_recordings(
    path: str | Path, limits: Limits | None = None
) -> Iterator[tuple[str, Recording | SensorError | OSError]]:
    """Yield (name, recording or why there is none) for a file or each file of a folder, by name.

    A file with a column `recording` is as many as it names, called `FILE#NAME` if more than one. Of a folder, files of
    other kinds are left out, as are those whose names begin with a point.

    Raises
    ------
    OSError
        There is no such file or folder.
    """
    path = Path(path)
    paths = [path]
    if path.is_dir():
        paths = sorted(each for each in path.iterdir() if _is_recording(each))
    elif not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    for each in paths:
        try:
            yield from _of_path(each, limits or Limits())
        except (SensorError, OSError) as error:
            yield each.name, error


def _is_recording(path: Path) -> bool:
    suffixes = path.name.lower().removesuffix(GZIP)
    known = suffixes.endswith((*DELIMITED, *JSON_LINES)) or path.name.lower().endswith(PARQUET)
    # A link to nothing is one that cannot be read; a pipe would be waited for.
    return known and not path.name.startswith(".") and (path.is_file() or not path.exists())


def _of_path(path: Path, limits: Limits) -> Iterator[tuple[str, Recording | RecordingError]]:
    notes = read_notes(path)
    try:
        with path.open("rb") as raw:
            form = path.name.lower()
            if form.endswith(PARQUET):
                from olfactory_transformer.sensors.files import parquet

                parts, content = parquet.read(raw, limits)
                notes = parse_notes(content) if content else notes
                found = list(parts)
            else:
                file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if form.endswith(GZIP) else raw
                read = jsonl.read if form.removesuffix(GZIP).endswith(JSON_LINES) else delimited.read
                found = list(read(file, limits, unfinished=notes.unfinished))
    except RecordingError as error:
        raise _at(path.name, error) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RecordingError(f"{path.name}: broken gzip ({error})", "a whole file") from None
    for recording in found:
        name = path.name
        if isinstance(recording, RecordingError):
            yield name, _at(name, recording)
            continue
        if len(found) > 1:
            name += f"#{recording.notes.get(PART, '')}"
        yield name, noted(recording, notes, name)


def _at(name: str, error: RecordingError) -> RecordingError:
    return RecordingError(f"{name}: {error.got}", error.expected, error.row)
