import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from olfactory_transformer.cli import app
from olfactory_transformer.database.audit import AuditRow, AuditStore
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keys import KeyStore, has_digest
from olfactory_transformer.database.keytext import digest, id_of


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/keys.db"
    monkeypatch.setenv("DATABASE_URL", url)
    return url


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def made(*arguments):
    result = run("keys", "create", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_the_key_alone_is_on_standard_output(url):
    result = run("keys", "create", "a perfumer", "--scope", "predict", "--scope", "admin", "--limit", "7")
    text = result.stdout.removesuffix("\n")
    record = KeyStore(Database(url)).find(id_of(text.encode()))
    assert has_digest(record, digest(text.encode()))
    assert (record.name, record.scopes, record.limit_per_minute) == ("a perfumer", {"predict", "admin"}, 7)
    assert record.id in result.stderr and "not shown again" in result.stderr and text not in result.stderr


def test_create_as_json(url):
    found = json.loads(made("x", "--format", "json", "--days", "2"))
    assert found["key"].startswith(f"olf_{found['id']}_") and found["scopes"] == ["predict"]
    assert datetime.fromisoformat(found["expires"]) - datetime.fromisoformat(found["created"]) == timedelta(
        days=2
    )


def test_list(url):
    assert run("keys", "list").stdout == ""
    text = made("x", "--limit", "5")
    head, row = run("keys", "list").stdout.splitlines()
    assert head.split()[:3] == ["ID", "STATE", "SCOPES"]
    assert row.split()[:4] == [id_of(text.encode()), "valid", "predict", "5"]
    (found,) = json.loads(run("keys", "list", "--format", "json").stdout)["keys"]
    assert found["name"] == "x" and "digest" not in found
    assert text not in run("keys", "list").output


def test_revoke_and_rotate(url):
    key_id = id_of(made("x").encode())
    new = run("keys", "rotate", key_id, "--grace-hours", "1")
    assert id_of(new.stdout.strip().encode()) == key_id and "valid until" in new.stderr
    assert "no longer valid" in run("keys", "rotate", key_id).stderr
    assert json.loads(run("keys", "revoke", key_id, "--format", "json").stdout)["state"] == "revoked"
    assert "revoked" in run("keys", "list").stdout
    again = run("keys", "rotate", key_id)
    assert again.exit_code == 2 and "was revoked" in again.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", ""),
        ("create", "a\nb"),
        ("create", "x", "--limit", "0"),
        ("create", "x", "--days", "0"),
        ("create", "x", "--scope", "root"),
        ("revoke", "nobody00"),
        ("rotate", "nobody00"),
        ("rotate", "nobody00", "--grace-hours", "-1"),
    ],
)
def test_what_cannot_be_done_makes_nothing(url, tmp_path, arguments):
    result = run("keys", *arguments)
    assert result.exit_code == 2 and result.stdout == "" and result.stderr
    assert not (tmp_path / "keys.db").exists() or KeyStore(Database(url)).list() == ()


def test_a_database_that_is_away(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://me:pa55word@127.0.0.1:1/keys")
    for command in (("keys", "list"), ("keys", "create", "x"), ("audit", "list")):
        result = run(*command)
        assert result.exit_code == 2 and result.stderr.startswith(
            "olfactory: postgresql+psycopg://me:***@127.0.0.1:1/keys"
        )
        assert "pa55word" not in result.output and len(result.stderr.splitlines()) == 1


def test_audit(url):
    made("x")
    now = datetime.now(UTC)
    AuditStore(Database(url)).add(
        [
            AuditRow(
                now - timedelta(days=day), f"key{day:05}", "x", "192.0.2.1", "POST", "/v1/predict", 200, day
            )
            for day in range(60)
        ]
    )
    lines = run("audit", "list").stdout.splitlines()
    assert len(lines) == 51 and "key00000" in lines[1] and "POST /v1/predict" in lines[1]
    assert len(run("audit", "list", "-n", "0").stdout.splitlines()) == 61
    (found,) = map(
        json.loads, run("audit", "list", "--key", "key00007", "--format", "json").stdout.splitlines()
    )
    assert (found["items"], found["status"], found["molecules"]) == (7, 200, None)
    assert run("audit", "list", "--key", "nobody").stdout == ""
    assert "Deleted 30 rows" in run("audit", "prune", "--older-than", "29.5").stderr
    assert len(run("audit", "list", "-n", "0").stdout.splitlines()) == 31
