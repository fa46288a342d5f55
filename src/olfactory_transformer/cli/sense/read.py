"""`olfactory sense read`: what a board says, as it says it."""

from __future__ import annotations

import json
import math
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ConfigOption
from olfactory_transformer.cli.sense.listening import (
    BaudrateOption,
    SecondsOption,
    SourceArgument,
    SpeedOption,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from olfactory_transformer.sensors.frame import Frame


class Lines(StrEnum):
    """How frames are printed."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


def read(
    source: SourceArgument = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="How many frames to read.")] = None,
    seconds: SecondsOption = None,
    form: Annotated[
        Lines | None,
        typer.Option(
            "--format",
            help="table: redrawn, for a terminal; jsonl: an object a frame; csv: with the channels of the first frame.",
            show_default="table on a terminal, else jsonl",
        ),
    ] = None,
    baudrate: BaudrateOption = None,
    speed: SpeedOption = None,
    config: ConfigOption = None,
) -> None:
    """Show what a board says; troubles go to standard error.

    Exit code: 0, 1 when not one frame came, 2 when the board cannot be reached.
    """
    from olfactory_transformer.cli.sense.listening import heard_of, pace_of, until_told
    from olfactory_transformer.cli.sense.screen import Screen
    from olfactory_transformer.sensors.frame import Frame

    shown = form or (Lines.TABLE if sys.stdout.isatty() else Lines.JSONL)
    if shown is Lines.TABLE and not sys.stdout.isatty():
        raise typer.BadParameter("--format table needs a terminal, expected jsonl or csv")
    pace = pace_of(speed, shown is Lines.TABLE)
    put = None if shown is Lines.TABLE else _as_json if shown is Lines.JSONL else _csv()
    frames = 0
    with until_told() as told, Screen(sys.stdout if put is None else sys.stderr) as screen:
        for came in heard_of(source, config, seconds, baudrate=baudrate, speed=pace, stop=told):
            if not isinstance(came, Frame):
                screen.trouble(came)
                continue
            frames += 1
            if put is None:
                screen.frame(came)
            else:
                print(put(came), flush=True)
            if frames == count:
                break
    if not frames:
        typer.echo("olfactory: not one frame came", err=True)
        raise typer.Exit(1)


def _as_json(frame: Frame) -> str:
    """Return a frame as a line of a file that `read_recording` reads."""
    values = {name: value if math.isfinite(value) else None for name, value in frame.values.items()}
    said: dict[str, Any] = {"time": round(frame.time, 6), "sequence": frame.sequence, "source": frame.source}
    if frame.device_time is not None:
        said["device_time"] = frame.device_time
    return json.dumps(said | {"values": values})


def _csv() -> Callable[[Frame], str]:
    """Return what makes lines of frames, a header before the first; a channel that comes later has no column."""
    import csv
    import io

    names: list[str] = []
    told: set[str] = set()

    def row(cells: list[str]) -> str:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(cells)
        return line.getvalue()

    def put(frame: Frame) -> str:
        lines = []
        if not names:
            names.extend(frame.values)
            lines.append(row(["time", *names]))
        if new := set(frame.values) - set(names) - told:
            told.update(new)
            typer.echo(f"olfactory: no column for {', '.join(sorted(new))}; jsonl has all channels", err=True)
        cells = [frame.values.get(name, math.nan) for name in names]
        lines.append(row([f"{round(frame.time, 6):.16g}", *(f"{v:.9g}" if v == v else "" for v in cells)]))
        return "\n".join(lines)

    return put
