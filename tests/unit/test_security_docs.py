"""The pages on security and on keys: the tests, numbers and commands that they name are real."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from olfactory_transformer.api.access import directory
from olfactory_transformer.api.access.paths import AREAS
from olfactory_transformer.api.audit import AuditLog
from olfactory_transformer.api.catalogue import KINDS
from olfactory_transformer.api.gate import WRONG_KEYS_PER_MINUTE
from olfactory_transformer.api.ratelimit.contract import Decision, interval_of
from olfactory_transformer.cli import app
from olfactory_transformer.database.keys import SCOPES

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROOT = Path(__file__).resolve().parents[2]
SECURITY = (ROOT / "docs/operations/security.md").read_text(encoding="utf-8")
KEYS = (ROOT / "docs/reference/keys.md").read_text(encoding="utf-8")


def test_every_risk_has_its_tests():
    sections = dict(re.findall(r"^## (API\d+): .*?$(.*?)(?=^## )", SECURITY, re.M | re.S))
    assert list(sections) == [f"API{n}" for n in range(1, 11)]
    assert all("::test_" in text for text in sections.values())


@pytest.mark.parametrize("name", re.findall(r"`(tests/[\w/]+\.py::\w+)`", SECURITY))
def test_a_test_that_is_named_is_there(name):
    file, _, function = name.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, FUNCTIONS)}


def test_numbers():
    text = " ".join((KEYS + SECURITY).split())
    assert (
        f"**within {directory.FRESH:.0f} seconds**" in text
        and f"for up to {directory.FRESH:.0f} seconds more" in text
    )
    assert f"work for {directory.GRACE:.0f} seconds after their last look-up" in text
    assert f"may send {WRONG_KEYS_PER_MINUTE} wrong keys a minute" in text
    assert f"up to {AuditLog.__init__.__kwdefaults__['most']:,} of them" in text
    for name, value in Decision.of(True, 58 * interval_of(100), 100).headers():
        assert f"{name.decode()}: {value.decode()}" in text.replace("RateLimit", "ratelimit").replace(
            "-Policy", "-policy"
        )


def test_tables():
    assert re.findall(r"^\| `(\w+)` \|", KEYS, re.M) == ["predict", "admin", "sensors"]
    assert set(SCOPES) == {area.scope for area in AREAS}
    codes = re.findall(r"^\| (\d+) \| `([\w-]+)` \|", KEYS, re.M)
    assert [(status, code) for status, code in codes] == [
        (str(KINDS[code].status), code) for _, code in codes
    ]
    assert len(codes) == 5


def test_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/keys.db")
    commands = re.findall(r"^    olfactory (.+)$", KEYS, re.M)
    assert len(commands) == 9
    key_id = ""
    for command in commands:
        result = CliRunner().invoke(app, shlex.split(command.replace("6pulnshp", key_id)))
        assert result.exit_code == 0, (command, result.output)
        if " create " in f" {command} ":
            key_id = result.stdout.split("_")[1]
