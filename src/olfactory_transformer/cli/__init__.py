"""The `olfactory` command; one file a command. Each command imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from olfactory_transformer import __version__
from olfactory_transformer.cli import (
    audit,
    cache,
    config,
    data,
    evaluate,
    explain,
    keys,
    monitor,
    predict,
    sense,
    serve,
    similar,
    teach,
    train,
    train_sensors,
)
from olfactory_transformer.core.errors import OlfactoryError

FAILED = 2  # of a command that could not be done at all; 1 is for one that found faults


class _Commands(TyperGroup):
    """Turns what may go wrong in any command into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # or a closed pipe would only show when Python exits
            return result
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except BrokenPipeError:
            _discard_output()  # whoever read has had enough, as `head` has
            raise typer.Exit(0) from None
        except OlfactoryError as error:
            typer.echo(f"olfactory: {error}", err=True)
            raise typer.Exit(FAILED) from None
        except OSError as error:
            _discard_output()  # it may be standard output that is full
            where = f"{error.filename}: " if error.filename else ""
            typer.echo(f"olfactory: {where}{error.strerror or error}", err=True)
            raise typer.Exit(FAILED) from None


def _discard_output() -> None:
    """Send what cannot be written nowhere, or Python would fail on it once more when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    name="olfactory",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Says what molecules smell like, how strong and how sure.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"olfactory-transformer {__version__}")
        raise typer.Exit


@app.callback()
def _olfactory(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


app.command("predict")(predict.predict)
app.command("explain")(explain.explain)
app.command("similar")(similar.similar)
app.command("serve")(serve.serve)
app.command("monitor")(monitor.monitor)
app.command("config")(config.config)
app.add_typer(cache.app, name="cache")
app.add_typer(sense.app, name="sense")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.command("data")(data.data)
app.command("pretrain")(train.pretrain)
app.command("teach")(teach.teach)
app.command("train")(train.train)
app.command("train-sensors")(train_sensors.train_sensors)
app.command("cross-validate")(train.cross_validate)
app.command("evaluate")(evaluate.evaluate)


def main() -> None:
    """Run the command line."""
    # Streams that whoever started us has closed. What is asked for on standard output must not vanish.
    for name, mode in (("stdin", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    if sys.stdout is None:
        sys.stderr.write("olfactory: standard output is closed\n")
        sys.exit(FAILED)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
