"""One line of a board: CSV with or without a header, `name=value` pairs, or a JSON object; told apart by itself."""

from __future__ import annotations

from collections import deque
from typing import Literal, get_args

from olfactory_transformer.core.errors import shown
from olfactory_transformer.sensors.channels import Channel, channel
from olfactory_transformer.sensors.lines.cells import Cells
from olfactory_transformer.sensors.lines.fields import Field, said_of
from olfactory_transformer.sensors.lines.named import fields_of_json, fields_of_pairs, looks_like_pairs
from olfactory_transformer.sensors.lines.said import BrokenLine, Said
from olfactory_transformer.sensors.lines.text import is_boot, is_prose, text_of

LineFormat = Literal["auto", "csv", "pairs", "json"]
FORMATS: tuple[LineFormat, ...] = get_args(LineFormat)
_CHANNELS_EVER = 400  # of one board; more are damaged names


class LineReader:
    r"""Reads lines of one board, and remembers its header.

    A line may end in `*` and the XOR of the bytes before it in hexadecimal, as in NMEA 0183; it is then checked, and
    frames without one are refused from then on, as they were cut.

    Parameters
    ----------
    names : tuple of str
        Of a CSV board's columns, if it sends no header; without, they are `c1`, `c2`...
    line_format : str
        One of `FORMATS`; `auto` tells each line by itself.

    Examples
    --------
    >>> reader = LineReader()
    >>> reader.read(b"NO2,CO\r\n").header, reader.read(b"216,830\r\n").values
    (True, {'NO2': 216.0, 'CO': 830.0})
    >>> said = reader.read(b"seq=7 NO2=216 CO=\n")
    >>> said.values, said.number
    ({'NO2': 216.0, 'CO': nan}, 7)
    """

    def __init__(self, names: tuple[str, ...] = (), line_format: LineFormat = "auto") -> None:
        if line_format not in FORMATS:
            raise ValueError(f"the line format {shown(line_format)}, expected one of {', '.join(FORMATS)}")
        self._format = line_format
        self._cells = Cells(names)
        self._begun = self._checked = False
        self._units: dict[str, str] = {}  # by channel
        self.words: dict[str, str] = {}
        """What the board said besides numbers, as its `device` or `firmware`."""
        self.messages: deque[str] = deque(maxlen=50)
        """Comments and words for people, the latest last."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Return the channels that came so far, with the units that the board stated."""
        return tuple(channel(name, unit) for name, unit in self._units.items())

    def read(self, line: bytes, *, whole: bool = True) -> Said:
        """Read one line, without or with its end.

        Parameters
        ----------
        line : bytes
        whole : bool
            Whether it is sure that its beginning is not missing. If not, it is taken only if it shows that.

        Raises
        ------
        BrokenLine
            It cannot be read; whatever bytes it has.
        """
        text, checked = text_of(line)
        if not text:
            return Said({})
        if text.startswith(("#", "//")):
            return self._comment(text.lstrip("#/ \t"))
        try:
            said = self._said(text, whole or checked)
        except BrokenLine:
            if not (boot := is_boot(text)) and not (whole and is_prose(text)):
                raise
            self.messages.append(shown(text, 200))
            return Said({}, starts=boot and self._begun)
        if said.values:
            if self._checked and not checked:
                raise BrokenLine(f"no checksum, expected one as before, in {shown(text)}")
            self._begun, self._checked = True, self._checked or checked
        return said

    def _said(self, text: str, whole: bool) -> Said:
        if (text.startswith("{") and self._format == "auto") or self._format == "json":
            if not text.startswith("{"):
                raise BrokenLine(f"{shown(text)}, expected a JSON object")
            return self._frame(fields_of_json(text, self._units), text)
        if self._format == "pairs" or (self._format == "auto" and looks_like_pairs(text)):
            fields = fields_of_pairs
        elif self._cells.header(text, whole=whole):
            return Said({}, header=True, starts=self._begun)
        else:
            fields = self._cells.fields
        if not whole:
            raise BrokenLine("the first line after connecting, which may lack its beginning")
        return self._frame(fields(text), text)

    def _frame(self, fields: dict[Field, str], text: str) -> Said:
        said = said_of(fields, text, self.words)
        units = {field.name: field.unit for field in fields if field.role == "channel"}
        new = units.keys() - self._units.keys()
        if len(self._units) + len(new) > _CHANNELS_EVER:
            raise BrokenLine(f"more than {_CHANNELS_EVER} different channels, such as {shown(min(new))}")
        self._units |= {name: unit for name, unit in units.items() if name in new}
        return said

    def _comment(self, text: str) -> Said:
        self.messages.append(shown(text, 200))
        if self._format in ("auto", "csv") and text and self._cells.header(text, comment=True):
            return Said({}, header=True, starts=self._begun)
        return Said({})
