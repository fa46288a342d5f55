from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from olfactory_transformer import __version__
from olfactory_transformer.cli import app
from olfactory_transformer.train.sources import SOURCES


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def test_version() -> None:
    assert run("--version").stdout == f"olfactory-transformer {__version__}\n"


def test_a_table_with_bars() -> None:
    result = run("predict", "CCO", "[Na+].CC(=O)[O-]")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "CCO" and "[Na+].CC(=O)[O-]" in lines  # brackets are no markup
    assert "█" in lines[1] and "intensity" in result.stdout and "! a salt or mixture" in result.stdout
    assert "\x1b" not in result.stdout


def test_json_is_an_object_a_line() -> None:
    result = run("predict", "--json", "--dilution", "0.01", "OCC", "COc1cc(C=O)ccc1O")
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["smiles"], first["canonical_smiles"], first["dilution"]) == ("OCC", "CCO", 0.01)
    assert len(first["words"]) > 100 and 0 <= second["confidence"] <= 1
    assert "words" not in json.loads(run("predict", "--json", "--words", "notes", "CCO").stdout)


def test_a_bad_molecule_does_not_stop_the_others() -> None:
    result = run("predict", "CCO", "C1CC", "CC\x1b[2J", "CC")
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if line and line[0] != " "] == ["CCO", "CC"]
    assert "'C1CC': unclosed ring" in result.stderr and "'CC\\x1b[2J': the character '\\x1b'" in result.stderr


def test_a_bad_molecule_in_json_is_an_object_in_its_place() -> None:
    result = run("predict", "--json", "CCO", "CCO x", "CC")
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["smiles"] for row in rows] == ["CCO", "CCO x", "CC"]
    assert rows[1]["code"] == "trailing-text" and "'x'" in rows[1]["error"] and "error" not in rows[0]


def test_leading_signs() -> None:
    result = run("predict", "--json", "[O-]C=O", "--", "-C")
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["canonical_smiles"] == "O=CO" and second["smiles"] == "-C" and "error" in second


def test_standard_input() -> None:
    result = run("predict", "--json", "-", stdin=b"CCO\r\n\n  \nCC\xff\nCCC")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row.get("canonical_smiles") for row in rows] == ["CCO", None, "CCC"]
    assert rows[1]["code"] == "forbidden-character" and result.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either SMILES or --input"),
        (["CCO", "--input", "a.csv"], "give either SMILES or --input"),
        (["CCO", "--output", "a.csv"], "go with --input"),
        (["--json", "--input", "a.csv"], "--json goes with SMILES"),
        (["CCO", "--dilution", "0"], "expected a volume fraction"),
        (["CCO", "--dilution", "nan"], "expected a volume fraction"),
        (["CCO", "--model", "no-such"], "no model 'no-such'; expected|no model 'no-such': expected"),
        (["--input", "a.xlsx"], "unknown extension '.xlsx'"),
        (["--input", "no-such.csv"], "no-such.csv: No such file"),
    ],
)
def test_what_cannot_be_done_exits_2_with_a_line(arguments: list[str], message: str) -> None:
    result = run("predict", *arguments)
    assert result.exit_code == 2
    flat = " ".join(result.stderr.replace("│", " ").split())
    assert any(part in flat for part in message.split("|"))
    assert "Traceback" not in result.stderr


def test_a_file(tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("id,structure\n1,CCO\n2,bad\n")
    result = run("predict", "--input", str(source), "--output", str(target), "--smiles-column", "structure")
    assert result.exit_code == 1
    assert result.stdout == "" and result.stderr == "2 rows, 1 failed\n"
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [(row["id"], bool(row["error"])) for row in rows] == [("1", False), ("2", True)]


def test_names_that_are_taken_are_told(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("smiles,error\nCCO,mine\n")
    result = run("predict", "-i", str(source), "-o", str(tmp_path / "out.csv"))
    assert result.exit_code == 0
    assert "these are called predicted_error\n1 rows, 0 failed\n" in result.stderr


def test_a_file_through_pipes() -> None:
    result = run("predict", "--input", "-", "--words", "notes", stdin=b"smiles\nCCO\n")
    assert result.stdout.splitlines()[1].startswith("CCO,")
    lines = run(
        "predict", "-i", "-", "--format", "jsonl", "--words", "notes", stdin=b'{"smiles": "CCO"}\n'
    ).stdout
    assert json.loads(lines)["canonical_smiles"] == "CCO"


def test_sources_are_listed() -> None:
    shown = run("data").stdout
    assert all(source.file in shown for source in SOURCES)
    listed = json.loads(run("data", "--json").stdout)
    assert [row["sha256"] for row in listed] == [source.sha256 for source in SOURCES]


def test_a_folder_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    altered = tmp_path / SOURCES[0].file
    altered.parent.mkdir(parents=True)
    altered.write_text("smiles\n")
    result = run("data", "--verify", str(tmp_path))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["different", SOURCES[0].file] and lines[1].split()[0] == "missing"
    assert f"0 of {len(SOURCES)} files are as expected" in result.stderr
    monkeypatch.setenv("OLFACTORY_DATA_DIR", str(tmp_path))
    states = [row["state"] for row in json.loads(run("data", "--verify", "--json").stdout)]
    assert states == ["different"] + ["missing"] * (len(SOURCES) - 1)


def test_no_such_folder(tmp_path: Path) -> None:
    result = run("data", "--verify", str(tmp_path / "no"))
    assert result.exit_code == 2 and "no such folder" in result.stderr
