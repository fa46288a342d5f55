"""What passes between a reader, the scorer and a writer, and what each of them promises.

A file is a `Table`: named columns and an iterator of chunks of rows, so that a file of any size needs the
memory of one chunk. A reader never stops at a row: what it cannot read becomes a row with an error, and
whatever of it fits no column is quoted in full in that error. Only a file that as a whole is not of its
format is an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import BinaryIO, Literal, Protocol, TypeVar

from olfactory_transformer.core.errors import FileFormatError

Kind = Literal["text", "integer", "number", "boolean", "any"]
Role = Literal["", "smiles", "title", "canonical"]
Row = TypeVar("Row")


class Absence(Enum):
    """A row without a value of a column, where the format tells that from a null (JSON Lines, SDF)."""

    ABSENT = "absent"


ABSENT = Absence.ABSENT


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file.

    Parameters
    ----------
    name : str
        As the file has it; not necessarily unique.
    kind : str
        What its values are: str, int, float, bool, or anything ("any"). Each may be None.
    role : str
        "smiles": what is predicted. "title": the name of the molecule. "canonical": what was predicted.
    field : object or None
        An Arrow field, when the column came from Parquet: its exact type.
    """

    name: str
    kind: Kind = "text"
    role: Role = ""
    field: object = None


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """R consecutive rows.

    Parameters
    ----------
    values : tuple of sequences
        One a column, each of R values; None is missing, `ABSENT` is missing without even a null.
    errors : sequence of str, R of them
        Why a row could not be read; "" where it could.
    blocks : sequence of str, R or none of them
        The molecules as mol blocks, when the file was an SDF.
    """

    values: tuple[Sequence[object], ...]
    errors: Sequence[str]
    blocks: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.errors)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns, and their rows chunk by chunk (once)."""

    columns: tuple[Column, ...]
    chunks: Iterator[Chunk]


class Sink(Protocol):
    """What a writer may do with its file."""

    def write(self, data: bytes, /) -> int:
        """Write all of `data`."""

    def flush(self) -> None:
        """Hand everything on."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Only asked for, never used, by Parquet."""


class Reader(Protocol):
    """Reads a file into a table."""

    def __call__(self, file: BinaryIO, smiles_column: str, rows: int) -> Table:
        """Return the table of `file`, in chunks of at most `rows` rows.

        Raises
        ------
        FileFormatError
            The file as a whole is not of this format, or has no column `smiles_column`. Also while iterating.
        """


class Writer(Protocol):
    """Writes a table to a file."""

    def __call__(self, file: Sink, table: Table) -> None:
        """Pull every chunk of `table` and write it. OSError when the file takes no more."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of molecule files.

    Parameters
    ----------
    name : str
        What `--format` calls it.
    extensions : tuple of str
        With the dot, lower case.
    read, write : Reader, Writer
    twice : bool
        The reader goes through the file twice (first for its columns) or jumps in it: no pipe.
    text : bool
        It is UTF-8 text, that may be compressed as `.gz`.
    """

    name: str
    extensions: tuple[str, ...]
    read: Reader
    write: Writer
    twice: bool = False
    text: bool = True


def in_chunks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Group rows.

    >>> list(in_chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


def transposed(rows: Sequence[Sequence[object]], width: int) -> tuple[Sequence[object], ...]:
    """Turn rows into columns; `width` columns even without rows.

    >>> transposed([(1, 2), (3, 4)], 2), transposed([], 2)
    (((1, 3), (2, 4)), ((), ()))
    """
    return tuple(zip(*rows, strict=True)) if rows else ((),) * width


def find_column(names: Sequence[str], wanted: str) -> int:
    """Return where the column of the SMILES is.

    >>> find_column(["id", "smiles"], "smiles")
    1
    >>> find_column(["id", "SMILES"], "smiles")
    Traceback (most recent call last):
    ...
    olfactory_transformer.core.errors.FileFormatError: no column 'smiles'; found: 'id', 'SMILES'
    """
    if (count := names.count(wanted)) == 1:
        return names.index(wanted)
    if count:
        raise FileFormatError(f"{count} columns are named {wanted!r}; expected one with the SMILES")
    raise FileFormatError(f"no column {wanted!r}; found: {', '.join(map(repr, names)) or 'none'}")


def unique_names(names: Iterable[str]) -> list[str]:
    """Number repeated names, for formats in which names are keys; a column without a name gets one.

    >>> unique_names(["a", "b", "a", "", "a_2"])
    ['a', 'b', 'a_2', 'column_4', 'a_2_2']
    """
    found: list[str] = []
    taken: set[str] = set()
    for position, name in enumerate(names, 1):
        base = unique = name or f"column_{position}"
        number = 1
        while unique in taken:
            number += 1
            unique = f"{base}_{number}"
        taken.add(unique)
        found.append(unique)
    return found
