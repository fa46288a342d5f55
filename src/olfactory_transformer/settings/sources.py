"""Where settings come from, in order; the first that has a value counts."""

from __future__ import annotations

import difflib
import io
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv.parser import Binding, parse_stream
from pydantic import create_model
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from olfactory_transformer.core.errors import shown
from olfactory_transformer.settings.fields import Settings, is_secret

DOTENV = Path(".env")
_SECRETS = tuple(name for name in Settings.model_fields if is_secret(name))
# A secret can also be the content of a file, which is named by a variable of its own.
_Readable: type[Settings] = create_model(
    "_Readable",
    __base__=Settings,
    **{f"{name}_file": (str | None, None) for name in _SECRETS},  # type: ignore[call-overload]
)


@dataclass(frozen=True, slots=True)
class Found:
    """A value as its source has it, unchecked, and which source that is, in words."""

    value: Any
    origin: str


def gather(overrides: Mapping[str, object]) -> tuple[dict[str, Found], list[str]]:
    """Ask all sources.

    Parameters
    ----------
    overrides : mapping of str to object
        By the name of the field; None is no value.

    Returns
    -------
    dict of str to Found
        The value of each setting that any source has.
    list of str
        What is wrong with the sources themselves, a sentence each.
    """
    gathered = _Gathered()
    gathered.take(
        _Source("command line", {name: value for name, value in overrides.items() if value is not None})
    )
    gathered.take(_Source("environment", EnvSettingsSource(_Readable)()))
    gathered.take_dotenv(DOTENV)
    if (config := gathered.found.get("olfactory_config")) is not None:
        gathered.take_toml(config)
    return gathered.found, gathered.problems


@dataclass(frozen=True, slots=True)
class _Source:
    """Values of one source by the name of the field; in a file of `in_file`, keys are those names themselves."""

    name: str
    values: Mapping[str, Any]
    in_file: bool = False

    def origin(self, field: str) -> str:
        return f"{field} in {self.name}" if self.in_file else self.name

    def label(self, field: str) -> str:
        """What the field is called there."""
        return field if self.in_file else field.upper()


class _Gathered:
    """What was found so far, and what was wrong with it."""

    def __init__(self) -> None:
        self.found: dict[str, Found] = {}
        self.problems: list[str] = []

    def take(self, source: _Source) -> None:
        """Take the settings that no source before had."""
        for name in _SECRETS:
            if name in source.values and f"{name}_file" in source.values:
                names = f"{source.label(name)} and {source.label(f'{name}_file')}"
                self.problems.append(f"{names}: got both ({source.name}), expected one of them")
        for name in Settings.model_fields:
            if name in self.found:
                continue
            if name in source.values:
                self.found[name] = Found(source.values[name], source.origin(name))
            elif f"{name}_file" in source.values:
                self._take_file(name, source)

    def _take_file(self, name: str, source: _Source) -> None:
        variable = f"{name}_file"
        path, origin = source.values[variable], source.origin(variable)
        try:
            content = Path(path).read_text("utf-8-sig").strip()
        except (OSError, TypeError, ValueError) as error:
            reason = _reason(error)
        else:
            if content:
                self.found[name] = Found(
                    content, f"{path}, named by {source.label(variable)} in {source.name}"
                )
                return
            reason = "it is empty"
        self.problems.append(
            f"{variable.upper()}: got {brief(path)} ({origin}, {reason}), expected a file with the value"
        )

    def take_dotenv(self, path: Path) -> None:
        """Take what is in a file of NAME=value; it may hold other programs' variables, and is often not there."""
        if not os.access(path.parent, os.X_OK):
            return  # a folder that we may not look into has none for us
        try:
            lines = list(parse_stream(io.StringIO(path.read_text("utf-8-sig"))))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            # Also a folder, which Docker makes of a file to be mounted that is not there; not a virtual environment.
            if not (path / "pyvenv.cfg").exists():
                self.problems.append(f"{path}: {_reason(error)}, expected lines of NAME=value")
            return
        # Left out, a line such as "API_KEY_REQUIRED true" would open the server; and a quote without its end, of
        # whatever variable, takes lines after it along. Not quoted: it may be a secret.
        wrong = [line.original.line for line in lines if line.error or _names_a_setting_only(line)]
        self.problems += [f"{path}, line {number}: not NAME=value" for number in wrong]
        if not wrong:  # or python-dotenv would log the same once more
            reader = DotEnvSettingsSource(
                _Readable, path, env_file_encoding="utf-8-sig", dotenv_filtering="only_existing"
            )
            self.take(_Source(str(path), reader()))

    def take_toml(self, config: Found) -> None:
        """Take what is in the TOML file that somebody named."""
        try:
            values = tomllib.loads(Path(config.value).read_text("utf-8-sig"))
        except (OSError, TypeError, ValueError) as error:
            self.problems.append(
                f"OLFACTORY_CONFIG: got {shown(str(config.value))} ({config.origin}, {_reason(error)}), "
                "expected a TOML file"
            )
            return
        # A file that names another would be a chain.
        known = [name for name in _Readable.model_fields if name != "olfactory_config"]
        for key in [key for key in values if key not in known]:
            near = difflib.get_close_matches(key.lower(), known, cutoff=0.7)
            hint = f" (near it: {', '.join(near)})" if near else ""
            self.problems.append(
                f"{shown(key)} in {config.value}: no such setting{hint}, expected names of settings in lower case"
            )
        given = {name: value for name, value in values.items() if name in known and value != ""}
        self.take(_Source(str(config.value), given, in_file=True))


def _names_a_setting_only(line: Binding) -> bool:
    """Tell whether a line has the name of a setting and no value; of another program it may mean something."""
    return line.value is None and line.key is not None and line.key.lower() in _Readable.model_fields


def brief(value: object) -> str:
    """Return any value as a short, printable text.

    >>> brief("text"), brief(8000.5), brief([1] * 1000)[:10]
    ("'text'", '8000.5', "'[1, 1, 1,")
    """
    if isinstance(value, str):
        return shown(value)
    text = repr(value)
    return text if len(text) <= 60 and text.isprintable() else shown(text)


def _reason(error: Exception) -> str:
    if isinstance(error, TypeError):
        return "not a path"
    if isinstance(error, OSError):
        return (error.strerror or "not readable").lower()
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error)
