"""`olfactory monitor`: whether servers are well, once or for ever."""

from __future__ import annotations

import json
import logging
import shlex
import signal
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import Form, FormOption

if TYPE_CHECKING:
    from rich.table import Table

    from olfactory_transformer.observe.monitor import Alert, AlertHook, HealthMonitor

_COLOURS = {"healthy": "green", "unhealthy": "yellow", "error": "red"}


def monitor(
    endpoints: Annotated[
        list[str],
        typer.Argument(metavar="URL...", help="Servers, such as http://host:8000.", show_default=False),
    ],
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two rounds of checks.")] = 60,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that a server has to answer.")] = 10,
    failures: Annotated[int, typer.Option(min=1, help="Checks in a row that fail before an alert.")] = 3,
    once: Annotated[bool, typer.Option("--once", help="Check once; a failure is an alert at once.")] = False,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Where to post alerts, as JSON with a `text`.")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(help="What to run at an alert, which it gets as JSON on standard input; no shell."),
    ] = None,
    form: FormOption = Form.TEXT,
) -> None:
    """Watch servers: is each alive (/health) and can it predict (/ready)?

    On a terminal a table that is kept up to date, otherwise a line a check. Alerts are given when a server
    has failed several times in a row and when it is well again. Ends with Ctrl-C or SIGTERM.

    Exit code: 0 when at the last look all were healthy, 1 when something was not, 2 for a wrong argument.
    """
    from olfactory_transformer.observe import alerts
    from olfactory_transformer.observe.monitor import HEALTHY, HealthMonitor

    # What is logged of each check is on the screen already; that an alert could not be given is not.
    logging.getLogger("olfactory_transformer.observe.monitor").setLevel(logging.CRITICAL + 1)
    try:
        hooks = [alerts.webhook(webhook)] if webhook is not None else []
        hooks += [alerts.command(_words(command))] if command is not None else []
        watch = HealthMonitor(
            endpoints,
            interval,
            timeout=timeout,
            failures=1 if once else failures,
            alerts=[_telling(hook) for hook in hooks],
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    last = [watch.check_all()] if once else []
    if once:
        _lines(last[0], form)
    else:
        _watch(watch, form, last)
    raise typer.Exit(0 if last and all(h["status"] == HEALTHY for h in last[-1]) else 1)


def _watch(watch: HealthMonitor, form: Form, last: list[list[dict[str, Any]]]) -> None:
    """Check until told to stop; `last` gets the latest round."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: watch.stop())
    if form is Form.TEXT and sys.stdout.isatty():
        from rich.live import Live

        screen = Live(_table([], watch), auto_refresh=False)
    else:
        screen = None
    with screen or nullcontext():

        def seen(found: list[dict[str, Any]]) -> None:
            last[:] = [found]
            if screen is not None:
                screen.update(_table(found, watch), refresh=True)
            else:
                _lines(found, form)

        watch.monitor_continuously(seen)


def _lines(found: list[dict[str, Any]], form: Form) -> None:
    when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    for health in found:
        if form is Form.JSON:
            print(json.dumps({"timestamp": when, **health}), flush=True)
        else:
            print(
                f"{when}  {health['status']:9}  {_took(health):>8}  {health['endpoint']}  {_why(health)}".rstrip()
            )
    sys.stdout.flush()


def _table(found: list[dict[str, Any]], watch: HealthMonitor) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("Server", "Status", "Answered in", "", caption=time.strftime("%H:%M:%S"))
    for health in found:
        colour = _COLOURS[health["status"]]
        table.add_row(
            escape(health["endpoint"]),
            f"[{colour}]{health['status']}[/]",
            _took(health),
            escape(_why(health)),
        )
    for endpoint in () if found else watch.endpoints:
        table.add_row(escape(endpoint), "...", "", "")
    return table


def _took(health: dict[str, Any]) -> str:
    seconds = health["response_time"]
    return "" if seconds is None else f"{seconds * 1000:.0f} ms"


def _why(health: dict[str, Any]) -> str:
    from olfactory_transformer.observe.monitor import reason

    # What a server says of itself may end up on a terminal.
    return "".join(c if c.isprintable() else "?" for c in reason(health))


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise typer.BadParameter(f"--command: {error}") from None
    if not words:
        raise typer.BadParameter("--command: got nothing, expected a program and its arguments")
    return words


def _telling(hook: AlertHook) -> AlertHook:
    """Return the hook, saying on standard error when it fails."""

    def call(alert: Alert) -> None:
        try:
            hook(alert)
        except Exception as error:  # of whatever kind, the watch goes on
            reason = type(error).__name__ if not isinstance(error, OSError) else str(error)
            typer.echo(f"olfactory: an alert could not be given: {reason}", err=True)

    return call
