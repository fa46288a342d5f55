"""The fields of a line: which is the time, which the frame's number, which are channels and in what unit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from olfactory_transformer.core.errors import shown
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.lines.said import BrokenLine, Said
from olfactory_transformer.sensors.numbers import clean, is_time, number, seconds

MOST_CHANNELS = 200
LONGEST_NAME = 64
_MOST_WORDS = 64
_NUMBERING = frozenset({"seq", "sequence", "n", "frame"})
_WORDS = frozenset(
    {"device", "device_id", "id", "board", "sensor", "name", "label", "substance", "recording"}
)
_WORDS |= {"source", "note", "notes", "status", "state", "firmware", "fw", "version", "date", "unit"}
_NAME = re.compile(r"^[^\W\d][\w .\[\]()/%°³²+-]*$")
_UNIT = re.compile(r"^(.+?)\s*[\[(]\s*([^\])]*?)\s*[\])]$")
_UNITS = {
    "c": "degC",
    "°c": "degC",
    "f": "degF",
    "°f": "degF",
    "%rh": "%",
    "kohms": "kOhm",
    "kohm": "kOhm",
    "kω": "kOhm",
}
_TICKS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "millis": 1e-3, "us": 1e-6, "µs": 1e-6, "micros": 1e-6}
_CLOCKS = re.compile(r"^(?:t|time|timestamp|uptime|device_time)(?:_(s|ms|us))?$|^(us|micros)$")
_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, slots=True)
class Field:
    """What a name stands for.

    Parameters
    ----------
    name : str
        Without its unit.
    unit : str
        Empty if it has none.
    role : str
        `word` for what is no number, as a board's id.
    tick : float or None
        Seconds that the clock counts in, where the name or its unit says.
    """

    name: str
    unit: str = ""
    role: Literal["channel", "time", "number", "word"] = "channel"
    tick: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is a name that sensors, clocks or counters have."""
        return self.role in ("time", "number") or bool(channel(self.name).unit)


@lru_cache(maxsize=1024)
def field_of(text: str) -> Field:
    """Return what a name in a header, a pair or an object stands for.

    >>> field_of("Temperature (°C)"), field_of("time[ms]").tick
    (Field(name='Temperature', unit='degC', role='channel', tick=None), 0.001)
    """
    name, unit = text.strip(), ""
    if found := _UNIT.match(name):
        name, unit = found[1], _UNITS.get(found[2].lower(), found[2])
    lower = name.lower()
    if (clock := _CLOCKS.match(lower)) or is_time(lower):
        said = unit.lower() or (clock and (clock[1] or clock[2])) or (lower if lower in _TICKS else "")
        return Field(name, unit, "time", _TICKS.get(said or ""))
    if lower in _NUMBERING:
        return Field(name, unit, "number")
    return Field(name, unit, "word" if lower in _WORDS else "channel")


def is_name(text: str) -> bool:
    """Say whether a board may call a channel so.

    >>> is_name("Temperature [°C]"), is_name("216"), is_name("nan")
    (True, False, False)
    """
    if len(text) > LONGEST_NAME or not _NAME.match(text):
        return False
    try:
        number(text)
    except ValueError:
        return True
    return False


def add(fields: dict[Field, str], field: Field, text: str) -> None:
    """Add a field to those of a line.

    Raises
    ------
    BrokenLine
        There is one of this name, or as many as a line may have.
    """
    if field in fields or any(field.name == other.name for other in fields):
        raise BrokenLine(f"{shown(field.name)} twice, expected each name once")
    if len(fields) > MOST_CHANNELS:
        raise BrokenLine(f"more than {MOST_CHANNELS} channels")
    fields[field] = text


def said_of(fields: Mapping[Field, str], text: str, words: dict[str, str]) -> Said:
    """Read the fields of one line; what is words is added to `words`.

    Of several clocks or counters the first counts, and the others are left out.

    Raises
    ------
    BrokenLine
        One is not what its name says.
    """
    values: dict[str, float] = {}
    device_time, counted, wraps = None, None, None
    timed = numbered = False
    try:
        for field, cell in fields.items():
            if field.role == "time":
                if not timed and cell.strip():
                    device_time, wraps = _moment(cell, field)
                timed = True
            elif field.role == "number":
                counted, numbered = counted if numbered else _whole(cell), True
            elif field.role == "word":
                if field.name in words or len(words) < _MOST_WORDS:
                    words[field.name] = cell.strip()[:200]
            else:
                values[field.name] = clean(number(cell))
    except (ValueError, OverflowError) as error:
        comma = "; a decimal comma? numbers have a point" if _COMMA.search(text) and ";" in text else ""
        raise BrokenLine(f"{error}, in {shown(text)}{comma}") from None
    if not values:
        raise BrokenLine(f"no channel in {shown(text)}")
    if len(values) > MOST_CHANNELS:
        raise BrokenLine(f"{len(values)} channels, expected at most {MOST_CHANNELS}")
    return Said(values, device_time, counted, wraps=wraps)


def _moment(cell: str, field: Field) -> tuple[float, float | None]:
    if field.tick in (None, 1.0):
        return seconds(cell, "t"), None
    assert field.tick is not None
    ticks = float(cell)
    if not math.isfinite(ticks):
        raise ValueError(f"{cell.strip()[:30]!r} is not a time")
    return ticks * field.tick, 2**32 * field.tick if 0 <= ticks < 2**32 else None


def _whole(cell: str) -> int | None:
    value = number(cell)
    if math.isnan(value):
        return None
    if value != int(value):
        raise ValueError(f"the number {cell.strip()[:20]} of a frame is not a whole one")
    return int(value)
