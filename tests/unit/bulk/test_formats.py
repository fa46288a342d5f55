"""The contract of `bulk.contract`, held against every format."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest

from olfactory_transformer.bulk.contract import ABSENT, Chunk, Column, Format, Table, in_chunks, transposed
from olfactory_transformer.bulk.registry import FORMATS
from olfactory_transformer.core.errors import FileFormatError

COLUMNS = (
    Column("smiles", role="smiles"),
    Column("id"),
    Column("note"),
    Column("canonical_smiles", role="canonical"),
)
ROWS: list[tuple[object, ...]] = [
    ("CCO", "007", "plain", "CCO"),
    ("C/C=C\\C", "1e5", 'with "quotes", commas\tand tabs', "C/C=C\\C"),
    ("c1ccccc1", "True", "two\nlines", "c1ccccc1"),
    ("CC(=O)O", "0x10", "naïve 香り 🌹", "CC(=O)O"),
    ("CCN", "-0.0", None, "CCN"),
    ("CCC", " spaced ", "a,b;c", "CCC"),
]


def written(form: Format, columns: Iterable[Column], rows: list[tuple[object, ...]], size: int = 4) -> bytes:
    columns = tuple(columns)
    chunks = (Chunk(transposed(part, len(columns)), [""] * len(part)) for part in in_chunks(rows, size))
    sink = io.BytesIO()
    form.write(sink, Table(columns, chunks))
    return sink.getvalue()


def read(form: Format, content: bytes, size: int = 4) -> tuple[tuple[Column, ...], list[tuple], list[str]]:
    table = form.read(io.BytesIO(content), "smiles", size)
    rows: list[tuple] = []
    errors: list[str] = []
    for chunk in table.chunks:
        assert len(chunk) <= size
        assert {len(values) for values in chunk.values} == {len(chunk)}
        rows += zip(*chunk.values, strict=True)
        errors += chunk.errors
    return table.columns, rows, errors


def by_name(columns: tuple[Column, ...], rows: list[tuple], name: str) -> list[object]:
    index = [column.name for column in columns].index(name)
    return [None if row[index] is ABSENT else row[index] for row in rows]


@pytest.fixture(params=FORMATS.values(), ids=FORMATS.keys())
def form(request: pytest.FixtureRequest) -> Format:
    return request.param


def test_text_comes_back_as_it_was_in_order(form: Format) -> None:
    columns, rows, errors = read(form, written(form, COLUMNS, ROWS))
    assert errors == [""] * len(ROWS)
    for index, name in enumerate(["smiles", "id", "note", "canonical_smiles"]):
        assert by_name(columns, rows, name) == [row[index] for row in ROWS]


def test_one_column_has_the_smiles(form: Format) -> None:
    columns, rows, _ = read(form, written(form, COLUMNS, ROWS))
    smiles = [column.name for column in columns if column.role == "smiles"]
    assert len(smiles) == 1
    # An SDF gives RDKit's spelling of the structure, the others the text.
    expected = ["CCO", "C/C=C\\C", "c1ccccc1", "CC(=O)O", "CCN", "CCC"]
    assert by_name(columns, rows, smiles[0]) == expected


def test_numbers_truths_and_missing_values(form: Format) -> None:
    columns = (*COLUMNS, Column("mass", "number"), Column("count", "integer"), Column("known", "boolean"))
    rows = [(*ROWS[0], 46.07, 3, True), (*ROWS[1], None, None, None), (*ROWS[2], 1e-7, 2**53 + 1, False)]
    found, back, _ = read(form, written(form, columns, rows))
    as_typed = form.name in ("parquet", "jsonl")
    assert by_name(found, back, "mass") == ([46.07, None, 1e-7] if as_typed else ["46.07", None, "1e-07"])
    assert by_name(found, back, "count") == (
        [3, None, 2**53 + 1] if as_typed else ["3", None, "9007199254740993"]
    )
    assert by_name(found, back, "known") == ([True, None, False] if as_typed else ["true", None, "false"])


def test_empty_text_is_not_a_missing_value(form: Format) -> None:
    columns, rows, errors = read(
        form, written(form, COLUMNS, [("CCO", "", None, "CCO"), ("CC", None, "", "CC")])
    )
    assert by_name(columns, rows, "id") == ["", None]
    assert by_name(columns, rows, "note") == [None, ""]
    assert errors == ["", ""]


def test_columns_without_rows(form: Format) -> None:
    columns, rows, errors = read(form, written(form, COLUMNS, []))
    assert rows == errors == []
    if form.name in ("csv", "tsv", "smi", "parquet"):  # the others have no place for columns without rows
        assert [column.name for column in columns] == [column.name for column in COLUMNS]


def test_many_chunks(form: Format) -> None:
    rows = [("C" * (i % 20 + 1), str(i), None, "C" * (i % 20 + 1)) for i in range(53)]
    columns, back, errors = read(form, written(form, COLUMNS, rows, size=7), size=10)
    assert by_name(columns, back, "id") == [str(i) for i in range(53)]
    assert len(errors) == 53


def test_a_broken_byte_stays_in_the_text(form: Format) -> None:
    broken = b"caf\xe9".decode("utf-8", "surrogateescape")
    content = written(form, COLUMNS, [("CCO", broken, None, "CCO"), *ROWS])
    columns, rows, errors = read(form, content)
    assert by_name(columns, rows, "id")[0] in (broken, "caf\\xe9", "caf\\udce9")
    assert errors[1:] == [""] * len(ROWS)


def test_repeated_names_lose_no_value(form: Format) -> None:
    columns = (*COLUMNS, Column("same"), Column("same"), Column(""))
    found, rows, _ = read(form, written(form, columns, [(*ROWS[0], "a", "b", "c")]))
    assert [value for value in rows[0] if value in ("a", "b", "c")] == ["a", "b", "c"]
    assert len(found) >= 7


@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(200), b"\x00" * 64], ids=["a zip", "zeros"])
def test_a_file_of_another_kind_gives_no_prediction(form: Format, content: bytes) -> None:
    try:
        _, _, errors = read(form, content)
    except FileFormatError:
        return
    # .smi, .sdf and .jsonl have no header to miss: then their rows are the errors.
    assert form.name in ("smi", "sdf", "jsonl")
    assert all(errors) or form.name == "smi"
