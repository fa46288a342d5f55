from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib

import pytest
from typer.testing import CliRunner, Result

from olfactory_transformer.cli import app
from olfactory_transformer.settings import Settings, load_settings

PASSWORD = "correct-horse-battery-staple"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["config", *arguments])


@pytest.fixture(autouse=True)
def configured(monkeypatch, tmp_path):
    """Have a value of every source."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_KEYS", PASSWORD)
    monkeypatch.setenv("MAX_ITEMS", "7")
    (tmp_path / "redis_url").write_text(f"redis://:{PASSWORD}@cache")
    (tmp_path / ".env").write_text("REDIS_URL_FILE=redis_url\nOLFACTORY_CONFIG=olfactory.toml\n")
    (tmp_path / "olfactory.toml").write_text('port = 9000\ncors_origins = ["https://a.example"]\n')
    return tmp_path


def test_a_table():
    result = run()
    assert result.exit_code == 0
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["SETTING", "VALUE", "FROM"]
    start = head.index("VALUE"), head.index("FROM")
    found = {r[: start[0]].strip(): (r[start[0] : start[1]].strip(), r[start[1] :]) for r in rows}
    assert list(found) == [name.upper() for name in Settings.model_fields]
    assert found["API_KEYS"] == ("(hidden)", "environment")
    assert found["REDIS_URL"] == ("(hidden)", "redis_url, named by REDIS_URL_FILE in .env")
    assert found["DATABASE_URL"] == ("sqlite:///olfactory.db", "default")  # nobody's secret
    assert found["PORT"] == ("9000", "port in olfactory.toml")
    assert found["MAX_ITEMS"] == ("7", "environment")
    assert found["CACHE_DIR"] == ("-", "default")
    assert found["DOCS_ENABLED"] == ("true", "default")


def test_json():
    found = json.loads(run("--format", "json").stdout)
    assert list(found) == list(Settings.model_fields)
    assert found["port"] == {"value": 9000, "from": "port in olfactory.toml"}
    assert found["api_keys"] == {"value": "(hidden)", "from": "environment"}
    assert found["cache_dir"] == {"value": None, "from": "default"}


def test_toml_gives_the_same_settings_but_secrets(monkeypatch, configured):
    text = run("--format", "toml").stdout
    assert tomllib.loads(text)["port"] == 9000
    monkeypatch.setenv("MODEL_PATH", 'a "folder" \\ \x7f é')
    before = load_settings()
    (configured / "printed.toml").write_text(run("--format", "toml").stdout)
    monkeypatch.delenv("MODEL_PATH")
    after = load_settings(olfactory_config="printed.toml")
    assert after == before.model_copy(update={"olfactory_config": after.olfactory_config})
    monkeypatch.delenv("MAX_ITEMS")
    assert load_settings(olfactory_config="printed.toml").max_items == 7


@pytest.mark.parametrize("form", ["text", "json", "toml"])
def test_secrets_are_hidden(form):
    result = run("--format", form)
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert result.output.count("(hidden)") == 2


def test_what_is_not_printable_does_no_harm(monkeypatch):
    monkeypatch.setenv("HOST", "a\x1b[2J\nb")
    for form in ("text", "json", "toml"):
        lines = run("--format", form).stdout
        assert "\x1b" not in lines
    assert r"'a\x1b[2J\nb'" in run().stdout


def test_the_option_goes_before_the_environment(configured):
    (configured / "other.toml").write_text("port = 9001")
    found = json.loads(run("--config", "other.toml", "--format", "json").stdout)
    assert (found["port"]["value"], found["olfactory_config"]["from"]) == (9001, "command line")


def test_check(monkeypatch):
    assert (run("--check").exit_code, run("--check").stdout) == (0, "The settings are right.\n")
    monkeypatch.setenv("API_KEYS", PASSWORD[:5])
    monkeypatch.setenv("BATCH_SIZE", "many")
    result = run("--check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "olfactory: BATCH_SIZE: got 'many' (environment), expected a whole number"
    )
    assert "API_KEYS: got a value that is not shown" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert run().exit_code == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"MODEL_PATH": "/nonexistent"}, "MODEL_PATH: no model '/nonexistent'"),
        ({"MODEL_PATH": "."}, "MODEL_PATH: .: no manifest.json"),
        ({"TOKENIZER_PATH": "."}, "TOKENIZER_PATH: tokenizer.json: missing"),
        ({"TOKENIZER_PATH": "none"}, "TOKENIZER_PATH: no model 'none'"),
        ({"HOST": "999.1.1.1"}, "HOST: got '999.1.1.1' (which is no address) (environment), expected "),
        (
            {"DATABASE_URL": "sqlite://"},
            "DATABASE_URL: got a value that is not shown (environment), expected ",
        ),
        (
            {"DATABASE_URL": "sqlite:////none/keys.db", "API_KEY_REQUIRED": "true"},
            "DATABASE_URL: sqlite:////none/keys.db: its folder is not there",
        ),
        (
            {"DATABASE_URL": "sqlite:////tmp", "API_KEY_REQUIRED": "true"},
            "DATABASE_URL: sqlite:////tmp: it is a folder",
        ),
        ({"NOSE_MODEL_PATH": "none"}, "NOSE_MODEL_PATH: no model 'none'"),
        ({"NOSE_MODEL_PATH": "."}, "NOSE_MODEL_PATH: .: no manifest.json"),
    ],
)
def test_check_refuses_what_the_server_would(monkeypatch, settings, said):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    result = run("--check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"olfactory: {said}")
    if "DATABASE_URL" not in settings or "API_KEY_REQUIRED" in settings:
        monkeypatch.setenv("PORT", "0")
        monkeypatch.delenv("REDIS_URL_FILE", raising=False)
        served = CliRunner().invoke(app, ["serve"])
        assert served.exit_code == 2, served.output


@pytest.mark.parametrize(
    ("module", "settings", "extra"),
    [
        ("redis", {}, "redis"),  # of the file
        ("psycopg", {"DATABASE_URL": f"postgresql+psycopg://me:{PASSWORD}@h/keys"}, "postgres"),
        ("serial", {"SENSOR_PORT": "/dev/ttyUSB0"}, "sensors"),
        ("paho.mqtt", {"SENSOR_PORT": "mqtt://broker/nose"}, "sensors"),
        ("opentelemetry.exporter", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, "tracing"),
    ],
)
def test_check_names_the_extra_that_is_missing(configured, module, settings, extra):
    code = f"import sys; sys.modules[{module!r}] = None; from olfactory_transformer.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "config", "--check"],
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"pip install 'olfactory-transformer[{extra}]'" in done.stderr
    assert PASSWORD not in done.stderr


def test_check_makes_nothing(monkeypatch, configured):
    monkeypatch.setenv("API_KEY_REQUIRED", "true")
    before = set(configured.iterdir())
    assert run("--check").exit_code == 0
    assert set(configured.iterdir()) == before


def test_serve_takes_the_file(monkeypatch):
    called = {}
    monkeypatch.setattr(
        "olfactory_transformer.api.server.main", lambda **overrides: called.update(overrides) or 0
    )
    result = CliRunner().invoke(app, ["serve", "--config", "other.toml", "--port", "1"])
    assert result.exit_code == 0
    assert (str(called["olfactory_config"]), called["port"]) == ("other.toml", 1)
