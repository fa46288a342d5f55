"""`olfactory sense record`: what a board says, kept in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olfactory_transformer.cli.options import ConfigOption
from olfactory_transformer.cli.sense.listening import (
    BaudrateOption,
    SecondsOption,
    SourceArgument,
    SpeedOption,
)

if TYPE_CHECKING:
    from olfactory_transformer.cli.sense.screen import Screen
    from olfactory_transformer.sensors.files import RecordingWriter
    from olfactory_transformer.sensors.frame import Frame
    from olfactory_transformer.sensors.recording import Recording
    from olfactory_transformer.sensors.sources.contract import Trouble


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
    baudrate: BaudrateOption = None,
    speed: SpeedOption = None,
    config: ConfigOption = None,
) -> None:
    """Record a board until its end, the time is over, Ctrl-C or SIGTERM; the file is whole then.

    A board that goes away leaves a gap, and is gone on with when it is back. Troubles are told on standard error, and
    counted in the notes.

    Exit code: 0, 1 when not one frame came, 2 when nothing, or nothing more, could be written.
    """
    from olfactory_transformer.cli.sense.listening import heard_of, pace_of, until_told
    from olfactory_transformer.cli.sense.screen import Screen
    from olfactory_transformer.sensors.files import RESERVED, RecordingWriter
    from olfactory_transformer.sensors.frame import Frame

    pace = pace_of(speed, sys.stderr.isatty())
    replayed = _replayed(source, config)
    notes = {**_board(source, config), **_notes(note or [])}
    if replayed is not None:
        notes = {name: text for name, text in replayed.notes.items() if name not in RESERVED} | notes
    writer = RecordingWriter(out, notes, overwrite=overwrite)
    if replayed is not None:
        writer.restore(replayed)
    try:
        with writer, until_told() as told, Screen(sys.stderr, str(out)) as screen:
            for came in heard_of(source, config, seconds, baudrate=baudrate, speed=pace, stop=told):
                if isinstance(came, Frame):
                    _keep(writer, came, screen)
                else:
                    writer.trouble(came)
                    screen.trouble(came)
    except OSError:
        if writer.frames:
            typer.echo(f"olfactory: {writer.frames} frames are kept in {writer.kept_in}", err=True)
        raise
    if not writer.frames:
        typer.echo("olfactory: not one frame came; there is no file", err=True)
        raise typer.Exit(1)
    typer.echo(f"{out}: {writer.frames} frames, {writer.seconds:.0f} s{_troubles(writer)}", err=True)


def _keep(writer: RecordingWriter, frame: Frame, screen: Screen) -> None:
    """Write a frame; one that no file can hold is told of and counted."""
    from olfactory_transformer.core.errors import RecordingError
    from olfactory_transformer.sensors.sources.contract import Trouble

    try:
        writer.add(frame)
    except RecordingError as error:
        trouble: Trouble = Trouble("garbled", str(error), frame.time, frame.source)
        writer.trouble(trouble)
        screen.trouble(trouble)
    else:
        screen.frame(frame)


def _notes(texts: list[str]) -> dict[str, str]:
    notes = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"got {text!a}, expected NAME=TEXT", param_hint="--note")
        notes[name] = value
    return notes


def _replayed(source: str | None, config: Path | None) -> Recording | None:
    """Return the recording that is to be played again, so that its notes go with it."""
    from olfactory_transformer.core.errors import RecordingError
    from olfactory_transformer.sensors.files import read_recording
    from olfactory_transformer.settings import load_settings

    kind, _, path = (source or load_settings(olfactory_config=config).sensor_port or "").partition(":")
    try:
        return read_recording(path) if kind == "replay" else None
    except (OSError, RecordingError):
        return None  # the source says why


def _board(source: str | None, config: Path | None) -> dict[str, str]:
    """Return what the board is called, and which calibration of it counts now."""
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.cli.sense.listening import board_named
    from olfactory_transformer.core.errors import DatabaseError
    from olfactory_transformer.database.calibrations import CalibrationStore

    board, sensor = board_named(source, config)
    if board.kind not in ("serial", "mqtt"):
        return {}
    notes = {"sensor": sensor}
    try:
        with opened(config) as database:
            current = CalibrationStore(database).current(notes["sensor"])
    except DatabaseError as error:
        typer.echo(f"olfactory: {error}; the notes name no calibration", err=True)
        return notes
    return notes if current is None else {**notes, "calibration": str(current.id)}


def _troubles(writer: RecordingWriter) -> str:
    return "".join(f", {count} {kind}" for kind, count in writer.troubles.items())
