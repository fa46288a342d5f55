"""What commands that name or judge smells share: recordings of files, frames of a source, the taught smells."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    from olfactory_transformer.sensors.sources.contract import Source, Trouble

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
        help="own: what you taught it; base: what the model knows; both: first what you taught by names that it does "
        "not know; auto: own once there are any, else base."
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
BaudrateOption = Annotated[
    int | None,
    typer.Option(
        min=50,
        max=4_000_000,
        help="Bits a second of a serial port.",
        show_default="$SENSOR_BAUDRATE, or 9600",
    ),
]
SpeedOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1000,
        help="How much faster than it was a replay or a simulated board goes; 0: as fast as it is read.",
        show_default="1 on a terminal, else 0",
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


def told_of(file: str, error: Exception) -> str:
    """Return an error with its file in front, once.

    >>> told_of("a.csv", ValueError("a.csv: empty")), told_of("a.csv", ValueError("empty"))
    ('a.csv: empty', 'a.csv: empty')
    """
    said = str(error)
    return said if said.startswith(f"{file}:") else f"{file}: {said}"


def pace_of(speed: float | None, shown: bool) -> float:
    """Return how fast a replay or a simulated board goes: as `--speed` says, else in real time where it is `shown`.

    >>> pace_of(None, True), pace_of(None, False), pace_of(5.0, True)
    (1.0, 0.0, 5.0)
    """
    return float(shown) if speed is None else speed


def frames_of(
    text: str | None, config: Path | None, seconds: float | None = None, *, speed: float = 0.0
) -> Iterator[Frame]:
    """Yield the frames of a source; troubles go to standard error. Parameters and errors are those of `heard_of`."""
    from olfactory_transformer.sensors.frame import Frame

    for came in heard_of(text, config, seconds, speed=speed):
        if isinstance(came, Frame):
            yield came
        else:
            typer.echo(f"{came.source or text}: {came.kind}: {came.detail}", err=True)


def heard_of(
    text: str | None,
    config: Path | None,
    seconds: float | None = None,
    *,
    baudrate: int | None = None,
    speed: float = 0.0,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Frame | Trouble]:
    """Yield the frames and troubles of a source until it ends, the time is over, or `stop`.

    Parameters
    ----------
    text : str or None
        As `sources.source_of` takes it; None: SENSOR_PORT.
    config : Path or None
    seconds : float or None
        By the frames' own times of a replay or a simulated board, so that a fast one counts as what it plays; else by
        our clock.
    baudrate : int or None
        Of a serial port; None: SENSOR_BAUDRATE.
    speed : float
        Of a replay or a simulated board; 0: as fast as it is read.
    stop : callable
        Asked twice a second at least.

    Raises
    ------
    SourceError
        It cannot be reached.
    """
    from olfactory_transformer.core.errors import SourceEnded
    from olfactory_transformer.sensors.frame import Frame

    source = source_named(text, config, baudrate=baudrate, speed=speed)
    first: float | None = None
    with source:
        heard = time.monotonic()
        while not stop():
            try:
                came = source.read(_TICK)
            except SourceEnded:
                return
            if isinstance(came, Frame):
                played = source.kind in ("replay", "simulated")
                now = came.time if played else time.monotonic()
                first = now if first is None else first
                heard = time.monotonic()
                yield came
                if seconds is not None and now - first >= seconds:
                    return
            elif came is not None:
                yield came
            if seconds is not None and time.monotonic() - heard >= seconds:
                return


def source_named(
    text: str | None, config: Path | None, *, baudrate: int | None = None, speed: float = 0.0
) -> Source:
    """Return the source of a text, or of SENSOR_PORT, with the settings of SENSOR_..."""
    from olfactory_transformer.sensors.sources import source_of
    from olfactory_transformer.settings import load_settings

    settings = load_settings(olfactory_config=config)
    text = text or settings.sensor_port
    if text is None:
        raise typer.BadParameter("got no SOURCE and no SENSOR_PORT, expected one of them")
    # What the settings say of the board of SENSOR_PORT, its password above all, is meant for that one and no other.
    own = settings.sensor_port in (None, text)
    secret = settings.sensor_password if own else None
    return source_of(
        text,
        baudrate=baudrate or settings.sensor_baudrate,
        timeout=settings.sensor_timeout,
        speed=speed,
        names=settings.sensor_names if own else (),
        line_format=settings.sensor_format if own else "auto",
        password=secret.get_secret_value() if secret else None,
    )


def board_named(
    text: str | None, config: Path | None, *, sensor: str | None = None, baudrate: int | None = None
) -> tuple[Source, str]:
    """Return the source of a text, or of SENSOR_PORT, and by which id its calibration is kept: `sensor`, if given."""
    from olfactory_transformer.sensors.identity import check_sensor_id, sensor_id_of
    from olfactory_transformer.settings import load_settings

    settings = load_settings(olfactory_config=config)
    # What the settings call the board is meant for the one that they name, and no other.
    if text in (None, settings.sensor_port):
        sensor = sensor or settings.sensor_id
    source = source_named(text, config, baudrate=baudrate)
    return source, check_sensor_id(sensor) if sensor else sensor_id_of(source)


@contextmanager
def until_told() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether Ctrl-C or SIGTERM came, so that neither falls into the middle of a frame.

    The second one ends the command at once.
    """
    came: list[int] = []

    def told(number: int, _: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
