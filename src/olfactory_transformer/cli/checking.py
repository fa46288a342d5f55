"""What `olfactory config --check` holds against this machine: what the server would need, and not find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from olfactory_transformer.core.errors import MissingExtra, OlfactoryError
from olfactory_transformer.inference.defaults import DEFAULT_NOSE
from olfactory_transformer.settings import Settings


def faults(settings: Settings) -> Iterator[str]:
    """Yield why a server would not start here, as far as that can be told without starting one.

    Nothing is made or changed, and nobody is asked. So it is not told whether a port is free, an address is this
    machine's, or Redis, PostgreSQL or a collector answers.

    Parameters
    ----------
    settings : Settings

    Examples
    --------
    >>> list(faults(Settings(model_path="/nowhere")))
    ["MODEL_PATH: no model '/nowhere': expected a folder, or a bundled model (olfactory-base-v1)"]
    """
    checks: list[tuple[str, Callable[[], None]]] = [
        ("MODEL_PATH", partial(_model, settings.model_path)),
        ("DATABASE_URL", partial(_database, settings)),
    ]
    if settings.tokenizer_path is not None:
        checks.append(("TOKENIZER_PATH", partial(_tokenizer, settings.tokenizer_path)))
    if settings.device == "cuda":
        checks.append(("DEVICE", _cuda))
    if settings.redis_url is not None:
        checks.append(("REDIS_URL", partial(_extra, "redis", "redis", "Redis")))
    if settings.otel_exporter_otlp_endpoint is not None:
        module = "opentelemetry.exporter.otlp.proto.http"
        checks.append(("OTEL_EXPORTER_OTLP_ENDPOINT", partial(_extra, module, "tracing", "tracing")))
    if settings.nose_model_path != DEFAULT_NOSE:
        checks.append(("NOSE_MODEL_PATH", partial(_nose, settings.nose_model_path)))
    if settings.sensor_port is not None:
        checks.append(("SENSOR_PORT", partial(_board, settings.sensor_port)))
    for name, check in checks:
        try:
            check()
        except OlfactoryError as error:
            yield f"{name}: {str(error).removeprefix(f'{name}: ')}"


def _model(model: str) -> None:
    from olfactory_transformer.model.folder import read_config, resolve, verify

    folder = resolve(model)
    verify(folder)
    read_config(folder)


def _tokenizer(folder: str | Path) -> None:
    from olfactory_transformer.model.tokenizer import MoleculeTokenizer

    MoleculeTokenizer.from_pretrained(folder)


def _cuda() -> None:
    from olfactory_transformer.inference.runtime import providers

    providers("cuda")


def _database(settings: Settings) -> None:
    from olfactory_transformer.database.engine import Database

    database = Database(settings.database_url.get_secret_value())
    if settings.api_key_required:  # otherwise the server leaves the file alone until somebody sends a key
        database.check_file()


def _nose(model: str) -> None:
    from olfactory_transformer.model.folder import NOSE, resolve, verify

    verify(resolve(model, NOSE), NOSE)


def _board(port: str) -> None:
    if port.startswith(("mqtt://", "mqtts://")):
        _extra("paho.mqtt.client", "sensors", "a board over MQTT")
    elif not port.startswith(("replay:", "simulated")):
        _extra("serial", "sensors", "a board on a serial port")


def _extra(module: str, extra: str, what: str) -> None:
    try:
        found = find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is a part of
        found = False
    if not found:
        raise MissingExtra(extra, what)
