"""What commands that name or judge smells share: recordings of files, frames of a source, the taught smells."""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from olfactory_transformer.core.errors import OlfactoryError
    from olfactory_transformer.inference.nose.enrolment import Enrolled
    from olfactory_transformer.inference.nose.naming import Namer
    from olfactory_transformer.sensors.frame import Frame
    from olfactory_transformer.sensors.recording import Recording
    from olfactory_transformer.sensors.sources.contract import Trouble

_TICK = 0.5  # seconds that are waited for a frame before it is looked whether the time is over


class Smells(StrEnum):
    """What a recording may be named."""

    AUTO = "auto"
    OWN = "own"
    BASE = "base"
    BOTH = "both"


SourceArgument = Annotated[
    str | None,
    typer.Argument(
        help="The board: a serial port, mqtt://HOST/TOPIC, replay:FILE or another source of frames.",
        show_default="$SENSOR_PORT",
    ),
]
SmellsOption = Annotated[
    Smells,
    typer.Option(
        help="own: what you taught it; base: what the model knows; both: own ones first; auto: own once there are any, "
        "else base."
    ),
]
NoseOption = Annotated[
    str | None,
    typer.Option(
        "--nose",
        help="A model folder, or the name of a bundled model.",
        show_default="$NOSE_MODEL_PATH, or smellnet-base-v1",
    ),
]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", min=1, help="How long to listen.", show_default="until Ctrl-C")
]


def load_namer(nose: str | None, config: Path | None, smells: Smells = Smells.AUTO) -> Namer:
    """Load the model and, unless only its own smells are asked for, what was taught; tells of what is of no use."""
    from olfactory_transformer.inference.nose.naming import Namer
    from olfactory_transformer.settings import load_settings

    settings = load_settings(olfactory_config=config)
    taught = [] if smells is Smells.BASE else taught_smells(config)
    return Namer.from_pretrained(nose or settings.nose_model_path, taught, smells.value)


def taught_smells(config: Path | None) -> list[Enrolled]:
    """Return what is in the database; one that cannot be read is told of and left out."""
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.core.errors import FileFormatError
    from olfactory_transformer.database.enrolments import EnrolmentStore
    from olfactory_transformer.inference.nose.enrolment import from_bytes

    found = []
    with opened(config) as database:
        for record in EnrolmentStore(database).list():
            try:
                found.append(from_bytes(record.content, f"the smell {record.name}"))
            except FileFormatError as error:
                typer.echo(f"olfactory: {error}", err=True)
    return found


def recordings_in(path: Path) -> Iterator[tuple[str, Recording | OlfactoryError | OSError]]:
    """Yield (file, recording or why there is none) for a file, or each file of a folder, by name.

    Raises
    ------
    OSError
        There is no such file or folder.
    """
    from olfactory_transformer.sensors.files import read_recordings

    yield from read_recordings(path)


def frames_of(text: str | None, config: Path | None, seconds: float | None = None) -> Iterator[Frame]:
    """Yield the frames of a source; troubles go to standard error. Parameters and errors are those of `heard_of`."""
    from olfactory_transformer.sensors.frame import Frame

    for came in heard_of(text, config, seconds):
        if isinstance(came, Frame):
            yield came
        else:
            typer.echo(f"{came.source or text}: {came.kind}: {came.detail}", err=True)


def heard_of(
    text: str | None, config: Path | None, seconds: float | None = None
) -> Iterator[Frame | Trouble]:
    """Yield the frames and troubles of a source until it ends or the time is over.

    Parameters
    ----------
    text : str or None
        As `sources.source_of` takes it; None: SENSOR_PORT.
    config : Path or None
    seconds : float or None
        By the frames' own times, so that a fast replay counts as what it replays; and, for a board that says
        nothing, by ours.

    Raises
    ------
    SourceError
        It cannot be reached.
    """
    from olfactory_transformer.core.errors import SourceEnded
    from olfactory_transformer.sensors.frame import Frame
    from olfactory_transformer.sensors.sources import source_of
    from olfactory_transformer.settings import load_settings

    settings = load_settings(olfactory_config=config)
    text = text or settings.sensor_port
    if text is None:
        raise typer.BadParameter("got no SOURCE and no SENSOR_PORT, expected one of them")
    # A replay, or a simulated board, goes as fast as it is read.
    source = source_of(text, baudrate=settings.sensor_baudrate, timeout=settings.sensor_timeout, speed=0)
    first: float | None = None
    heard = time.monotonic()
    with source:
        while True:
            try:
                came = source.read(_TICK)
            except SourceEnded:
                return
            if isinstance(came, Frame):
                first, heard = came.time if first is None else first, time.monotonic()
                yield came
                if seconds is not None and came.time - first >= seconds:
                    return
            elif came is not None:
                yield came
            if seconds is not None and time.monotonic() - heard >= seconds:
                return
