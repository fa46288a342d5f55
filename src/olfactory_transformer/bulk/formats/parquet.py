"""Parquet, by arro3 (the Rust implementation of Arrow; pyarrow would be half of the base install).

Columns that came from Parquet go back as they came, with their exact types and without passing through
Python.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, overload

from arro3.core import Array, DataType, Field, RecordBatch, Schema
from arro3.io import read_parquet

from olfactory_transformer.bulk.contract import (
    ABSENT,
    Chunk,
    Column,
    Kind,
    Sink,
    Table,
    find_column,
    unique_names,
)
from olfactory_transformer.bulk.formats.text import as_text
from olfactory_transformer.core.parquet import check_frame, guarded, write_batches

# Rows that the writer holds in memory until it writes them; with 150 columns of numbers, about 20 MB.
_ROW_GROUP = 1 << 14
_TYPES = {
    "text": DataType.utf8(),
    "any": DataType.utf8(),
    "integer": DataType.int64(),
    "number": DataType.float64(),
    "boolean": DataType.bool(),
}


class ArrowValues(Sequence[object]):
    """The values of an Arrow array; Python objects are made only when one is asked for.

    >>> ArrowValues(Array(["CCO", None], type=DataType.utf8()))[0]
    'CCO'
    """

    def __init__(self, array: Array) -> None:
        self.array = array
        self._values: list[object] | None = None

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, index: int) -> object: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[object]: ...

    def __getitem__(self, index: int | slice) -> object:
        if self._values is None:
            array = self.array
            # Python has no nanoseconds; Arrow's own text has.
            if DataType.is_temporal(array.type):
                array = array.cast(DataType.utf8())
            self._values = list(array.to_pylist())
        return self._values[index]


def read(file: BinaryIO, smiles_column: str, rows: int) -> Table:
    """Read record batches; see `contract.Reader`."""
    check_frame(file)
    batches = guarded(lambda: read_parquet(file, batch_size=rows))
    fields = [batches.schema.field(i) for i in range(len(batches.schema.names))]
    smiles = find_column([field.name for field in fields], smiles_column)
    columns = tuple(
        Column(field.name, _kind(field.type), "smiles" if i == smiles else "", field)
        for i, field in enumerate(fields)
    )

    def chunks() -> Iterator[Chunk]:
        iterator = iter(batches)
        while (batch := guarded(lambda: next(iterator, None))) is not None:
            values = tuple(ArrowValues(batch.column(i)) for i in range(batch.num_columns))
            yield Chunk(values, [""] * batch.num_rows)

    return Table(columns, chunks())


def _kind(of: DataType) -> Kind:
    if DataType.is_boolean(of):
        return "boolean"
    if DataType.is_integer(of):
        return "integer"
    return "number" if DataType.is_floating(of) else "any"


def write(file: Sink, table: Table) -> None:
    """Write row groups of some thousand rows, compressed with zstd; see `contract.Writer`."""
    names = unique_names(_text(column.name) for column in table.columns)
    fields = [_field(column, name) for column, name in zip(table.columns, names, strict=True)]
    schema = Schema(fields)

    def batches() -> Iterator[RecordBatch]:
        for chunk in table.chunks:
            arrays = [_array(values, field) for values, field in zip(chunk.values, fields, strict=True)]
            yield RecordBatch.from_arrays(arrays, schema=schema)

    write_batches(file, schema, batches(), _ROW_GROUP)


def _field(column: Column, name: str) -> Field:
    if isinstance(column.field, Field):
        return column.field.with_name(name)
    return Field(name, _TYPES[column.kind], nullable=True)


def _array(values: Sequence[object], field: Field) -> Array:
    if isinstance(values, ArrowValues):
        return values.array
    if field.type == DataType.utf8():
        return Array([None if (text := as_text(v)) is None else _text(text) for v in values], type=field)
    return Array([None if value is ABSENT else value for value in values], type=field)


def _text(text: str) -> str:
    r"""Parquet has nothing but valid UTF-8: a broken byte is written as \xNN."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
