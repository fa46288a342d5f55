"""Lines of values alone: CSV, whose columns a header names, or whoever reads it, or nobody."""

from __future__ import annotations

import re

from olfactory_transformer.core.errors import shown
from olfactory_transformer.sensors.lines.fields import MOST_CHANNELS, Field, field_of, is_name
from olfactory_transformer.sensors.lines.said import BrokenLine
from olfactory_transformer.sensors.lines.text import is_number
from olfactory_transformer.sensors.numbers import number

_MISFITS = 3  # lines in a row of another number of values, after which it is the names that are wrong
_MOMENT = re.compile(r"^\d{4}-\d\d-\d\d[T ]")


class Cells:
    """The columns of a board that sends CSV.

    Parameters
    ----------
    names : tuple of str
        Of the columns, if the board does not say them. Those of a header then do not count.

    Examples
    --------
    >>> columns = Cells()
    >>> columns.header("t,CO [ppm]")
    True
    >>> [field.unit for field in columns.fields("0,830")]
    ['', 'ppm']
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self._columns = tuple(map(field_of, names))
        self._given = bool(names)
        self._headers: dict[int, tuple[Field, ...]] = {}  # by how many columns
        self._misfits = (0, 0)  # of how many values, how often

    def header(self, text: str, *, whole: bool = True, comment: bool = False) -> bool:
        """Take a line for the header if it is one, and say so.

        Parameters
        ----------
        text : str
        whole : bool
            Whether its beginning cannot be missing.
        comment : bool
            It stands behind `#`, as words for people do.

        Raises
        ------
        BrokenLine
            A name occurs twice.
        """
        cells, delimiter = _split(text)
        if not all(map(is_name, cells)) or len(cells) > MOST_CHANNELS:
            return False
        known = sum(field_of(cell).is_known for cell in cells)
        if delimiter == " " or len(cells) == 1 or comment:  # else they are words for people
            found = 2 * known >= len(cells)
        elif not whole and not field_of(cells[0]).is_known:
            found = False
        else:
            fits = not self._headers or len(cells) == len(self._columns)
            found = known > 0 or (fits and not any(" " in field_of(cell).name for cell in cells))
        if found:
            self._name(tuple(map(field_of, cells)))
        return found

    def fields(self, text: str) -> dict[Field, str]:
        """Return the values of a line by their columns.

        Raises
        ------
        BrokenLine
            It is no row of numbers, or not of as many as there are columns.
        """
        cells = _split(text)[0]
        if not any(map(is_number, cells)) or not all(map(_is_cell, cells)):
            comma = "; a decimal comma? numbers have a point" if ";" in text and "," in text else ""
            raise BrokenLine(f"{shown(text)}, expected numbers{comma}")
        columns = self._columns or _numbered(len(cells))
        if len(cells) == len(columns) + 1 and not cells[-1]:
            cells.pop()  # a delimiter after the last value
        if len(cells) != len(columns):
            columns = self._misfit(len(cells))
        self._columns, self._misfits = columns, (0, 0)
        return dict(zip(columns, cells, strict=True))

    def _name(self, columns: tuple[Field, ...]) -> None:
        names = [column.name for column in columns]
        if len(set(names)) < len(names):
            raise BrokenLine(f"a header with a name twice, {shown(', '.join(names))}")
        if not self._given:
            self._columns = self._headers[len(columns)] = columns

    def _misfit(self, count: int) -> tuple[Field, ...]:
        """Return other columns if the present ones were of a header without its beginning, or of words for people."""
        before, times = self._misfits
        self._misfits = (count, times + 1 if before == count else 1)
        if self._given or self._misfits[1] < _MISFITS:
            raise BrokenLine(f"{count} values, expected {len(self._columns)}")
        return self._headers.get(count) or _numbered(count)


def _numbered(count: int) -> tuple[Field, ...]:
    if count > MOST_CHANNELS:
        raise BrokenLine(f"{count} values, expected at most {MOST_CHANNELS}")
    return tuple(Field(f"c{place}") for place in range(1, count + 1))


def _split(text: str) -> tuple[list[str], str]:
    # Where values are parted by semicolons, a comma is a decimal one.
    delimiter = next((each for each in (";", "\t", ",") if each in text), " ")
    cells = text.split(None if delimiter == " " else delimiter)
    return [cell.strip().strip('"') for cell in cells], delimiter


def _is_cell(text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return _MOMENT.match(text) is not None
    return True
