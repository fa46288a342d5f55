"""JSON Lines: an object a line. Keys may differ from row to row, so that the file is read twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO, Literal

from olfactory_transformer.bulk.contract import (
    ABSENT,
    Chunk,
    Column,
    Kind,
    Sink,
    Table,
    find_column,
    in_chunks,
    transposed,
    unique_names,
)
from olfactory_transformer.bulk.formats.text import open_lines, plain, quoted, utf8_error, without_last_blanks

_Seen = Kind | Literal["long"]  # long: an integer that no float is
_EXACT = 2**53  # integers above are not all floats
_LARGEST = 2**63 - 1


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} occurs twice")
    return found


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _parse(line: str) -> tuple[dict[str, object], str]:
    """Return the object of a line, and why there is none.

    >>> _parse('{"smiles": "CCO"}')
    ({'smiles': 'CCO'}, '')
    >>> _parse('[1]')
    ({}, 'a JSON list; expected an object; the line: "[1]"')
    """
    line = line.strip("\r\n")
    error = utf8_error(line)
    if not error:
        try:
            value = json.loads(line, object_pairs_hook=_object, parse_constant=_constant)
        except (ValueError, RecursionError) as failure:
            error = f"invalid JSON ({failure})" if line else "a blank line; expected a JSON object"
        else:
            if isinstance(value, dict):
                return value, ""
            error = f"a JSON {type(value).__name__}; expected an object"
    return {}, f"{error}; the line: {quoted(line)}" if line else error


def _kind_of(value: object) -> _Seen:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if abs(value) <= _EXACT else "long" if abs(value) <= _LARGEST else "any"
    return "number" if isinstance(value, float) else "any"


def _widened(known: _Seen | None, kind: _Seen) -> _Seen:
    """Return the kind that has the values of both."""
    if known is None or known == kind:
        return kind
    both = {known, kind}
    return "number" if both == {"integer", "number"} else "long" if both == {"integer", "long"} else "any"


def _columns(lines: Iterator[str], smiles_column: str) -> tuple[Column, ...]:
    kinds: dict[str, _Seen | None] = {}
    for line in lines:
        for name, value in _parse(line)[0].items():
            known = kinds.setdefault(name, None)
            if value is not None:
                kinds[name] = _widened(known, _kind_of(value))
    if not kinds:  # no row that can be read; nothing is missing yet
        kinds[smiles_column] = "text"
    names = list(kinds)
    smiles = find_column(names, smiles_column)
    found: list[Kind] = ["integer" if (kind := kinds[name]) == "long" else kind or "text" for name in names]
    return tuple(Column(n, found[i], "smiles" if i == smiles else "") for i, n in enumerate(names))


def read(file: BinaryIO, smiles_column: str, rows: int) -> Table:
    """Read one object a line; see `contract.Reader`."""
    lines = open_lines(file)
    columns = _columns(lines, smiles_column)
    lines.seek(0)

    def chunks() -> Iterator[Chunk]:
        for group in in_chunks(without_last_blanks(lines), rows):
            found = [_parse(line) for line in group]
            values = [[row.get(column.name, ABSENT) for column in columns] for row, _ in found]
            yield Chunk(transposed(values, len(columns)), [error for _, error in found])

    return Table(columns, chunks())


def write(file: Sink, table: Table) -> None:
    """Write one object a line; see `contract.Writer`."""
    names = unique_names(column.name for column in table.columns)
    for chunk in table.chunks:
        for values in zip(*chunk.values, strict=True):
            row = {name: plain(v) for name, v in zip(names, values, strict=True) if v is not ABSENT}
            file.write(_line(row))


def _line(row: dict[str, object]) -> bytes:
    try:
        return (json.dumps(row, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return (json.dumps(row) + "\n").encode()
