"""`olfactory keys`: who may ask a server that needs API keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ConfigOption, Form, FormOption

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from olfactory_transformer.database.engine import Database
    from olfactory_transformer.database.keys import KeyRecord

app = typer.Typer(no_args_is_help=True, help="Make, list, revoke and renew API keys.")
_SEEN = "Servers take notice within 5 seconds."


class Scope(StrEnum):
    """What a key may do."""

    PREDICT = "predict"
    ADMIN = "admin"
    SENSORS = "sensors"


KeyArgument = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people to read.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            help="What it may do; may be given more than once. One does not include another.",
            show_default="predict",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000,
            help="Requests a minute.",
            show_default="the server's RATE_LIMIT_PER_MINUTE",
        ),
    ] = None,
    days: Annotated[
        float | None, typer.Option(min=0, help="Days until it expires.", show_default="never")
    ] = None,
    form: FormOption = Form.TEXT,
    config: ConfigOption = None,
) -> None:
    """Make a key, and print it: this once, as only its digest is kept.

    The database (DATABASE_URL) is made or brought up to date first. The key alone goes to standard output.
    """
    from olfactory_transformer.database.keys import KeyStore

    scopes = [one.value for one in scope or [Scope.PREDICT]]
    with opened(config, make=True) as database, _arguments():
        text, record = KeyStore(database).create(name, scopes, limit_per_minute=limit, days=days)
        _print_key(text, record, form)
        typer.echo(f"The key {record.id} was made in {database.shown}. It is not shown again.", err=True)


@app.command("list")
def list_keys(form: FormOption = Form.TEXT, config: ConfigOption = None) -> None:
    """List all keys, also those that have expired or were revoked. No secret is shown: none is known."""
    from olfactory_transformer.database.keys import KeyStore

    with opened(config) as database:
        records = KeyStore(database).list()
        if form is Form.JSON:
            print(json.dumps({"keys": [members(record) for record in records]}))
        elif records:
            print_table(
                ("ID", "STATE", "SCOPES", "LIMIT", "CREATED", "EXPIRES", "LAST USED", "NAME"),
                [
                    (
                        record.id,
                        record.state().value,
                        ",".join(sorted(record.scopes)),
                        str(record.limit_per_minute or "-"),
                        moment(record.created),
                        moment(record.expires),
                        moment(record.last_used),
                        record.name,
                    )
                    for record in records
                ],
            )
        else:
            typer.echo(f"There are no keys in {database.shown}.", err=True)


@app.command()
def revoke(key: KeyArgument, form: FormOption = Form.TEXT, config: ConfigOption = None) -> None:
    """Make a key useless, for ever."""
    from olfactory_transformer.database.keys import KeyStore

    with opened(config) as database:
        record = KeyStore(database).revoke(key)
        if form is Form.JSON:
            print(json.dumps(members(record)))
        typer.echo(f"The key {record.id} ({record.name}) is revoked. {_SEEN}", err=True)


@app.command()
def rotate(
    key: KeyArgument,
    grace_hours: Annotated[
        float, typer.Option(min=0, max=8760, help="Hours in which the old secret goes on to be valid.")
    ] = 0,
    form: FormOption = Form.TEXT,
    config: ConfigOption = None,
) -> None:
    """Give a key a new secret, and print it: this once. The id, name, scopes and limits stay."""
    from olfactory_transformer.database.keys import KeyStore

    with opened(config) as database, _arguments():
        text, record = KeyStore(database).rotate(key, grace_hours)
        _print_key(text, record, form)
        old = f"is valid until {moment(record.previous_until)}" if grace_hours else "is no longer valid"
        typer.echo(f"The key {record.id} has a new secret; the old one {old}. {_SEEN}", err=True)


@contextmanager
def opened(config: Path | None, *, make: bool = False) -> Iterator[Database]:
    """Open the database of the settings; made if it is missing and `make`, and brought up to date."""
    from olfactory_transformer.database.engine import Database
    from olfactory_transformer.database.upgrade import upgrade
    from olfactory_transformer.settings import load_settings

    database = Database(load_settings(olfactory_config=config).database_url.get_secret_value())
    try:
        if make or not database.is_absent:
            upgrade(database)
        yield database
    finally:
        database.close()


def members(record: KeyRecord) -> dict[str, Any]:
    """Return what a program wants to know of a key; neither its text nor its digest."""
    return {
        "id": record.id,
        "name": record.name,
        "state": record.state().value,
        "scopes": sorted(record.scopes),
        "limit_per_minute": record.limit_per_minute,
        "created": record.created.isoformat(),
        "expires": record.expires and record.expires.isoformat(),
        "revoked": record.revoked and record.revoked.isoformat(),
        "last_used": record.last_used and record.last_used.isoformat(),
    }


def moment(value: datetime | None) -> str:
    """Return a moment for people, in UTC.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 5, 1, 12, tzinfo=UTC)), moment(None)
    ('2026-05-01 12:00Z', '-')
    """
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M}Z"


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns as wide as they need to be; the last is not padded."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def _print_key(text: str, record: KeyRecord, form: Form) -> None:
    print(json.dumps({"key": text, **members(record)}) if form is Form.JSON else text)


@contextmanager
def _arguments() -> Iterator[None]:
    """Tell of a wrong argument as the command line does of others."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
