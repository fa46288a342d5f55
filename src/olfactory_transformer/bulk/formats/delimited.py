"""CSV and TSV with a header line; every value keeps its text.

Python's csv module is asked to be strict: by itself it takes a quote that is never closed as the beginning of
a field with all the rest of the file in it. Here such a line is one bad row, and reading goes on at the next
line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO

from olfactory_transformer.bulk.contract import Chunk, Column, Sink, Table, find_column, in_chunks, transposed
from olfactory_transformer.bulk.formats.text import as_text, open_lines, quoted, to_bytes, utf8_error
from olfactory_transformer.core.errors import FileFormatError

_LONGEST_RECORD = 1 << 24  # characters over which a quote may stay open
Record = tuple[list[str | None], str]  # fields, and why they are not to be trusted ("" if they are)


class _Tape:
    """Lines for a csv reader, that remembers those of the present record and can wind back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: list[str] = []  # reversed
        self.taken: list[str] = []
        self._characters = 0

    def __iter__(self) -> _Tape:
        return self

    def __next__(self) -> str:
        if self._characters > _LONGEST_RECORD:
            raise csv.Error(f"quote open for more than {_LONGEST_RECORD} characters")
        line = self._again.pop() if self._again else next(self._lines)
        self.taken.append(line)
        self._characters += len(line)
        return line

    def start(self) -> None:
        """Begin a record."""
        self.taken.clear()
        self._characters = 0

    def keep_first(self) -> str:
        """Return the first line of the record; the others will be read again."""
        first, *others = self.taken
        self._again.extend(reversed(others))
        return first


def _records(lines: Iterator[str], delimiter: str) -> Iterator[Record]:
    csv.field_size_limit(2**31 - 1)
    tape = _Tape(lines)
    reader = csv.reader(tape, delimiter=delimiter, strict=True)
    blank_or_not = re.compile(f'(?:^|{delimiter})("(?:[^"]|"")*+"|[^{delimiter}]*+)')
    while True:
        tape.start()
        try:
            fields: list[str | None] = list(next(reader))
        except StopIteration:
            return
        except csv.Error as error:
            line = tape.keep_first().rstrip("\r\n")
            yield list(line.split(delimiter)), f"broken quotes ({error}); the line is kept as it stands"
            continue
        raw = "".join(tape.taken)
        if "" in fields:
            # "" is an empty text, nothing at all is a missing value; the csv module makes no difference.
            written = blank_or_not.findall(raw.rstrip("\r\n")) if '""' in raw else [""] * len(fields)
            fields = [
                value or (None if mark == "" else "") for value, mark in zip(fields, written, strict=True)
            ]
        yield fields, utf8_error(raw)


def _row(record: Record, width: int) -> Record:
    """Make a record as wide as the header."""
    fields, error = record
    if not error and len(fields) != width:
        error = f"{len(fields)} fields; expected {width}, as in the header" if fields else "a blank line"
    if len(fields) > width:
        error += f"; the fields beyond: {quoted([as_text(f) or '' for f in fields[width:]])}"
    return fields[:width] + [None] * (width - len(fields)), error


def _without_last_blanks(records: Iterator[Record]) -> Iterator[Record]:
    blanks: list[Record] = []
    for record in records:
        if not record[0]:
            blanks.append(record)
            continue
        yield from blanks
        blanks.clear()
        yield record


def read(file: BinaryIO, smiles_column: str, rows: int, *, delimiter: str = ",") -> Table:
    """Read a delimited file; see `contract.Reader`."""
    return read_lines(open_lines(file), smiles_column, rows, delimiter=delimiter)


def read_lines(lines: Iterator[str], smiles_column: str | None, rows: int, *, delimiter: str) -> Table:
    """Read delimited lines; `smiles_column` None is the first column."""
    records = _without_last_blanks(_records(lines, delimiter))
    fields, error = next(records, ([], ""))
    if not fields:
        raise FileFormatError("empty; expected a header line with the names of the columns")
    if error:
        raise FileFormatError(f"the header line: {error}")
    names = [name or "" for name in fields]
    try:
        smiles = 0 if smiles_column is None else find_column(names, smiles_column)
    except FileFormatError as failure:
        other = next((sign for sign in ";\t,|" if sign != delimiter and sign in names[0]), "")
        hint = f" (is {other!r} the separator? expected {delimiter!r})" if len(names) == 1 and other else ""
        raise FileFormatError(f"{failure}{hint}") from None
    columns = tuple(Column(name, role="smiles" if i == smiles else "") for i, name in enumerate(names))

    def chunks() -> Iterator[Chunk]:
        for group in in_chunks((_row(record, len(names)) for record in records), rows):
            yield Chunk(transposed([f for f, _ in group], len(names)), [e for _, e in group])

    return Table(columns, chunks())


def write(file: Sink, table: Table, *, delimiter: str = ",") -> None:
    """Write a delimited file, lines ending in a line feed; see `contract.Writer`."""
    cell = partial(_cell, special=re.compile(f'[{delimiter}"\r\n]'))

    def line(values: Sequence[object]) -> str:
        return delimiter.join(map(cell, values)) + "\n"

    file.write(to_bytes(line([column.name or None for column in table.columns])))
    for chunk in table.chunks:
        file.write(to_bytes("".join(map(line, zip(*chunk.values, strict=True)))))


def _cell(value: object, special: re.Pattern[str]) -> str:
    text = as_text(value)
    if text is None:
        return ""
    if text and not special.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


read_csv, write_csv = partial(read, delimiter=","), partial(write, delimiter=",")
read_tsv, write_tsv = partial(read, delimiter="\t"), partial(write, delimiter="\t")
