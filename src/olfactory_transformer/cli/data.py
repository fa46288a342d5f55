"""`olfactory data`: the sources the model is trained on, and whether a folder has them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from olfactory_transformer.train.sources import Check, Source


def data(
    folder: Annotated[
        Path | None,
        typer.Argument(help="The folder to verify.", show_default="$OLFACTORY_DATA_DIR, or ../shared/data"),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the files of a folder by their SHA-256.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the data sources with their licences, or verify a folder of them (exit code 1 if it differs)."""
    from olfactory_transformer.core.errors import DataError
    from olfactory_transformer.settings import load_settings
    from olfactory_transformer.train.sources import SOURCES, check

    if not verify:
        if as_json:
            typer.echo(json.dumps([asdict(source) for source in SOURCES], indent=1, ensure_ascii=False))
        else:
            _list(SOURCES)
        return
    folder = folder or load_settings().olfactory_data_dir
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected the data sources that `olfactory data` lists")
    checks = check(folder)
    if as_json:
        states = [{**asdict(found.source), "state": found.state} for found in checks]
        typer.echo(json.dumps(states, indent=1, ensure_ascii=False))
    else:
        _report(checks, folder)
    if any(found.state != "ok" for found in checks):
        raise typer.Exit(1)


def _list(sources: tuple[Source, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False)
    for heading in ("file", "rows", "what and whence", "licence"):
        alone = heading in ("file", "rows")
        table.add_column(heading, justify="right" if heading == "rows" else "left", no_wrap=alone)
    for source in sources:
        cells = (source.file, f"{source.rows:,}", f"{source.what}\n{source.origin}", source.licence)
        table.add_row(*(Text(cell) for cell in cells), end_section=True)
    Console().print(table)


def _report(checks: list[Check], folder: Path) -> None:
    for found in checks:
        typer.echo(f"{found.state:<10} {found.source.file}")
    good = sum(found.state == "ok" for found in checks)
    typer.echo(f"{folder}: {good} of {len(checks)} files are as expected", err=True)
