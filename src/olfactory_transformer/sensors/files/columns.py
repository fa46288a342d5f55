"""One column of a recording's file, read piece by piece: numbers, moments or words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import RecordingError, shown
from olfactory_transformer.sensors.numbers import WRAPPED, is_time, number, seconds

PART = "recording"  # the column that says which of several recordings a row is of
# Words even where they look like numbers, as a recording that is called 3.
_WORDS = frozenset({"substance", PART, "label", "name", "source", "device", "note", "notes"})
_LIKE_A_NUMBER = re.compile(r"[+-]?\.?\d")
_PLAIN = frozenset("0123456789+-.eE ")
_LARGEST = 1e15


class Column:
    """What a column holds shows in its cells, so it is known at the end alone.

    Parameters
    ----------
    name : str
        As the file has it.
    decimal_comma : bool
        Whether 21,5 is a number: where cells are parted by something else than commas.

    Examples
    --------
    >>> column = Column("CO")
    >>> column.add(["830", "", "4294967295"], 0)
    >>> column.values.tolist(), column.is_words
    ([830.0, nan, nan], False)
    """

    def __init__(self, name: str, *, decimal_comma: bool = False) -> None:
        self.name, self._decimal_comma = name, decimal_comma
        self.is_time = is_time(name)
        self.left_out = False
        self._known_words = name.strip().lower() in _WORDS
        self._numbers: list[NDArray[np.float64]] = []
        self._places: list[NDArray[np.int64]] = []
        self._texts: dict[str, int] = {}  # each text of a column of words, and its place
        self._text_at: tuple[int, str] | None = None
        self._has_numbers = False

    def add(self, cells: Sequence[str], row: int) -> None:
        """Take the cells of rows from `row` on.

        Raises
        ------
        RecordingError
            One looks like a number and is none, or is no moment of a column of times.
        """
        if self.left_out:
            return
        if self._known_words:
            places = [self._texts.setdefault(cell.strip(), len(self._texts)) for cell in cells]
            self._places.append(np.array(places, np.int64))
        elif self.is_time:
            self._numbers.append(
                np.array([self._moment(cell, row + at) for at, cell in enumerate(cells)], np.float64)
            )
        else:
            try:
                # float() takes more than numbers, as 1_000; what is left without these characters it reads as we do.
                values = list(map(float, cells)) if _PLAIN.issuperset("".join(cells)) else None
            except ValueError:
                values = None
            if values is None:
                values = [self._number(cell, row + at) for at, cell in enumerate(cells)]
            self.add_numbers(np.array(values, np.float64))

    def add_numbers(self, values: NDArray[np.float64]) -> None:
        """Take what is numbers in the file already."""
        if self.left_out:
            return
        bad = ~np.isfinite(values) | (values == WRAPPED) | (np.abs(values) >= _LARGEST)
        self._has_numbers = self._has_numbers or not bad.all()
        self._numbers.append(np.where(bad, np.nan, values))

    def close(self) -> None:
        """See that the column is of one kind.

        Raises
        ------
        RecordingError
            There is a word among numbers.
        """
        if self._text_at is not None and self._has_numbers:
            row, text = self._text_at
            raise RecordingError(f"{shown(self.name)}: {shown(text, 20)}", "a number or nothing", row)

    @property
    def is_words(self) -> bool:
        """Say whether it is no channel and no time."""
        return self._known_words or self._text_at is not None

    @property
    def values(self) -> NDArray[np.float64]:
        """Return the numbers; NaN where there was none."""
        return np.concatenate(self._numbers) if self._numbers else np.empty(0)

    def parts(self) -> dict[str, NDArray[np.int64]]:
        """Return the rows of each text of a column whose name says that it is of words."""
        places = np.concatenate(self._places) if self._places else np.empty(0, np.int64)
        return {text: np.flatnonzero(places == place) for text, place in self._texts.items()}

    def text_of(self, rows: NDArray[np.int64] | None) -> str | None:
        """Return the one text of these rows of a column of words; None if there are several."""
        if not self._known_words:
            return next(iter(self._texts)) if len(self._texts) == 1 else None
        places = np.concatenate(self._places)
        found = np.unique(places if rows is None else places[rows])
        return list(self._texts)[int(found[0])] if len(found) == 1 else None

    def _number(self, cell: str, row: int) -> float:
        comma = self._decimal_comma and cell.count(",") == 1 and "." not in cell
        try:
            return number(cell.replace(",", ".") if comma else cell)
        except ValueError as error:
            if _LIKE_A_NUMBER.match(cell.strip()):
                got = f"{shown(self.name)}: {error}"
                raise RecordingError(got, "a number with a decimal point", row) from None
        self._text_at = self._text_at or (row, cell)
        if len(self._texts) < 2:  # more need not be known
            self._texts[cell.strip()] = 0
        return np.nan

    def _moment(self, cell: str, row: int) -> float:
        try:
            return seconds(cell, self.name)
        except (ValueError, OverflowError) as error:
            raise RecordingError(f"{shown(self.name)}: {error}", "a time", row) from None


def columns_of(names: Sequence[str], *, decimal_comma: bool = False) -> list[Column]:
    """Return a column for each name; of several clocks the first counts.

    >>> [column.left_out for column in columns_of(["t", "time", "CO"])]
    [False, True, False]
    """
    columns = [Column(name, decimal_comma=decimal_comma) for name in names]
    clocks = [column for column in columns if column.is_time]
    for column in clocks[1:]:
        column.left_out = True
    return columns
