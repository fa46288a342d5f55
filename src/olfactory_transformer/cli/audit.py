"""`olfactory audit`: who asked a server what."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from olfactory_transformer.cli.keys import opened, print_table
from olfactory_transformer.cli.options import ConfigOption, Form

app = typer.Typer(no_args_is_help=True, help="Read and shorten the audit log.")


@app.command("list")
def list_rows(
    key: Annotated[str | None, typer.Option(metavar="ID", help="Only requests with this key.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Show so many; 0 shows all.")] = 50,
    form: Annotated[Form, typer.Option("--format", help="A table, or a JSON object a line.")] = Form.TEXT,
    config: ConfigOption = None,
) -> None:
    """List requests, the newest first. Times are in UTC."""
    from olfactory_transformer.database.audit import AuditStore

    with opened(config) as database:
        rows = AuditStore(database).newest(limit or None, key_id=key)
        if form is Form.JSON:
            for row in rows:
                print(json.dumps({**asdict(row), "at": row.at.isoformat()}))
            return
        head = ("AT", "STATUS", "TIMES", "ITEMS", "KEY", "ADDRESS", "REQUEST", "NAME")
        cells = [
            (
                f"{row.at:%Y-%m-%d %H:%M:%S}Z",
                str(row.status),
                str(row.times),
                _or_dash(row.items),
                _or_dash(row.key_id),
                _or_dash(row.address),
                f"{row.method} {row.route}",
                _or_dash(row.name),
            )
            for row in rows
        ]
        if cells:
            print_table(head, cells)
        else:
            typer.echo(f"There are no such requests in {database.shown}.", err=True)


@app.command()
def prune(
    older_than: Annotated[float, typer.Option(metavar="DAYS", min=0, help="Delete what is older than this.")],
    config: ConfigOption = None,
) -> None:
    """Delete the older part of the log."""
    from olfactory_transformer.database.audit import AuditStore

    with opened(config) as database:
        count = AuditStore(database).prune(older_than)
        typer.echo(f"Deleted {count} rows from {database.shown}.", err=True)


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)
