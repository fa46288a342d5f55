"""`olfactory sense list`, `read` and `record`: what is connected, what it says, and keeping that in a file."""

from __future__ import annotations

import json
import math
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ConfigOption
from olfactory_transformer.cli.sense.listening import SecondsOption, SourceArgument

if TYPE_CHECKING:
    from rich.table import Table

    from olfactory_transformer.sensors.frame import Frame

_BLOCKS = "▁▂▃▄▅▆▇█"
_SHOWN = 40  # frames of a sparkline


def list_boards(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the serial ports that something is connected to."""
    from olfactory_transformer.cli.keys import print_table
    from olfactory_transformer.sensors.sources.serial import list_ports

    found = list_ports()
    if as_json:
        typer.echo(json.dumps(found))
    elif found:
        keys = ("device", "usb_id", "serial_number", "description")
        print_table(
            ("PORT", "USB ID", "SERIAL", "WHAT"), [tuple(each[key] or "-" for key in keys) for each in found]
        )
    else:
        typer.echo("nothing is connected to a serial port", err=True)


def read(
    source: SourceArgument = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="How many frames to read.")] = None,
    seconds: SecondsOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what a board says: a live table on a terminal, JSON Lines in a pipe; troubles on standard error."""
    from collections import deque

    from olfactory_transformer.cli.sense.listening import frames_of

    last: deque[Frame] = deque(maxlen=_SHOWN)
    frames = frames_of(source, config, seconds)
    if not sys.stdout.isatty():
        for place, frame in enumerate(frames, 1):
            typer.echo(json.dumps(_as_dict(frame)))
            if place == count:
                return
        return
    from rich.live import Live

    with Live(refresh_per_second=4) as live:
        for place, frame in enumerate(frames, 1):
            last.append(frame)
            live.update(_table(last))
            if place == count:
                return


def record(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new .csv or .parquet file.")],
    source: SourceArgument = None,
    seconds: SecondsOption = None,
    note: Annotated[
        list[str] | None,
        typer.Option(
            "--note", metavar="NAME=TEXT", help="What is known besides; may be given more than once."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file.")] = False,
    config: ConfigOption = None,
) -> None:
    """Record a board into a file until it ends, the time is over, or Ctrl-C; the file is whole then."""
    from olfactory_transformer.cli.sense.listening import heard_of
    from olfactory_transformer.sensors.files.writer import RecordingWriter
    from olfactory_transformer.sensors.frame import Frame

    notes = {}
    for text in note or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"got {text!r}, expected NAME=TEXT", param_hint="--note")
        notes[name] = value
    before = signal.signal(
        signal.SIGTERM, _interrupt
    )  # as Ctrl-C does, so that a service manager's end is well, too
    try:
        with RecordingWriter(out, notes, overwrite=overwrite) as writer:
            try:
                for came in heard_of(source, config, seconds):
                    if isinstance(came, Frame):
                        writer.add(came)
                    else:
                        writer.trouble(came)
                        typer.echo(f"{came.source}: {came.kind}: {came.detail}", err=True)
            except KeyboardInterrupt:
                pass
    finally:
        signal.signal(signal.SIGTERM, before)
    typer.echo(f"{out}: {writer.frames} frames, {writer.seconds:.0f} s", err=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _as_dict(frame: Frame) -> dict[str, Any]:
    values = {name: value if math.isfinite(value) else None for name, value in frame.values.items()}
    return {
        "time": round(frame.time, 3),
        "sequence": frame.sequence,
        "source": frame.source,
        "values": values,
    }


def _table(frames: Any) -> Table:
    from rich.table import Table

    last = frames[-1]
    table = Table("channel", "value", "lately", title=f"{last.source}, frame {last.sequence}")
    for name, value in last.values.items():
        table.add_row(name, f"{value:g}", sparkline([frame.values.get(name, math.nan) for frame in frames]))
    return table


def sparkline(values: list[float]) -> str:
    """Return values as a row of blocks, a space where there is none.

    >>> sparkline([1.0, 2.0, float("nan"), 3.0])
    '▁▄ █'
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return " " * len(values)
    low, span = min(known), max(known) - min(known)
    return "".join(
        " " if not math.isfinite(value) else _BLOCKS[int((value - low) / span * 7) if span else 3]
        for value in values
    )
