from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from olfactory_transformer.cli import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments])


def test_a_table_of_the_atoms() -> None:
    result = run("OCCS", "--word", "sulfurous")
    assert result.exit_code == 0 and result.stderr == ""
    smiles, word, heading, *atoms = result.stdout.splitlines()
    assert (smiles, word.split()[0], heading.split()) == ("OCCS", "sulfurous", ["atom", "log", "odds"])
    assert [line.split()[:2] for line in atoms] == [["0", "O"], ["1", "C"], ["2", "C"], ["3", "S"]]
    assert result.stdout.isascii()


def test_what_was_changed_is_said() -> None:
    assert "  ! a salt or mixture: " in run("CC(=O)[O-].[Na+]").stdout


def test_json() -> None:
    found = json.loads(run("OCC", "--format", "json").stdout)
    assert (found["smiles"], found["canonical_smiles"], len(found["contributions"])) == ("OCC", "CCO", 3)
    assert {"word", "probability", "method", "model_version"} <= found.keys()


def test_pictures(tmp_path: Path) -> None:
    svg, png = tmp_path / "a.svg", tmp_path / "a.PNG"
    svg.write_text("before")
    assert run("CCO", "--out", str(svg)).exit_code == run("CCO", "--out", str(png)).exit_code == 0
    assert ElementTree.fromstring(svg.read_bytes()).tag.endswith("svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert sorted(tmp_path.iterdir()) == sorted([svg, png])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["CC("], 1, "'CC(': syntax error"),
        (["CCO", "--word", "vanila"], 2, "expected 'vanilla' or another"),
        (["CCO", "--out", "a.jpg"], 2, "ends with .svg or .png"),
        (["CCO", "--out", "-"], 2, "ends with .svg or .png"),
        (["CCO", "--out", "no/such/folder/a.svg"], 2, "no/such/folder/a.svg: No such file"),
        (["CCO", "--model", "no-such"], 2, "no model 'no-such'"),
        (["CCO", "--format", "xml"], 2, "Invalid value"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_done(arguments: list[str], code: int, message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    flat = " ".join(result.stderr.replace("│", " ").split())
    assert message in flat and "Traceback" not in flat


def test_a_picture_that_was_there_survives_what_cannot_be_done(tmp_path: Path) -> None:
    picture = tmp_path / "a.svg"
    picture.write_text("before")
    assert run("CC(", "--out", str(picture)).exit_code == 1
    assert run("CCO", "--word", "no such", "--out", str(picture)).exit_code == 2
    assert picture.read_text() == "before"
