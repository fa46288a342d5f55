"""Every setting of the package, and the only place that reads the environment.

Names are those of the deployment guide. A setting is here only if it changes something.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from olfactory_transformer.core.errors import SettingsError, shown

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def _setting(default: Any, help_text: str, allowed: str, **limits: Any) -> Any:
    return Field(default, description=help_text, json_schema_extra={"allowed": allowed}, **limits)


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class Settings(BaseSettings):
    """The settings of one process, read once when it starts; see `load_settings`.

    Each field is the environment variable of the same name in capitals. A variable that is set to nothing
    counts as not set.
    """

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", frozen=True, protected_namespaces=(), validate_default=True
    )

    model_path: str = _setting(
        "olfactory-base-v1",
        "The model to serve: a folder written by save_pretrained, or the name of a bundled model.",
        "a folder or the name of a bundled model",
        min_length=1,
    )
    tokenizer_path: str | None = _setting(
        None,
        "Another folder to take tokenizer.json from; it must have the model's vocabulary. "
        "Not set: the model's own folder.",
        "a folder with a tokenizer.json",
        min_length=1,
    )
    host: str = _setting(
        "127.0.0.1",
        "Address the server listens on. The default is reached from this machine only; "
        "0.0.0.0 is every IPv4 interface.",
        "an address or host name of this machine",
        min_length=1,
    )
    port: int = _setting(
        8000,
        "Port the server listens on; 0 takes any free one and logs which.",
        "a whole number from 0 to 65535",
        ge=0,
        le=65535,
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = _setting(
        "INFO",
        "Least severe messages that are logged. DEBUG adds the messages of unexpected exceptions, "
        "which may name molecules.",
        "DEBUG, INFO, WARNING, ERROR or CRITICAL",
    )
    batch_size: int = _setting(
        32,
        "Molecules handed to the model at a time. A longer list is worked off in parts, between which other "
        "requests get their turn.",
        "a whole number from 1 to 1024",
        ge=1,
        le=1024,
    )
    max_items: int = _setting(
        1000, "Molecules in one request.", "a whole number from 1 to 100000", ge=1, le=100_000
    )
    max_body_bytes: int = _setting(
        2 * 2**20,
        "Bytes of one request's body; a longer one is refused before it is read whole.",
        "a whole number from 1024 to 1073741824",
        ge=2**10,
        le=2**30,
    )
    shutdown_timeout: int = _setting(
        20,
        "Seconds that requests in progress have to finish after SIGTERM or Ctrl-C; "
        "what is left then is cut off.",
        "a whole number from 1 to 3600",
        ge=1,
        le=3600,
    )
    olfactory_data_dir: Path = _setting(
        Path("../shared/data"), "Folder of the data that training and evaluation read.", "a folder"
    )


def load_settings(**overrides: object) -> Settings:
    """Read the environment.

    Parameters
    ----------
    **overrides : object
        Values that go before the environment, such as those of the command line; None is no value.

    Raises
    ------
    SettingsError
        Naming each wrong setting, the value it has, and what is allowed.

    Examples
    --------
    >>> load_settings(port=9000).port
    9000
    >>> load_settings(port="many")
    Traceback (most recent call last):
    ...
    olfactory_transformer.core.errors.SettingsError: PORT: got 'many', expected a whole number from 0 to 65535
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("; ".join(_wrong(str(e["loc"][0]), e["input"]) for e in error.errors())) from None


def allowed(name: str) -> str:
    """Return in words which values the setting takes.

    >>> allowed("port")
    'a whole number from 0 to 65535'
    """
    extra = Settings.model_fields[name].json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


def _wrong(name: str, value: object) -> str:
    got = shown(value) if isinstance(value, str) else repr(value)
    return f"{name.upper()}: got {got}, expected {allowed(name)}"
