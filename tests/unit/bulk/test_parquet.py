"""Against pyarrow, the reference implementation."""

from __future__ import annotations

import datetime
import decimal
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from olfactory_transformer.bulk.contract import Chunk, Column, Table
from olfactory_transformer.bulk.formats import delimited, parquet
from olfactory_transformer.core.errors import FileFormatError

TABLE = pa.table(
    {
        "smiles": pa.array(["CCO", None, "CC"], pa.large_string()),
        "id": pa.array([7, None, 2**62], pa.int64()),
        "tiny": pa.array([1, 2, None], pa.uint8()),
        "mass": pa.array([46.07, float("nan"), None], pa.float32()),
        "price": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("-2.00")], pa.decimal128(10, 2)),
        "when": pa.array([1_600_000_000_123_456_789, None, 0], pa.timestamp("ns", tz="UTC")),
        "day": pa.array([datetime.date(2026, 11, 23), None, None]),
        "kind": pa.array(["ester", "ester", None]).dictionary_encode(),
        "tags": pa.array([["a", "b"], None, []]),
        "pair": pa.array([{"x": 1, "y": "z"}, None, {"x": None, "y": ""}]),
        "raw": pa.array([b"\xff\x00", None, b""]),
        "nothing": pa.nulls(3),
    }
)


@pytest.fixture
def content() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, row_group_size=2)
    return sink.getvalue()


def test_a_file_of_pyarrow_goes_through_with_its_types(content: bytes) -> None:
    table = parquet.read(io.BytesIO(content), "smiles", 2)
    sink = io.BytesIO()
    parquet.write(sink, table)
    back = pq.read_table(io.BytesIO(sink.getvalue()))
    assert back.schema.remove_metadata().equals(TABLE.schema)
    assert back.to_pydict()["price"] == TABLE.to_pydict()["price"]
    without_nan = TABLE.drop_columns(["mass"])
    assert back.drop_columns(["mass"]).equals(without_nan)


def test_values_for_other_formats(content: bytes) -> None:
    sink = io.BytesIO()
    delimited.write(sink, parquet.read(io.BytesIO(content), "smiles", 10))
    first = sink.getvalue().decode().splitlines()[1]
    expected = (
        'CCO,7,1,46.06999969482422,1.10,2020-09-13T12:26:40.123456789Z,2026-11-23,ester,"[""a"", ""b""]",'
    )
    assert first.startswith(expected)


def test_our_file_is_read_by_pyarrow() -> None:
    columns = (
        Column("smiles", role="smiles"),
        Column("p", "number"),
        Column("n", "integer"),
        Column("k", "boolean"),
    )
    chunks = [
        Chunk((["CCO", None], [0.5, None], [1, None], [True, None]), ["", ""]),
        Chunk((["\udcff"], [1.0], [2], [False]), [""]),
    ]
    sink = io.BytesIO()
    parquet.write(sink, Table(columns, iter(chunks)))
    back = pq.read_table(io.BytesIO(sink.getvalue()))
    assert back.schema.types == [pa.string(), pa.float64(), pa.int64(), pa.bool_()]
    assert back.to_pydict() == {
        "smiles": ["CCO", None, "\\udcff"],
        "p": [0.5, None, 1.0],
        "n": [1, None, 2],
        "k": [True, None, False],
    }


def test_row_groups_stay_small() -> None:
    rows = parquet._ROW_GROUP + 10
    sink = io.BytesIO()
    parquet.write(sink, Table((Column("a"),), iter([Chunk((["x"] * rows,), [""] * rows)])))
    assert pq.ParquetFile(io.BytesIO(sink.getvalue())).metadata.num_row_groups == 2


@pytest.mark.parametrize("cut", [0, 5, 11, 100, -1])
def test_a_truncated_file_is_an_error(content: bytes, cut: int, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileFormatError, match="Parquet"):
        parquet.read(io.BytesIO(content[:cut]), "smiles", 10)
    assert "panicked" not in capfd.readouterr().err


def test_altered_pages_are_an_error(content: bytes) -> None:
    altered = bytearray(content)
    altered[4:200] = bytes(196)
    with pytest.raises(FileFormatError, match="not readable as Parquet"):
        for _ in parquet.read(io.BytesIO(bytes(altered)), "smiles", 10).chunks:
            pass


def test_a_failure_of_the_rows_comes_out_as_it_was() -> None:
    def chunks():
        yield Chunk((["a"],), [""])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parquet.write(io.BytesIO(), Table((Column("a"),), chunks()))


def test_a_failure_of_the_file_comes_out_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        parquet.write(full, Table((Column("a"),), iter([Chunk((["a"],), [""])])))
    assert "panicked" not in capfd.readouterr().err
