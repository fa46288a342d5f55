from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olfactory_transformer.bulk.contract import Chunk, Column, Table, transposed
from olfactory_transformer.bulk.formats import delimited
from olfactory_transformer.core.errors import FileFormatError


def read(
    content: bytes, column: str = "smiles", delimiter: str = ","
) -> tuple[list[str], list[tuple], list[str]]:
    table = delimited.read(io.BytesIO(content), column, 100, delimiter=delimiter)
    chunks = list(table.chunks)
    rows = [row for chunk in chunks for row in zip(*chunk.values, strict=True)]
    return (
        [column.name for column in table.columns],
        rows,
        [error for chunk in chunks for error in chunk.errors],
    )


def test_byte_order_mark_and_crlf() -> None:
    assert read(b"\xef\xbb\xbfsmiles,id\r\nCCO,007\r\n") == (["smiles", "id"], [("CCO", "007")], [""])


def test_quotes_newlines_and_missing_values() -> None:
    _, rows, errors = read(b'smiles,a,b\n"CCO","say ""hi""\r\nthere",\n"C,C",,""\n')
    assert rows == [("CCO", 'say "hi"\r\nthere', None), ("C,C", None, "")]
    assert errors == ["", ""]


def test_too_few_and_too_many_fields_are_kept() -> None:
    _, rows, errors = read(b'smiles,a\nCCO\nCCO,x,y,"z,1"\nCC,fine\n')
    assert rows == [("CCO", None), ("CCO", "x"), ("CC", "fine")]
    assert errors[0] == "1 fields; expected 2, as in the header"
    assert errors[1] == '4 fields; expected 2, as in the header; the fields beyond: ["y", "z,1"]'
    assert errors[2] == ""


@pytest.mark.parametrize("line", [b'CCO,"open', b'"CCO"x,y'])
def test_a_broken_quote_costs_one_row(line: bytes) -> None:
    _, rows, errors = read(b"smiles,a\nC,1\n" + line + b'\nCC,"two, 2"\nCCC,3\n')
    assert [row[0] for row in rows] == ["C", line.split(b",")[0].decode(), "CC", "CCC"]
    assert [bool(error) for error in errors] == [False, True, False, False]
    assert ",".join(rows[1]).encode() == line


def test_invalid_utf8_costs_one_row_and_comes_out_as_it_went_in() -> None:
    content = b"smiles,a\nC,caf\xe9\nCC,fine\n"
    table = delimited.read(io.BytesIO(content), "smiles", 10)
    (chunk,) = table.chunks
    assert chunk.errors[0].startswith("invalid UTF-8: the byte 0xe9 at character 6")
    assert chunk.errors[1] == ""
    sink = io.BytesIO()
    delimited.write(sink, Table(table.columns, iter([chunk])))
    assert sink.getvalue() == content


def test_blank_lines_between_rows_are_rows_and_at_the_end_are_not() -> None:
    _, rows, errors = read(b"smiles,a\nC,1\n\nCC,2\n\n\r\n")
    assert rows == [("C", "1"), (None, None), ("CC", "2")]
    assert errors == ["", "a blank line", ""]


def test_a_very_long_field() -> None:
    text = "x" * 3_000_000  # the csv module alone refuses more than 131,072
    _, rows, errors = read(b"smiles,a\nC," + text.encode() + b"\n")
    assert rows == [("C", text)] and errors == [""]


def test_a_quote_may_not_swallow_a_huge_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_LONGEST_RECORD", 1000)
    lines = b"".join(b"CC,%d\n" % i for i in range(500))
    _, rows, errors = read(b'smiles,a\nC,"open\n' + lines)
    assert len(rows) == 501 and "open for more than 1000 characters" in errors[0]
    assert rows[-1] == ("CC", "499") and not any(errors[1:])


def test_header_only() -> None:
    assert read(b"smiles,a\n") == (["smiles", "a"], [], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty; expected a header line"),
        (b"\n\n", "empty; expected a header line"),
        (b"id,SMILES\n1,C\n", "no column 'smiles'; found: 'id', 'SMILES'"),
        (b"smiles,smiles\nC,C\n", "2 columns are named 'smiles'"),
        (b"smiles;id\nC;1\n", "is ';' the separator"),
        (b"smiles,caf\xe9\n", "the header line: invalid UTF-8"),
        (b'smiles,"a\n', "the header line: broken quotes"),
    ],
)
def test_what_no_row_can_mend_is_an_error(content: bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=message.replace("(", r"\(")):
        read(content)


def test_duplicate_names_stay_as_they_are() -> None:
    assert read(b"a,smiles,a\n1,C,2\n") == (["a", "smiles", "a"], [("1", "C", "2")], [""])


cells = st.none() | st.text(st.sampled_from('aé"\n\r\t, ;\x00'), max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(cells, cells, st.just("x")), max_size=8), st.sampled_from(",\t"))
def test_anything_written_is_read_back_and_agrees_with_the_csv_module(
    rows: list[tuple], delimiter: str
) -> None:
    columns = (Column("smiles"), Column("b"), Column("c"))
    sink = io.BytesIO()
    delimited.write(
        sink, Table(columns, iter([Chunk(transposed(rows, 3), [""] * len(rows))])), delimiter=delimiter
    )
    _, back, errors = read(sink.getvalue(), delimiter=delimiter)
    assert back == rows and not any(errors)
    text = io.StringIO(sink.getvalue().decode(), newline="")
    reference = list(csv.reader(text, delimiter=delimiter))[1:]
    assert reference == [[value or "" for value in row] for row in rows]


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('a",\n\r '), max_size=40))
def test_no_text_stops_the_reader_and_none_is_lost(text: str) -> None:
    _, rows, errors = read(b"smiles,b\n" + text.encode())
    fields = "".join(str(value) for row in rows for value in row if value)
    beyond = "".join(error.partition("the fields beyond: ")[2] for error in errors)
    assert (fields + beyond).count("a") == text.count("a")
