"""From all sources to settings that are right, or one error that says all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from olfactory_transformer.core.errors import SettingsError
from olfactory_transformer.settings import checks
from olfactory_transformer.settings.fields import Settings, allowed, is_secret
from olfactory_transformer.settings.sources import Found, brief, gather

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where the value of each came from.

    Parameters
    ----------
    settings : Settings
    origins : mapping of str to str
        For every field, in words: `default`, `command line`, `environment`, `.env`, or a file and its key.
    """

    settings: Settings
    origins: Mapping[str, str]


def load_settings(**overrides: object) -> Settings:
    """Read the settings from all sources.

    Parameters
    ----------
    **overrides : object
        Values that go before all else, such as those of the command line; None is no value. `olfactory_config`
        names the TOML file.

    Raises
    ------
    SettingsError
        Naming each wrong setting, the value it has (unless it is a secret), where that came from, and what is
        allowed.

    Examples
    --------
    >>> load_settings(port=9000).port
    9000
    >>> load_settings(port="many")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    olfactory_transformer.core.errors.SettingsError: PORT: got 'many' (command line), expected a whole number from ...
    """
    return load_with_origins(**overrides).settings


def load_with_origins(**overrides: object) -> Loaded:
    """Read the settings as `load_settings` does, and tell where each came from.

    Examples
    --------
    >>> load_with_origins(port=9000).origins["port"]
    'command line'
    """
    unknown = [name for name in overrides if name not in Settings.model_fields]
    if unknown:
        raise TypeError(f"no such setting: {', '.join(unknown)}")
    found, problems = gather(overrides)
    settings = None
    try:
        settings = Settings(**{name: each.value for name, each in found.items()})
    except ValidationError as error:
        problems += [_wrong(detail, found) for detail in error.errors()]
    if settings is None or problems:  # outside of `except`, as what was caught there holds secrets
        raise SettingsError("; ".join(problems))
    origins = {name: found[name].origin if name in found else DEFAULT for name in Settings.model_fields}
    return Loaded(settings, origins)


def _wrong(detail: ErrorDetails, found: Mapping[str, Found]) -> str:
    name = str(detail["loc"][0])
    value, origin = (found[name].value, found[name].origin) if name in found else ("", DEFAULT)
    context = detail.get("ctx", {}) if detail["type"] == checks.WRONG else {}
    got = context.get("got") or ("a value that is not shown" if is_secret(name) else brief(value))
    return f"{name.upper()}: got {got} ({origin}), expected {context.get('expected') or allowed(name)}"
