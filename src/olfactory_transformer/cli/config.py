"""`olfactory config`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ConfigOption

if TYPE_CHECKING:
    from olfactory_transformer.settings import Loaded

HIDDEN = "(hidden)"


class ConfigForm(StrEnum):
    """How settings are printed."""

    TEXT = "text"
    JSON = "json"
    TOML = "toml"


def config(
    config: ConfigOption = None,
    form: Annotated[
        ConfigForm, typer.Option("--format", help="A table, a JSON object, or a file that --config takes.")
    ] = ConfigForm.TEXT,
    check: Annotated[
        bool,
        typer.Option("--check", help="Print no settings; the exit code is 2 if the server would not start."),
    ] = False,
) -> None:
    """Print every setting, its value, and where that came from. Secrets are hidden.

    Without other options, this is what `olfactory serve` would start with here. `--check` also looks for the model,
    the optional parts and the database's folder; not whether ports are free and other servers answer.
    """
    from olfactory_transformer.settings import load_with_origins

    loaded = load_with_origins(olfactory_config=config)
    if check:
        from olfactory_transformer.cli.checking import faults
        from olfactory_transformer.core.errors import SettingsError

        if found := list(faults(loaded.settings)):
            raise SettingsError("; ".join(found))
        typer.echo("The settings are right.")
        return
    printers = {ConfigForm.TEXT: _table, ConfigForm.JSON: _json, ConfigForm.TOML: _toml}
    for line in printers[form](loaded):
        typer.echo(line)


def _rows(loaded: Loaded) -> Iterator[tuple[str, Any, str]]:
    """Yield name, value (a str, a number, a truth value or None) and origin of each setting."""
    from pydantic import SecretStr

    for name, origin in loaded.origins.items():
        value = getattr(loaded.settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value() if origin == "default" else HIDDEN
        elif isinstance(value, Path):
            value = str(value)
        yield name, value, origin if origin.isprintable() else ascii(origin)


def _table(loaded: Loaded) -> Iterator[str]:
    rows = [("SETTING", "VALUE", "FROM")]
    rows += [(name.upper(), _printable(value), origin) for name, value, origin in _rows(loaded)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        yield f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}"


def _printable(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, str):
        return value if value.isprintable() else ascii(value)
    return json.dumps(value)


def _json(loaded: Loaded) -> Iterator[str]:
    yield json.dumps(
        {name: {"value": value, "from": origin} for name, value, origin in _rows(loaded)},
        indent=2,
        ensure_ascii=False,
    )


def _toml(loaded: Loaded) -> Iterator[str]:
    """Yield lines of a file that gives the same settings; what cannot stand in it is a comment."""
    for name, value, origin in _rows(loaded):
        if value is None or value == HIDDEN or name == "olfactory_config":
            yield f"# {name} = {'' if value is None else value}  # {origin}"
        else:
            # TOML writes numbers, truth values and texts as JSON does, but for one character.
            text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            yield f"{name} = {text}  # {origin}"
