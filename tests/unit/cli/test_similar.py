from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from olfactory_transformer.cli import app


@pytest.fixture(scope="module")
def model(small_model: Path) -> str:
    return str(small_model)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["similar", *arguments])


def test_a_line_a_molecule(model):
    lines = run("CCCC(=O)OC", "--count", "3", "--model", model).stdout.splitlines()
    assert lines[0].split() == ["1.000", "CCCC(=O)OC"] and len(lines) == 3


def test_json(model):
    found = json.loads(run("CCCC(=O)OC", "--count", "2", "--format", "json", "--model", model).stdout)
    assert found["smiles"] == "CCCC(=O)OC" and len(found["neighbours"]) == 2
    assert found["neighbours"][0].keys() == {"smiles", "similarity"}


@pytest.mark.parametrize("name", ["library.csv", "library.smi"])
def test_bad_rows_of_a_library_are_told_of(model, name, tmp_path):
    path = tmp_path / name
    path.write_text("smiles\nCCO\nCC(\nCCCO\n")
    result = run("OCC", "--library", str(path), "--model", model)
    assert result.exit_code == 1
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["CCO", "CCCO"]
    assert result.stderr == f"{path}, row 2: syntax error at character 3; expected a valid SMILES\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["CC("], 1, "'CC(': syntax error"),
        (["CCO", "--count", "0"], 2, "--count"),
        (["CCO", "--library", "no-such.csv"], 2, "no-such.csv: No such file"),
        (["CCO", "--library", "a.xlsx"], 2, "unknown extension '.xlsx'"),
    ],
)
def test_what_cannot_be_done(model, arguments, code, said):
    result = run(*arguments, "--model", model)
    flat = " ".join(result.stderr.replace("│", " ").split())  # a complaint about an option is boxed
    assert result.exit_code == code and said in flat and result.stdout == ""
