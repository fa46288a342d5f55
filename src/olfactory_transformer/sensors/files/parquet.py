"""Recordings in Parquet, by arro3 as all Parquet of this package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, Schema
from arro3.io import read_parquet
from numpy.typing import NDArray

from olfactory_transformer.core.errors import FileFormatError, RecordingError, shown
from olfactory_transformer.core.parquet import check_frame, guarded, write_batches
from olfactory_transformer.sensors.files.columns import Column, columns_of
from olfactory_transformer.sensors.files.limits import Limits
from olfactory_transformer.sensors.files.tables import check_header, recordings_of
from olfactory_transformer.sensors.recording import Recording

NOTES = b"olfactory"  # the key of the file's metadata whose value is what a CSV has beside it, as JSON
_ROW_GROUP = 1 << 16
# What Arrow makes text of by itself; of a moment that is ISO 8601 with as many digits as there are.
_TEXTS = (DataType.is_temporal, DataType.is_string, DataType.is_large_string, DataType.is_dictionary)


def read(file: BinaryIO, limits: Limits) -> tuple[Iterator[Recording | RecordingError], bytes]:
    """Read a file; see `delimited.read`.

    Returns
    -------
    iterator of Recording or RecordingError
    bytes
        The notes in its metadata, as JSON; empty if there are none.
    """
    try:
        return _read(file, limits)
    except FileFormatError as error:
        got, _, expected = str(error).partition("; expected ")
        raise RecordingError(got, expected or "a Parquet file") from None


def _read(file: BinaryIO, limits: Limits) -> tuple[Iterator[Recording | RecordingError], bytes]:
    limits.check_size(check_frame(file))
    batches = guarded(lambda: read_parquet(file, batch_size=_ROW_GROUP))
    names = list(batches.schema.names)
    check_header(names, limits)
    columns = columns_of(names)
    rows = 0
    while (batch := guarded(lambda: next(batches, None))) is not None:
        for place, column in enumerate(columns):
            _take(column, batch.column(place), rows)
        rows += batch.num_rows
        limits.check_rows(rows)
    return recordings_of(columns, rows), (batches.schema.metadata or {}).get(NOTES, b"")


def write(
    file: BinaryIO,
    names: Sequence[str],
    dated: bool,
    blocks: Iterable[tuple[NDArray[np.float64], NDArray[np.int64] | None, NDArray[np.float32]]],
    notes: bytes,
) -> None:
    """Write a recording.

    Parameters
    ----------
    file : binary file
    names : sequence of str
        Of the channels.
    dated : bool
        Whether there is a column with each frame's moment.
    blocks : iterable of (array (n,), array (n,) or None, array (n, channels))
        Seconds from the start; milliseconds since 1970; values.
    notes : bytes
        JSON.

    Raises
    ------
    OSError
        As the file raises it.
    """
    moment = DataType.timestamp("ms", tz="UTC")
    fields = [Field("t", DataType.float64(), nullable=False)]
    if dated:
        fields.append(Field("time", moment, nullable=True))
    fields += [Field(name, DataType.float32(), nullable=True) for name in names]
    schema = Schema(fields, metadata={NOTES: notes})

    def batches() -> Iterator[RecordBatch]:
        for times, moments, values in blocks:
            arrays = [Array(times.tolist(), type=DataType.float64())]
            if moments is not None:
                arrays.append(Array(moments.tolist(), type=DataType.int64()).cast(moment))
            for column in values.T.tolist():
                kept = [None if value != value else value for value in column]
                arrays.append(Array(kept, type=DataType.float32()))
            yield RecordBatch.from_arrays(arrays, schema=schema)

    write_batches(file, schema, batches(), _ROW_GROUP)


def _take(column: Column, array: Array, row: int) -> None:
    kind = array.type
    if DataType.is_integer(kind) or DataType.is_floating(kind) or DataType.is_null(kind):
        values = array.to_pylist()
        if column.is_time:
            column.add(["" if value is None else repr(value) for value in values], row)
        elif not column.is_words:
            column.add_numbers(np.array([np.nan if value is None else value for value in values], np.float64))
        else:
            column.add(["" if value is None else str(value) for value in values], row)
    elif DataType.is_decimal(kind):
        _take(column, array.cast(DataType.float64()), row)
    elif any(each(kind) for each in _TEXTS):
        texts: list[Any] = guarded(lambda: array.cast(DataType.utf8())).to_pylist()
        column.add(["" if text is None else text for text in texts], row)
    else:
        raise RecordingError(f"the column {shown(column.name)} of {_named(kind)}", "numbers, moments or text")


def _named(kind: DataType) -> str:
    text = str(kind)
    return text[text.find("<") + 1 :].rstrip(">\n")[:40]
