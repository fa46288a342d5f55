"""What is known of a recording besides its numbers: JSON beside a CSV, or in the metadata of Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from olfactory_transformer.sensors.recording import Recording

SUFFIX = ".json"  # NAME.csv.json
_LARGEST = 1 << 20
UNITS = "units"
COMPLETE = "complete"  # false while it is written, and for ever if that was cut off


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes of a file.

    Parameters
    ----------
    texts : mapping of str to str
        What is not a text in the file is JSON here.
    units : mapping of str to str
        By channel.
    unfinished : bool
        Whether the recording was cut off, so that its last line may not be whole.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    unfinished: bool = False


def beside(path: Path) -> Path:
    """Return where the notes of a file are.

    >>> beside(Path("a.csv")).name
    'a.csv.json'
    """
    return path.with_name(path.name + SUFFIX)


def read_notes(path: Path) -> Notes:
    """Return the notes beside a file; those that cannot be read cost themselves alone, and that is a note, too."""
    try:
        with beside(path).open("rb") as file:
            return parse_notes(file.read(_LARGEST + 1))
    except FileNotFoundError:
        return Notes()
    except OSError as error:
        return Notes({"notes": f"not readable: {error.strerror}"})


def parse_notes(content: bytes) -> Notes:
    """Return the notes that JSON says.

    >>> parse_notes(b'{"troubles": {"lost": 2}, "complete": false}')
    Notes(texts={'troubles': '{"lost": 2}', 'complete': 'false'}, units={}, unfinished=True)
    """
    if not content:
        return Notes()
    try:
        if len(content) > _LARGEST:
            raise ValueError(f"more than {_LARGEST} bytes")
        given = json.loads(content)
        if not isinstance(given, dict):
            raise ValueError(f"got {type(given).__name__}, expected an object")
    except (ValueError, RecursionError) as error:
        return Notes({"notes": f"not readable: {str(error)[:100]}"})
    units = given.pop(UNITS, None)
    unfinished = given.get(COMPLETE) is False
    texts = {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    known = {str(k): v for k, v in units.items() if isinstance(v, str)} if isinstance(units, dict) else {}
    return Notes(texts, known, unfinished)


def noted(recording: Recording, notes: Notes, file: str) -> Recording:
    """Return a recording with the notes of its file, its name and the channels' units."""
    channels = tuple(replace(each, unit=notes.units.get(each.name, each.unit)) for each in recording.channels)
    return replace(recording, channels=channels, notes={**recording.notes, **notes.texts, "file": file})


def as_json(notes: Mapping[str, Any]) -> bytes:
    """Return notes as they are written."""
    return json.dumps(dict(notes), indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def write_notes(path: Path, notes: Mapping[str, Any]) -> None:
    """Write the notes beside a file, whole or not at all.

    Raises
    ------
    OSError
        They cannot be written; those that there were before are as they were.
    """
    target = beside(path)
    part = target.with_name(target.name + ".part")
    try:
        part.write_bytes(as_json(notes))
        part.replace(target)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
