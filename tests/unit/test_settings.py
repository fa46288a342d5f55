import json
import os
import re
import traceback
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from olfactory_transformer.core.errors import SettingsError
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.settings import Settings, allowed, is_secret, load_settings, load_with_origins

NAMES = list(Settings.model_fields)
SECRETS = [name for name in NAMES if is_secret(name)]
RANGES = {
    name: tuple(map(int, found.groups()))
    for name in NAMES
    if (found := re.search(r"whole number from (\d+) to (\d+)", allowed(name)))
}
# As the deployment guide has them.
GUIDE = {
    "MODEL_PATH": "/models/olfactory-base-v1",
    "TOKENIZER_PATH": "/models/olfactory-base-v1",
    "DEVICE": "cuda",
    "CACHE_DIR": "/cache",
    "CACHE_SIZE": "1000",
    "CACHE_SIZE_MB": "1024",
    "CACHE_TTL_HOURS": "24",
    "REDIS_URL": "redis://localhost:6379",
    "BATCH_SIZE": "32",
    "MAX_WORKERS": "4",
    "INFERENCE_TIMEOUT": "30",
    "LOG_LEVEL": "INFO",
    "METRICS_PORT": "9090",
    "HEALTH_CHECK_PORT": "8080",
    "API_KEY_REQUIRED": "true",
    "RATE_LIMIT_PER_MINUTE": "100",
    "CORS_ORIGINS": "https://yourdomain.com",
    "SENSOR_PORT": "/dev/ttyUSB0",
    "SENSOR_BAUDRATE": "9600",
    "SENSOR_TIMEOUT": "5",
}
PASSWORD = "correct-horse-battery-staple"
# Of every setting: what the environment may say, and the value that it becomes.
EXAMPLES = {
    "olfactory_config": ("other.toml", Path("other.toml")),
    "model_path": ("/models/mine", "/models/mine"),
    "tokenizer_path": ("/models/other", "/models/other"),
    "models_dir": ("/models", Path("/models")),
    "device": ("CUDA", "cuda"),
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("9000", 9000),
    "health_check_port": ("8080", 8080),
    "metrics_port": ("9090", 9090),
    "batch_size": ("64", 64),
    "batch_delay_ms": ("2.5", 2.5),
    "batch_tokens": ("4096", 4096),
    "max_workers": ("3", 3),
    "worker_memory_mb": ("2048", 2048),
    "inference_timeout": ("1.5", 1.5),
    "stall_timeout": ("3", 3.0),
    "max_queue_items": ("500", 500),
    "max_items": ("7", 7),
    "max_body_bytes": ("4096", 4096),
    "shutdown_delay": ("5", 5.0),
    "shutdown_timeout": ("3", 3),
    "cache_dir": ("/cache", Path("/cache")),
    "cache_size": ("0", 0),
    "cache_size_mb": ("10", 10),
    "cache_ttl_hours": ("0.5", 0.5),
    "redis_url": (f"rediss://me:{PASSWORD}@cache:6380/2", SecretStr(f"rediss://me:{PASSWORD}@cache:6380/2")),
    "redis_timeout_ms": ("20", 20.0),
    "database_url": (
        f"postgresql+psycopg://me:{PASSWORD}@db/keys",
        SecretStr(f"postgresql+psycopg://me:{PASSWORD}@db/keys"),
    ),
    "api_key_required": ("true", True),
    "api_keys": (f"{PASSWORD}, {PASSWORD}-2\n", SecretStr(f"{PASSWORD},{PASSWORD}-2")),
    "rate_limit_per_minute": ("100", 100),
    "trusted_proxies": ("10.0.0.0/8, 2001:db8::1 ,", "10.0.0.0/8,2001:db8::1"),
    "cors_origins": ("https://a.example,http://localhost:3000", "https://a.example,http://localhost:3000"),
    "docs_enabled": ("false", False),
    "audit_molecules": ("true", True),
    "log_level": ("debug", "DEBUG"),
    "log_format": ("JSON", "json"),
    "log_file": ("/var/log/app.log", Path("/var/log/app.log")),
    "otel_exporter_otlp_endpoint": ("http://localhost:4318", "http://localhost:4318"),
    "sensor_port": ("mqtt://board@broker/nose", "mqtt://board@broker/nose"),
    "sensor_baudrate": ("115200", 115200),
    "sensor_timeout": ("2.5", 2.5),
    "sensor_id": ("bench-1", "bench-1"),
    "sensor_password": (PASSWORD, SecretStr(PASSWORD)),
    "sensor_format": ("CSV", "csv"),
    "sensor_channels": (" NO2, CO ", "NO2,CO"),
    "nose_model_path": ("/models/nose", "/models/nose"),
    "olfactory_data_dir": ("/data", Path("/data")),
}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Run in an empty folder, without any setting in the environment."""
    for name in NAMES:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wrong(**overrides):
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    return str(caught.value)


def write(name, text):
    Path(name).write_text(text, "utf-8")
    return name


def test_defaults():
    settings = load_settings()
    assert settings.model_path == DEFAULT_MODEL
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.olfactory_data_dir == Path("../shared/data")
    assert settings == Settings()
    assert set(load_with_origins().origins.values()) == {"default"}


def test_every_setting_has_an_example():
    assert list(EXAMPLES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_is_read(monkeypatch, name):
    text, value = EXAMPLES[name]
    write("other.toml", "")
    monkeypatch.setenv(name.upper(), text)
    loaded = load_with_origins()
    assert getattr(loaded.settings, name) == value
    assert getattr(loaded.settings, name) != getattr(Settings(), name)
    assert {n for n, origin in loaded.origins.items() if origin == "environment"} == {name}


@pytest.mark.parametrize("name", GUIDE)
def test_the_variables_of_the_guide_are_settings(monkeypatch, name):
    monkeypatch.setenv(name, GUIDE[name])
    value = getattr(load_settings(), name.lower())
    assert str(value.get_secret_value() if isinstance(value, SecretStr) else value) in (
        GUIDE[name],
        GUIDE[name].capitalize(),
        GUIDE[name] + ".0",
    )


def test_the_variables_of_the_guide_together(monkeypatch):
    for name, text in GUIDE.items():
        monkeypatch.setenv(name, text)
    assert load_settings().metrics_port == 9090


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_set_to_nothing_is_not_set(monkeypatch, name):
    monkeypatch.setenv(name.upper(), "")
    assert load_settings() == Settings()


def test_a_value_made_by_hand_reads_nothing(monkeypatch):
    monkeypatch.setenv("PORT", "9000")
    write(".env", "HOST=0.0.0.0")
    assert (Settings().port, Settings().host, Settings(port=1).port) == (8000, "127.0.0.1", 1)
    with pytest.raises(ValidationError):
        Settings(prot=1)
    with pytest.raises(TypeError, match="prot"):
        load_settings(prot=1)


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        load_settings().port = 1


# Where they come from


def test_the_order_of_sources(monkeypatch):
    """Every source against the one below it, from the lowest up."""
    write("secret", "redis://file-of-environment\n")
    write("secret-of-dotenv", "redis://file-of-dotenv")
    write("secret-of-toml", "redis://file-of-toml")
    toml = write("s.toml", "redis_url = 'redis://toml'")

    def found():
        loaded = load_with_origins(**overrides)
        value = loaded.settings.redis_url
        return value and value.get_secret_value(), loaded.origins["redis_url"]

    overrides = {}
    assert found() == (None, "default")
    overrides["olfactory_config"] = toml
    assert found() == ("redis://toml", "redis_url in s.toml")
    write("s.toml", "redis_url_file = 'secret-of-toml'")
    assert found() == ("redis://file-of-toml", "secret-of-toml, named by redis_url_file in s.toml")
    write(".env", "REDIS_URL_FILE=secret-of-dotenv")
    assert found() == ("redis://file-of-dotenv", "secret-of-dotenv, named by REDIS_URL_FILE in .env")
    write(".env", "REDIS_URL=redis://dotenv")
    assert found() == ("redis://dotenv", ".env")
    monkeypatch.setenv("REDIS_URL_FILE", "secret")
    assert found() == (
        "redis://file-of-environment",
        "secret, named by REDIS_URL_FILE in environment",
    )
    monkeypatch.delenv("REDIS_URL_FILE")
    monkeypatch.setenv("REDIS_URL", "redis://environment")
    assert found() == ("redis://environment", "environment")
    overrides["redis_url"] = "redis://command-line"
    assert found() == ("redis://command-line", "command line")


def test_sources_add_up(monkeypatch):
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("OLFACTORY_CONFIG", write("s.toml", "port = 1\nhost = '::1'\nbatch_size = 3"))
    write(".env", "HOST=0.0.0.0\nPORT=2\n")
    settings = load_settings(max_items=5, host=None)
    assert (settings.port, settings.host, settings.batch_size, settings.max_items) == (9000, "0.0.0.0", 3, 5)


def test_a_dotenv_file_may_hold_more(monkeypatch):
    write(
        ".env",
        "\ufeff# ours\nexport PORT=9000 # the port\nPGPASSWORD=x\nLOG_LEVEL='debug'\nexport THEIRS\nHOST=\n",
    )
    settings = load_settings()
    assert (settings.port, settings.log_level, settings.host) == (9000, "DEBUG", "127.0.0.1")


@pytest.mark.parametrize(
    "line",
    [
        "API_KEY_REQUIRED true",
        "export API_KEY_REQUIRED",
        "api_key_required: yes",
        "API_KEY_REQUIRED='true",
        "- API_KEY_REQUIRED=true",
        "not a line",
    ],
)
def test_a_line_of_a_dotenv_file_is_not_passed_over(line, caplog):
    write(".env", f"PORT=9000\n{line}\nLOG_LEVEL=debug\n")
    assert wrong() == ".env, line 2: not NAME=value"
    assert not caplog.records  # it is said once


def test_a_quote_without_its_end_takes_no_setting_along():
    write(".env", "THEIRS='x\nAPI_KEY_REQUIRED=true\nLAST='y'\n")
    assert wrong().startswith(".env, line ")


@contextmanager
def another_user():
    """Be nobody instead of root, who may read everything."""
    if os.getuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_folder_that_may_not_be_looked_into_has_no_dotenv_file():
    write(".env", "PORT=9000")
    Path().chmod(0)
    try:
        with another_user():
            assert load_settings() == Settings()
    finally:
        Path().chmod(0o700)


def test_a_dotenv_file_that_may_not_be_read():
    Path(write(".env", "PORT=9000")).chmod(0)
    Path().chmod(0o755)
    with another_user():
        assert wrong() == ".env: permission denied, expected lines of NAME=value"


def test_a_dotenv_file_may_name_variables(monkeypatch):
    monkeypatch.setenv("BASE", "/srv")
    write(".env", "CACHE_DIR='${BASE}/cache'\n")
    assert load_settings().cache_dir == Path("/srv/cache")


def test_a_dotenv_file_names_the_toml_file():
    write("s.toml", "port = 9000")
    write(".env", "OLFACTORY_CONFIG=s.toml")
    assert load_settings().port == 9000


def test_a_folder_called_dotenv():
    Path(".env").mkdir()
    assert wrong() == ".env: is a directory, expected lines of NAME=value"
    write(".env/pyvenv.cfg", "home = /usr/bin")  # a virtual environment may be called so
    assert load_settings() == Settings()


def test_a_dotenv_file_that_is_no_text():
    Path(".env").write_bytes(b"\xff\xfe\x00")
    assert wrong() == ".env: not UTF-8, expected lines of NAME=value"


def test_toml_has_types_of_its_own():
    write(
        "s.toml",
        f"""
        port = 9000
        batch_delay_ms = 2.5
        inference_timeout = 3
        docs_enabled = false
        cache_dir = "/cache"
        log_file = ""
        cors_origins = ["https://a.example", "https://b.example"]
        trusted_proxies = []
        api_keys = ["{PASSWORD}", "{PASSWORD}-2"]
        """,
    )
    settings = load_settings(olfactory_config="s.toml")
    assert (settings.port, settings.batch_delay_ms, settings.docs_enabled) == (9000, 2.5, False)
    assert (settings.cache_dir, settings.log_file) == (Path("/cache"), None)
    assert (settings.cors_origins, settings.trusted_proxies) == ("https://a.example,https://b.example", "")
    assert settings.api_keys.get_secret_value() == f"{PASSWORD},{PASSWORD}-2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "'prot' in s.toml: no such setting (near it: port), expected names of settings in lower case"),
        ("PORT = 1", "'PORT' in s.toml: no such setting (near it: port), expected names of settings in lower case"),
        ("[cash]\nx = 1", "'cash' in s.toml: no such setting, expected names of settings in lower case"),
        (
            "olfactory_config = 'more.toml'",
            "'olfactory_config' in s.toml: no such setting, expected names of settings in lower case",
        ),
        ("port = true", "PORT: got true (port in s.toml), expected a whole number from 0 to 65535"),
        ("port = 8000.5", "PORT: got 8000.5 (port in s.toml), expected a whole number from 0 to 65535"),
        ("port = [1]", "PORT: got [1] (port in s.toml), expected a whole number from 0 to 65535"),
        ("host = 1", "HOST: got 1 (host in s.toml), expected an address or host name of this machine"),
        ("redis_timeout_ms = nan",
         "REDIS_TIMEOUT_MS: got nan (redis_timeout_ms in s.toml), expected a number from 1 to 10000"),
        ("redis_url = 1",
         f"REDIS_URL: got a value that is not shown (redis_url in s.toml), expected {allowed('redis_url')}"),
        ("cors_origins = ['*']", f"CORS_ORIGINS: got '*' (cors_origins in s.toml), expected {allowed('cors_origins')}"),
        ("cors_origins = [1]", f"CORS_ORIGINS: got [1] (cors_origins in s.toml), expected {allowed('cors_origins')}"),
        ("redis_url_file = 1",
         "REDIS_URL_FILE: got 1 (redis_url_file in s.toml, not a path), expected a file with the value"),
    ],
)  # fmt: skip
def test_wrong_in_toml(monkeypatch, text, message):
    monkeypatch.setenv("OLFACTORY_CONFIG", write("s.toml", text))
    assert wrong() == message


def test_a_toml_file_that_cannot_be_read(monkeypatch):
    monkeypatch.setenv("OLFACTORY_CONFIG", "absent.toml")
    assert wrong() == (
        "OLFACTORY_CONFIG: got 'absent.toml' (environment, no such file or directory), expected a TOML file"
    )
    broken = write("broken.toml", f"port = 1\napi_keys = {PASSWORD}")
    said = wrong(olfactory_config=broken)
    assert said.startswith("OLFACTORY_CONFIG: got 'broken.toml' (command line, ")
    assert "line 2" in said and PASSWORD not in said
    assert "is a directory" in wrong(olfactory_config=".")
    Path("latin.toml").write_bytes(b"host = '\xe9'")
    assert "not UTF-8" in wrong(olfactory_config="latin.toml")


# Secrets


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_from_a_file(monkeypatch, name):
    text, value = EXAMPLES[name]
    monkeypatch.setenv(f"{name.upper()}_FILE", write("secret", f"  {text}\n\n"))
    assert getattr(load_settings(), name) == value


def test_keys_one_a_line_in_a_file(monkeypatch):
    monkeypatch.setenv("API_KEYS_FILE", write("keys", f"{PASSWORD}\n\n{PASSWORD}-2\n"))
    assert load_settings().api_keys.get_secret_value() == f"{PASSWORD},{PASSWORD}-2"


def test_secrets_are_what_should_be():
    assert SECRETS == ["redis_url", "database_url", "api_keys", "sensor_password"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_twice_in_one_source_is_an_error(monkeypatch, name):
    variable = name.upper()
    monkeypatch.setenv(f"{variable}_FILE", write("secret", EXAMPLES[name][0]))
    monkeypatch.setenv(variable, EXAMPLES[name][0])
    assert wrong() == f"{variable} and {variable}_FILE: got both (environment), expected one of them"


def test_a_secret_file_that_cannot_be_used(monkeypatch):
    monkeypatch.setenv("REDIS_URL_FILE", "absent")
    monkeypatch.setenv("API_KEYS_FILE", write("empty", " \n"))
    write(".env", "DATABASE_URL_FILE=absent\n")
    assert wrong().split("; ") == [
        "REDIS_URL_FILE: got 'absent' (environment, no such file or directory), expected a file with the value",
        "API_KEYS_FILE: got 'empty' (environment, it is empty), expected a file with the value",
        "DATABASE_URL_FILE: got 'absent' (.env, no such file or directory), expected a file with the value",
    ]


def test_a_file_that_is_not_needed_is_not_read(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://here")
    write(".env", "REDIS_URL_FILE=absent\n")
    assert load_settings().redis_url.get_secret_value() == "redis://here"


def test_secrets_are_not_shown(monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name.upper(), EXAMPLES[name][0])
    loaded = load_with_origins()
    for shown in (
        repr(loaded),
        str(loaded.settings),
        repr(loaded.settings),
        loaded.settings.model_dump_json(),
    ):
        assert PASSWORD not in shown
    assert PASSWORD in loaded.settings.redis_url.get_secret_value()


WRONG_SECRETS = {
    "redis_url": [PASSWORD, f"http://{PASSWORD}", f"redis://:{PASSWORD}@", f"redis://{PASSWORD}:port", f"redis://h/{PASSWORD}"],
    "database_url": [PASSWORD, f"mysql://{PASSWORD}", f"postgresql+psycopg://{PASSWORD}", f"sqlite://{PASSWORD}"],
    "api_keys": [PASSWORD[:19], f"{PASSWORD},short", f"{PASSWORD} with spaces", PASSWORD + "é"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"), [(n, text) for n, texts in WRONG_SECRETS.items() for text in texts]
)
def test_a_wrong_secret_is_not_shown(monkeypatch, name, text):
    monkeypatch.setenv(f"{name.upper()}_FILE", write("secret", text))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    told = "".join(traceback.format_exception(caught.value))
    assert PASSWORD[:12] not in told
    assert caught.value.__context__ is None
    assert str(caught.value).startswith(f"{name.upper()}: got a value that is not shown")
    assert f"(secret, named by {name.upper()}_FILE in environment), expected {allowed(name)}" in str(
        caught.value
    )
    with pytest.raises(ValidationError) as direct:
        Settings(**{name: text})
    assert PASSWORD[:12] not in str(direct.value)


def test_of_several_keys_the_wrong_one_is_told_by_its_place():
    assert "of which key 2 is not such" in wrong(api_keys=f"{PASSWORD},short,{PASSWORD}")


# What is allowed


@pytest.mark.parametrize("name", RANGES)
def test_limits_are_those_that_are_said(name):
    low, high = RANGES[name]
    assert getattr(load_settings(**{name: low}), name) == low
    assert getattr(load_settings(**{name: high}), name) == high
    for beyond in (low - 1, high + 1):
        said = wrong(**{name: beyond})
        assert said == f"{name.upper()}: got {beyond} (command line), expected {allowed(name)}"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("device", ["cpu", "Auto"], ["gpu", "cuda:0"]),
        (
            "host",
            ["0.0.0.0", "::", "fe80::1%eth0", "127.1", "localhost", "a.example", "3com.example", "10.example."],
            ["999.1.1.1", "1.2.3.4.5", "::g", "[::1]", "127.0.0.1:8000"],
        ),
        ("log_level", ["warning"], ["loud", "INFO "]),
        ("log_format", ["text"], ["xml"]),
        ("api_key_required", ["true", "FALSE", "1", "off"], ["maybe", "2"]),
        ("cache_ttl_hours", ["0.001", "87600"], ["0", "-1", "nan", "inf", "87601", "a day"]),
        ("inference_timeout", ["0.1", "3600"], ["0", "3601", "nan"]),
        ("stall_timeout", ["0.1", "3600"], ["0.05", "inf"]),
        ("batch_delay_ms", ["0", "1000"], ["-1", "1001"]),
        ("shutdown_delay", ["0", "3600"], ["-1", "3601"]),
        ("redis_timeout_ms", ["1", "10000"], ["0.5", "10001"]),
        (
            "trusted_proxies",
            ["127.0.0.1", "10.0.0.0/8,::1", "fd00::/8", " , "],
            ["10.0.0.1/8", "10.0.0.0/33", "localhost", "*", "10.0.0.0-10.0.0.9"],
        ),
        (
            "cors_origins",
            ["https://a.b-c.example:8443", "http://[::1]:3000", "http://127.0.0.1", "tauri://localhost"],
            [
                "*", "null", "https://*.example.com", "example.com", "https://example.com/", "https://example.com/a",
                "https://Example.com", "https://example.com:443", "http://example.com:80", "https://user@example.com",
                "https://example.com:99999", "https://exämple.com", "https://a.example;https://b.example",
            ],
        ),
        (
            "otel_exporter_otlp_endpoint",
            ["https://collector.example/v1", "http://[::1]:4318"],
            ["localhost:4318", "grpc://localhost:4317", "http://", "http://host:port", "http://me:pw@host"],
        ),
        (
            "redis_url",
            ["redis://localhost", "redis://localhost:6379/0", "rediss://:p@h:1", "unix:///run/redis.sock?db=1"],
            ["localhost:6379", "redis://", "redis://h/zero", "unix://", "http://h", "redis://h:99999"],
        ),
        (
            "database_url",
            ["sqlite:///keys.db", "sqlite:////var/lib/keys.db", "postgresql+psycopg:///keys"],
            [
                "keys.db", "sqlite://keys.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:k.db",
                "postgresql://h/keys", "postgresql+psycopg://h",
            ],
        ),
        (
            "sensor_port",
            ["COM3", "/dev/serial/by-id/usb-1", "mqtt://board@broker:1883/a/b", "replay:a b.csv", "simulated:7"],
            ["mqtt://board:pw@broker/nose", "/dev/tty\nUSB0", "a\x7f"],
        ),
        ("sensor_timeout", ["0.1", "3600"], ["0", "nan", "soon"]),
        ("sensor_format", ["json", "Pairs"], ["xml"]),
        ("sensor_channels", ["NO2,Gas resistance", "a\nb"], ["a,b,A", "x" * 65, "a\x7f"]),
        ("sensor_id", ["bench-1", "serial:/dev/ttyUSB0", "x" * 100], ["two words", "a#b", "a?b", "ä", "x" * 101]),
    ],
)  # fmt: skip
def test_what_is_allowed(monkeypatch, name, good, bad):
    for text in good:
        monkeypatch.setenv(name.upper(), text)
        load_settings()
    for text in bad:
        monkeypatch.setenv(name.upper(), text)
        said = wrong()
        assert said.startswith(f"{name.upper()}: got ") and said.endswith(f", expected {allowed(name)}"), text


def test_of_a_list_the_wrong_item_is_named():
    assert "got 'b.example' (command line)" in wrong(cors_origins="https://a.example,b.example")
    assert "got '10.0.0.1/8' (which has bits set beyond its mask) (command line)" in wrong(
        trusted_proxies="::1,10.0.0.1/8"
    )


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ({"metrics_port": 8000}, "METRICS_PORT: got 8000 (command line), expected another port than PORT"),
        (
            {"health_check_port": 8000},
            "HEALTH_CHECK_PORT: got 8000 (command line), expected another port than PORT",
        ),
        (
            {"health_check_port": 9090, "metrics_port": 9090},
            "METRICS_PORT: got 9090 (command line), expected another port than HEALTH_CHECK_PORT",
        ),
    ],
)
def test_two_ports_are_not_the_same(ports, message):
    assert wrong(**ports) == message


def test_any_free_port_may_be_asked_for_more_than_once():
    assert load_settings(port=0, health_check_port=0, metrics_port=0).metrics_port == 0


# What is said


def test_all_wrong_values_are_named_at_once(monkeypatch):
    monkeypatch.setenv("PORT", "eighty\n")
    monkeypatch.setenv("METRICS_PORT", "90")
    write(".env", "LOG_LEVEL=loud\nHEALTH_CHECK_PORT=90")
    write("s.toml", "batch_size = 0\nport = 1\nprot = 2")
    assert wrong(olfactory_config="s.toml", max_items=0).split("; ") == [
        "'prot' in s.toml: no such setting (near it: port), expected names of settings in lower case",
        r"PORT: got 'eighty\n' (environment), expected a whole number from 0 to 65535",
        "METRICS_PORT: got 90 (environment), expected another port than HEALTH_CHECK_PORT",
        "BATCH_SIZE: got 0 (batch_size in s.toml), expected a whole number from 1 to 1024",
        "MAX_ITEMS: got 0 (command line), expected a whole number from 1 to 100000",
        "LOG_LEVEL: got 'loud' (.env), expected DEBUG, INFO, WARNING, ERROR or CRITICAL",
    ]


def test_a_long_value_is_cut_short():
    assert len(wrong(port="9" * 10_000)) < 200
    assert len(wrong(port=["9"] * 10_000)) < 200


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_help(name):
    assert Settings.model_fields[name].description
    assert allowed(name)


def test_nothing_else_reads_the_environment():
    source = Path(__file__).resolve().parents[2] / "src" / "olfactory_transformer"
    readers = [
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if re.search(r"\bos\.environ|\bgetenv\b|from os import .*environ", path.read_text())
    ]
    assert readers == ["settings/inherited.py"]  # which hands it on to processes of our own, unread


def test_settings_can_be_written_as_json():
    assert json.loads(load_settings().model_dump_json())["port"] == 8000


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_not_everybody_is_a_trusted_proxy(network):
    with pytest.raises(SettingsError, match="which is everybody"):
        load_settings(trusted_proxies=f"10.0.0.1,{network}")
