from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from services.run import redis
from typer.testing import CliRunner, Result

from olfactory_transformer import ScentPredictor, read_molecule
from olfactory_transformer.cli import app
from olfactory_transformer.engine.pool import PoolEngine
from olfactory_transformer.engine.recall import Recall
from olfactory_transformer.utils.codec import decode_prediction
from olfactory_transformer.utils.stored import as_stored, prediction_key
from olfactory_transformer.utils.stores.tiers import open_tiers

SALT = "[Na+].CC([O-])=O"


@pytest.fixture(scope="module")
def server():
    with redis() as service:
        yield service


@pytest.fixture
def folder(tmp_path, small_model, monkeypatch) -> Path:
    """The folder of a cache, which the settings name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("MODEL_PATH", str(small_model))
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["cache", *arguments], input=given)


def entries(*, redis_url: str | None = None) -> list[int]:
    return [row["entries"] for row in json.loads(run("stats", "--format", "json").stdout)["tiers"]]


def test_warming_says_what_is_new_known_and_refused(folder):
    result = run("warm", "CCO", "CC(", "OCC", "CCC")
    assert result.stdout == f"2 new, 1 known, 1 refused; kept in {folder}\n" and result.exit_code == 1
    assert result.stderr == "'CC(': syntax error at character 3; expected a valid SMILES\n"
    result = run("warm", "CCO", "CCCC")
    assert result.stdout.startswith("1 new, 1 known, 0 refused") and result.exit_code == 0
    assert entries() == [3]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id,smiles\n1,CCO\n2,\n3,CCC\n"),
        ("a.tsv", "id\tsmiles\n1\tCCO\n2\t\n3\tCCC\n"),
        ("a.smi", "CCO one\nCC( two\nCCC three\n"),
        ("a.jsonl", '{"smiles": "CCO"}\n{"smiles": 7}\n{"smiles": "CCC"}\n'),
    ],
)
def test_warming_from_a_file(folder, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    result = run("warm", "CCCC", "--input", name)
    assert result.stdout.startswith("3 new, 0 known, 1 refused")
    assert result.stderr.startswith(f"{name}, row 2: ") and result.exit_code == 1


def test_warming_from_standard_input_and_another_column(folder):
    result = run(
        "warm", "-i", "-", "--format", "csv", "--smiles-column", "structure", given="structure\nCCO\n"
    )
    assert result.stdout.startswith("1 new") and result.exit_code == 0


def test_many_molecules(folder, tmp_path):
    (tmp_path / "many.smi").write_text(
        "".join(f"{'C' * n}O\n{'C' * n}N\nO{'C' * n}\n" for n in range(1, 151))
    )
    result = run("warm", "-i", "many.smi")
    assert result.stdout.startswith("300 new, 150 known, 0 refused") and result.exit_code == 0
    assert entries() == [300]


def test_the_predictions_are_real_and_where_the_server_looks(folder, small_model):
    run("warm", SALT, "--dilution", "0.01")
    predictor, molecule = ScentPredictor.from_pretrained(small_model, threads=1), read_molecule(SALT)
    tiers = open_tiers(folder=folder, disk_bytes=2**24)
    (data,) = tiers.get_many([prediction_key(predictor.model_hash, molecule.key, 0.01)])
    assert decode_prediction(data) == as_stored(predictor.predict(SALT, 0.01), molecule.warnings)
    tiers.close()


def test_the_server_finds_them(folder, small_model):
    run("warm", SALT)
    tiers = open_tiers(memory_entries=10, folder=folder, disk_bytes=2**24)

    async def ask():
        engine = PoolEngine(str(small_model), workers=1, recall=Recall(tiers))
        await engine.start()
        try:
            return (await engine.predict(["CC(=O)O"]))[0]
        finally:
            stats.append(tiers.by_tier())
            await engine.stop()

    stats = []
    found = asyncio.run(ask())
    assert found.smiles == "CC(=O)O" and found.warnings == ()
    assert stats[0]["disk"].hits == 1


def test_both_tiers_are_filled(folder, server, monkeypatch):
    run("warm", "CCO")
    monkeypatch.setenv("REDIS_URL", server.url)
    assert entries() == [1, 0]
    result = run("warm", "CCO", "CCC")
    assert result.stdout.startswith("1 new, 1 known") and "127.0.0.1" in result.stdout
    assert entries() == [2, 2]
    result = run("clear")
    assert re.fullmatch(r"disk: 2 deleted from .*\nredis: 2 deleted from 127\.0\.0\.1:\d+/0\n", result.stdout)
    assert entries() == [0, 0]


def test_stats(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")  # a place is shown whole, however long
    run("warm", "CCO")
    lines = run("stats").stdout.splitlines()
    assert lines[0].split() == ["Tier", "Place", "Entries", "MiB", "Fault"]
    assert lines[1].split() == ["disk", str(folder), "1", "0.0", "none"]
    (row,) = json.loads(run("stats", "--format", "json").stdout)["tiers"]
    assert (row["tier"], row["place"], row["entries"], row["fault"]) == ("disk", str(folder), 1, "")
    assert row["bytes"] > 0


def test_a_tier_that_fails_is_told_of_without_its_password(folder, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@127.0.0.1:1")
    for command in (["warm", "CCO"], ["stats"], ["clear"]):
        result = run(*command)
        assert result.exit_code == 1 and "ConnectionError" in result.stdout + result.stderr
        assert "hunter2" not in result.stdout + result.stderr
    assert "1 are not in every tier" in run("warm", "CCO").stderr


def test_a_folder_that_cannot_be_used(folder):
    folder.write_text("in the way")
    result = run("warm", "CCO")
    assert result.exit_code == 1 and result.stdout.startswith("1 new") and "disk: " in result.stderr
    assert run("stats").exit_code == 1 and run("clear").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["warm"], "give SMILES, --input FILE, or both"),
        (["warm", "CCO", "--dilution", "2"], "--dilution: got 2, expected a volume fraction"),
        (["warm", "-i", "no-such.csv"], "no-such.csv: No such file"),
        (["warm", "-i", "a.xlsx"], "unknown extension '.xlsx'"),
        (["warm", "CCO", "--model", "no-such"], "no-such"),
    ],
)
def test_what_cannot_be_done(folder, arguments, said):
    result = run(*arguments)
    flat = " ".join(result.stderr.replace("│", " ").split())  # a complaint about an option is boxed
    assert result.exit_code == 2 and said in flat and result.stdout == ""


@pytest.mark.parametrize("command", [["warm", "CCO"], ["stats"], ["clear"]])
def test_without_a_cache_there_is_nothing_to_do(folder, monkeypatch, command):
    monkeypatch.delenv("CACHE_DIR")
    result = run(*command)
    assert result.exit_code == 2 and "set CACHE_DIR, REDIS_URL or both" in result.stderr
