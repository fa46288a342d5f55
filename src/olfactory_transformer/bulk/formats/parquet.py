"""Parquet, by arro3 (the Rust implementation of Arrow; pyarrow would be half of the base install).

Columns that came from Parquet go back as they came, with their exact types and without passing through
Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import IO, BinaryIO, TypeVar, cast, overload

from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import read_parquet, write_parquet

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
from olfactory_transformer.core.errors import FileFormatError

Found = TypeVar("Found")
_MAGIC = b"PAR1"
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
    _check_frame(file)
    batches = _guarded(lambda: read_parquet(file, batch_size=rows))
    fields = [batches.schema.field(i) for i in range(len(batches.schema.names))]
    smiles = find_column([field.name for field in fields], smiles_column)
    columns = tuple(
        Column(field.name, _kind(field.type), "smiles" if i == smiles else "", field)
        for i, field in enumerate(fields)
    )

    def chunks() -> Iterator[Chunk]:
        iterator = iter(batches)
        while (batch := _guarded(lambda: next(iterator, None))) is not None:
            values = tuple(ArrowValues(batch.column(i)) for i in range(batch.num_columns))
            yield Chunk(values, [""] * batch.num_rows)

    return Table(columns, chunks())


def _check_frame(file: BinaryIO) -> None:
    """Refuse what is not Parquet before the Rust code, which panics over it with a page on stderr."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(4)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    file.seek(0)
    if size < 12 or head != _MAGIC or tail[4:] != _MAGIC or int.from_bytes(tail[:4], "little") > size - 12:
        raise FileFormatError(
            "not a whole Parquet file; expected 'PAR1' at both ends and a footer between them"
        )


def _guarded(step: Callable[[], Found]) -> Found:
    """Run a step of the Rust code; its errors, panics too (a BaseException), as FileFormatError."""
    try:
        return step()
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        raise FileFormatError(f"not readable as Parquet ({str(error)[:300]})") from None


def _kind(of: DataType) -> Kind:
    if DataType.is_boolean(of):
        return "boolean"
    if DataType.is_integer(of):
        return "integer"
    return "number" if DataType.is_floating(of) else "any"


class _Quiet:
    """A sink that keeps its first OSError and goes on, because the Rust code panics over one."""

    def __init__(self, file: Sink) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Left to the owner of the file."""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)


def write(file: Sink, table: Table) -> None:
    """Write row groups of some thousand rows, compressed with zstd; see `contract.Writer`."""
    names = unique_names(_text(column.name) for column in table.columns)
    fields = [_field(column, name) for column, name in zip(table.columns, names, strict=True)]
    schema = Schema(fields)
    sink = _Quiet(file)
    failure: list[BaseException] = []

    def batches() -> Iterator[RecordBatch]:
        try:
            for chunk in table.chunks:
                if sink.error is not None:
                    raise sink.error
                arrays = [_array(values, field) for values, field in zip(chunk.values, fields, strict=True)]
                yield RecordBatch.from_arrays(arrays, schema=schema)
        except BaseException as error:  # Arrow's stream interface carries only its text
            failure.append(error)
            raise

    try:
        reader = RecordBatchReader.from_batches(schema, batches())
        out = cast(IO[bytes], sink)  # of which it uses write alone
        write_parquet(reader, out, compression="zstd(3)", max_row_group_size=_ROW_GROUP)
    except BaseException:
        if failure:
            raise failure[0] from None
        raise
    if sink.error is not None:
        raise sink.error


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
