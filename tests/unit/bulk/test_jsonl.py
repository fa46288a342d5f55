from __future__ import annotations

import io
import json

import pytest

from olfactory_transformer.bulk.contract import ABSENT
from olfactory_transformer.bulk.formats import jsonl
from olfactory_transformer.core.errors import FileFormatError


def read(*lines: str | bytes) -> tuple[dict[str, str], list[tuple], list[str]]:
    content = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    table = jsonl.read(io.BytesIO(content), "smiles", 3)
    kinds = {column.name: column.kind for column in table.columns}
    chunks = list(table.chunks)
    return (
        kinds,
        [r for c in chunks for r in zip(*c.values, strict=True)],
        [e for c in chunks for e in c.errors],
    )


def test_keys_that_come_late_are_columns() -> None:
    kinds, rows, _ = read('{"smiles": "C"}', '{"smiles": "CC", "x": 1}', '{"y": null, "smiles": "CCC"}')
    assert list(kinds) == ["smiles", "x", "y"]
    assert rows == [("C", ABSENT, ABSENT), ("CC", 1, ABSENT), ("CCC", ABSENT, None)]


def test_absent_and_null_and_every_json_value_go_through() -> None:
    lines = [
        {"smiles": "C", "a": [1, {"b": None}], "big": 10**30, "e": ""},
        {"smiles": None, "a": None, "t": True},
        {"smiles": "CC", "lone": "\ud800", "f": 1e-9},
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    sink = io.BytesIO()
    jsonl.write(sink, jsonl.read(io.BytesIO(content), "smiles", 2))
    assert [json.loads(line) for line in sink.getvalue().splitlines()] == lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"smiles": "C"', "invalid JSON"),
        ("[1, 2]", "a JSON list; expected an object"),
        ('"C"', "a JSON str; expected an object"),
        ('{"smiles": NaN}', "NaN is not JSON"),
        ('{"smiles": "C", "smiles": "CC"}', "the key 'smiles' occurs twice"),
        (b'{"smiles": "\xff"}', "invalid UTF-8: the byte 0xff at character 13"),
        ("[" * 100_000, "invalid JSON"),
        ('{"smiles": ' + "9" * 5000 + "}", "invalid JSON"),
    ],
)
def test_a_bad_line_is_a_row_and_is_kept_whole(line: str | bytes, reason: str) -> None:
    _, rows, errors = read('{"smiles": "C", "id": "1"}', line, '{"smiles": "CC", "id": "2"}')
    assert [row[1] for row in rows] == ["1", ABSENT, "2"]
    assert errors[0] == errors[2] == "" and reason in errors[1]
    text = line if isinstance(line, str) else line.decode(errors="surrogateescape")
    assert json.loads(errors[1].split("the line: ", 1)[1]) == text


def test_blank_lines() -> None:
    _, rows, errors = read('{"smiles": "C"}', "", '{"smiles": "CC"}', "", "  ")
    assert len(rows) == 3
    assert errors == ["", "a blank line; expected a JSON object", ""]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", str(2**60)], "integer"),
        (["1", "2.5"], "number"),
        (["true", "null"], "boolean"),
        (["true", "1"], "any"),
        (['"a"', "1"], "any"),
        ([str(2**53 + 1), "0.5"], "any"),
        ([str(2**70)], "any"),
        (["[1]"], "any"),
        (["null"], "text"),
    ],
)
def test_kinds(values: list[str], kind: str) -> None:
    kinds, _, _ = read(*(f'{{"smiles": "C", "x": {value}}}' for value in values))
    assert kinds["x"] == kind


def test_the_column_is_missing() -> None:
    with pytest.raises(FileFormatError, match="no column 'smiles'; found: 'SMILES'"):
        read('{"SMILES": "C"}')


def test_an_empty_file_has_no_rows() -> None:
    assert read(b"")[1] == []
