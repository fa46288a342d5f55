"""One line of a board: CSV with or without a header, `name=value` pairs, or a JSON object; told apart by itself."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import reduce

from olfactory_transformer.core.errors import shown
from olfactory_transformer.sensors.numbers import clean, is_time, number, seconds

LONGEST = 4096  # bytes of a line
MOST_CHANNELS = 200
_CHECKSUM = re.compile(rb"^\$?(.*)\*([0-9A-Fa-f]{2})$", re.S)
_PAIR = re.compile(r"^([A-Za-z_][\w./%-]*)\s*[=:]\s*(\S*)$")
_NAME = re.compile(r"^[A-Za-z_][\w .\[\]()/%-]*$")
_UNIT = re.compile(r"\s*[\[(][^\])]*[\])]$")
_NUMBERING = frozenset({"seq", "sequence", "n", "frame"})


class BrokenLine(ValueError):
    """A line that is no frame; the message says what was got."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a line says.

    Parameters
    ----------
    values : dict of str to float
        By channel; NaN where there was no number. Empty: a header, a comment, or what a board says when it starts.
    device_time : float or None
        Seconds by the board's clock.
    number : int or None
        The board's own number of the frame.
    header : bool
        It names the columns.
    """

    values: dict[str, float]
    device_time: float | None = None
    number: int | None = None
    header: bool = False


class LineReader:
    r"""Reads lines of one board, and remembers its header.

    A line may end in `*` and the XOR of the bytes before it in hexadecimal, as in NMEA 0183; it is then checked.

    Parameters
    ----------
    names : tuple of str
        Of a CSV board's columns, if it sends no header; without, they are `c1`, `c2`...

    Examples
    --------
    >>> reader = LineReader()
    >>> reader.read(b"NO2,CO\r\n").header, reader.read(b"216,830\r\n").values
    (True, {'NO2': 216.0, 'CO': 830.0})
    >>> reader.read(b"seq=7 NO2=216 CO=\n")
    Said(values={'NO2': 216.0, 'CO': nan}, device_time=None, number=7, header=False)
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self._names = names
        self._given = bool(names)
        self._begun = False

    def read(self, line: bytes) -> Said:
        """Read one line, without or with its end.

        Raises
        ------
        BrokenLine
            It cannot be read; whatever bytes it has.
        """
        text = self._text(line)
        if not text or text.startswith("#"):
            return Said({})
        if text.startswith("{"):
            said = self._of_json(text)
        elif "=" in text or (":" in text and self._pairs(text) is not None):
            said = self._of_pairs(text)
        else:
            said = self._of_cells(text)
        self._begun = self._begun or bool(said.values)
        return said

    def _text(self, line: bytes) -> str:
        line = line.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n ")  # a tab at the end is an empty cell
        if len(line) > LONGEST:
            raise BrokenLine(f"a line of {len(line)} bytes, expected at most {LONGEST}")
        if found := _CHECKSUM.match(line):
            line, stated = found[1], int(found[2], 16)
            if (got := reduce(lambda a, b: a ^ b, line, 0)) != stated:
                raise BrokenLine(f"a checksum of {got:02X}, expected {stated:02X} as it says")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise BrokenLine(f"bytes that are no text, {line[:40]!r}") from None
        if any(ord(each) < 32 and each != "\t" for each in text):
            raise BrokenLine(f"control characters in {shown(text)}")
        return text

    def _of_json(self, text: str) -> Said:
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            raise BrokenLine(f"broken JSON, {shown(text)}") from None
        if isinstance(given.get("values"), dict):
            given = {**given.pop("values"), **given}
        fields = {}
        for name, value in given.items():
            if value is None:
                fields[name] = ""
            elif isinstance(value, int | float) and not isinstance(value, bool):
                fields[name] = repr(value)
            elif is_time(name) and isinstance(value, str):
                fields[name] = value
            elif not isinstance(value, str):
                raise BrokenLine(f"{shown(name)} is {type(value).__name__}, expected a number")
        return self._said(fields, text)

    def _pairs(self, text: str) -> dict[str, str] | None:
        joined = re.sub(r"\s*([=:])[ \t]*(?=[^\s,;])", r"\1", text)
        found = [_PAIR.match(part) for part in re.split(r"[,;\s]+", joined) if part]
        return {each[1]: each[2] for each in found if each} if found and all(found) else None

    def _of_pairs(self, text: str) -> Said:
        if (pairs := self._pairs(text)) is None:
            raise BrokenLine(f"{shown(text)}, expected name=value pairs")
        return self._said(pairs, text)

    def _of_cells(self, text: str) -> Said:
        delimiter = max((",", ";", "\t"), key=text.count)
        cells = [cell.strip() for cell in (text.split(delimiter) if delimiter in text else text.split())]
        if (
            len(cells) > 1
            and delimiter in text
            and all(_NAME.match(cell) for cell in cells)
            and not _numbers(cells)
        ):
            if len(set(cells)) < len(cells):
                raise BrokenLine(f"a header with a name twice, {shown(text)}")
            if not self._given:
                self._names = tuple(_UNIT.sub("", cell) for cell in cells)
            return Said({}, header=True)
        if not _numbers(cells):
            if not self._begun:
                return Said({})  # a greeting
            raise BrokenLine(f"{shown(text)}, expected numbers")
        names = self._names or tuple(f"c{place}" for place in range(1, len(cells) + 1))
        if len(names) != len(cells):
            raise BrokenLine(f"{len(cells)} values, expected {len(names)}")
        self._names = names
        return self._said(dict(zip(names, cells, strict=True)), text)

    def _said(self, fields: dict[str, str], text: str) -> Said:
        if len(fields) > MOST_CHANNELS:
            raise BrokenLine(f"{len(fields)} channels, expected at most {MOST_CHANNELS}")
        values, device_time, counted = {}, None, None
        try:
            for name, cell in fields.items():
                if is_time(name):
                    device_time = seconds(cell, name) if cell.strip() else None
                elif name.lower() in _NUMBERING:
                    counted = _whole(number(cell))
                else:
                    values[name] = clean(number(cell))
        except (ValueError, OverflowError) as error:
            raise BrokenLine(f"{error}, in {shown(text)}") from None
        if not values:
            raise BrokenLine(f"no channel in {shown(text)}")
        return Said(values, device_time, counted)


def _whole(value: float) -> int | None:
    return None if math.isnan(value) else int(value)


def _numbers(cells: list[str]) -> bool:
    """Say whether every cell is a number or stands for none, and at least one is a number."""
    some = False
    for cell in cells:
        try:
            some = not math.isnan(number(cell)) or some
        except ValueError:
            return False
    return some
