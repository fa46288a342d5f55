import re
from pathlib import Path

import pytest

from olfactory_transformer.core.errors import SettingsError
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.settings import Settings, allowed, load_settings

NAMES = sorted(Settings.model_fields)
RANGES = {
    name: tuple(map(int, found.groups()))
    for name in NAMES
    if (found := re.search(r"from (\d+) to (\d+)", allowed(name)))
}


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name.upper(), raising=False)


def test_defaults():
    settings = load_settings()
    assert settings.model_path == DEFAULT_MODEL
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.olfactory_data_dir == Path("../shared/data")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("MODEL_PATH", "/models/mine", "/models/mine"),
        ("TOKENIZER_PATH", "/models/other", "/models/other"),
        ("HOST", "0.0.0.0", "0.0.0.0"),
        ("PORT", "9000", 9000),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("BATCH_SIZE", "64", 64),
        ("MAX_ITEMS", "7", 7),
        ("MAX_BODY_BYTES", "4096", 4096),
        ("SHUTDOWN_TIMEOUT", "3", 3),
        ("OLFACTORY_DATA_DIR", "/data", Path("/data")),
    ],
)
def test_the_environment_is_read(monkeypatch, name, text, value):
    monkeypatch.setenv(name, text)
    assert getattr(load_settings(), name.lower()) == value
    assert len(NAMES) == 10, "a new setting needs a row here"


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_set_to_nothing_is_not_set(monkeypatch, name):
    monkeypatch.setenv(name.upper(), "")
    assert load_settings() == Settings()


@pytest.mark.parametrize("name", RANGES)
def test_limits_are_those_that_are_said(name):
    low, high = RANGES[name]
    assert getattr(load_settings(**{name: low}), name) == low
    assert getattr(load_settings(**{name: high}), name) == high
    for wrong in (low - 1, high + 1):
        with pytest.raises(SettingsError) as caught:
            load_settings(**{name: wrong})
        assert str(caught.value) == f"{name.upper()}: got {wrong}, expected {allowed(name)}"


def test_a_wrong_value_names_the_variable_the_value_and_what_is_allowed(monkeypatch):
    monkeypatch.setenv("PORT", "eighty\n")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == (
        r"PORT: got 'eighty\n', expected a whole number from 0 to 65535; "
        "LOG_LEVEL: got 'LOUD', expected DEBUG, INFO, WARNING, ERROR or CRITICAL"
    )


def test_the_command_line_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("HOST", "0.0.0.0")
    settings = load_settings(port=9001, host=None)
    assert (settings.port, settings.host) == (9001, "0.0.0.0")


def test_nothing_else_reads_the_environment():
    source = Path(__file__).resolve().parents[2] / "src" / "olfactory_transformer"
    readers = [
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if re.search(r"\bos\.environ|\bgetenv\b|from os import .*environ", path.read_text())
    ]
    assert readers == []


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_help_and_is_used(name):
    assert Settings.model_fields[name].description
    assert allowed(name)
