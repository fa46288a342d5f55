from __future__ import annotations

import io

import pytest

from olfactory_transformer.bulk.contract import Chunk, Column, Table
from olfactory_transformer.bulk.formats import smi


def read(content: bytes) -> tuple[list[str], list[tuple], list[str]]:
    table = smi.read(io.BytesIO(content), "smiles", 10)
    chunks = list(table.chunks)
    rows = [row for chunk in chunks for row in zip(*chunk.values, strict=True)]
    return (
        [column.name for column in table.columns],
        rows,
        [error for chunk in chunks for error in chunk.errors],
    )


def test_titles() -> None:
    names, rows, errors = read(b"CCO\tethyl alcohol\r\nCC  two  words \nC\n\nCCC x\n\n")
    assert names == ["smiles", "title"]
    assert rows == [("CCO", "ethyl alcohol"), ("CC", "two  words "), ("C", None), (None, None), ("CCC", "x")]
    assert not any(errors)


def test_a_broken_byte_costs_one_row() -> None:
    _, rows, errors = read(b"C caf\xe9\nCC fine\n")
    assert len(rows) == 2 and errors[0].startswith("invalid UTF-8") and errors[1] == ""


@pytest.mark.parametrize("header", [b"smiles name\n", b"SMILES\n"])
def test_a_header_line_is_no_molecule(header: bytes) -> None:
    assert read(header + b"CCO x\n")[1] == [("CCO", "x")]


def test_a_header_with_tabs_names_columns() -> None:
    assert read(b"SMILES\tName\tp\nCCO\tx y\t0.5\n") == (
        ["SMILES", "Name", "p"],
        [("CCO", "x y", "0.5")],
        [""],
    )


def test_the_smiles_are_written_first() -> None:
    sink = io.BytesIO()
    columns = (Column("id"), Column("structure", role="smiles"))
    smi.write(sink, Table(columns, iter([Chunk((["1"], ["CCO"]), [""])])))
    assert sink.getvalue() == b"smiles\tid\nCCO\t1\n"


def test_an_empty_file_has_no_rows() -> None:
    assert read(b"")[1] == []
