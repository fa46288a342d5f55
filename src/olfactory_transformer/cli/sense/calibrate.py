"""`olfactory sense calibrate`: from clean air and known compounds to a calibration, step by step or from files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ConfigOption, Form, FormOption
from olfactory_transformer.cli.sense.listening import BaudrateOption, SourceArgument, board_named

if TYPE_CHECKING:
    from olfactory_transformer.sensors.calibration.value import Calibration

SensorOption = Annotated[
    str | None,
    typer.Option(
        "--sensor",
        help="The board's id, by which its calibration is kept.",
        show_default="$SENSOR_ID, or the port's serial number, or SOURCE",
    ),
]
ScaleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scale",
        metavar="CHANNEL:NAME=VALUE[,...]",
        help="How a channel's counts hang together with its resistance: full_scale (the ADC's highest count), load "
        "(kOhm), response (rises or falls with gas). May be given more than once.",
    ),
]


def calibrate(
    source: SourceArgument = None,
    sensor: SensorOption = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A recording of clean air, in place of SOURCE; nothing is asked."),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COMPOUND:PPM=FILE",
            help="With --baseline: a recording of a compound at a known concentration; at least two of each compound.",
        ),
    ] = None,
    other_air: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="With --baseline: clean air at another temperature or humidity, for their compensation.",
        ),
    ] = None,
    scale: ScaleOption = None,
    days: Annotated[float, typer.Option(min=0.001, max=3650, help="Days until it expires.")] = 30,
    seconds: Annotated[
        float, typer.Option(min=60, max=3600, help="How long a step listens once the levels stand still.")
    ] = 120,
    patience: Annotated[
        float, typer.Option(min=1, max=1440, help="Minutes that a step waits for the levels to stand still.")
    ] = 20,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where the steps' recordings are kept.", show_default="calibration-SENSOR in this folder"
        ),
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option("--resume/--restart", help="Go on with an unfinished calibration, or begin anew."),
    ] = None,
    baudrate: BaudrateOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: clean air only, and save.")] = False,
    form: FormOption = Form.TEXT,
    config: ConfigOption = None,
) -> None:
    """Measure a board's levels in clean air and its answers to known compounds, and keep them in the database.

    Each step is kept as soon as it is done: after a stop of any kind the same command goes on with the next one.
    """
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.cli.sense.calibration_report import print_calibration
    from olfactory_transformer.database.calibrations import CalibrationStore

    scales = parse_scales(scale or [])
    if baseline is not None:
        if source is not None or folder is not None or resume is not None:
            raise typer.BadParameter("--baseline takes recordings: got SOURCE, --folder or --resume with it")
        name = _named(sensor, config)
        made, walk = _from_files(name, baseline, reference or [], other_air or [], scales, days), None
    else:
        from olfactory_transformer.cli.sense.calibrating import Asking, walk_through

        if reference or other_air:
            raise typer.BadParameter("--reference and --other-air take recordings, and need --baseline")
        board, name = board_named(source, config, sensor=sensor, baudrate=baudrate)
        walk = walk_through(board, name, Asking(seconds, 60 * patience, scales, days, folder, resume, yes))
        made = walk.calibration()
    if form is Form.TEXT:
        print_calibration(made)
    if not yes and baseline is None and not typer.confirm("Save it?", default=True, err=True):
        typer.echo("Not saved; the same command with --resume goes on.", err=True)
        raise typer.Exit(1)
    with opened(config, make=True) as database:
        record = CalibrationStore(database).save(made.as_dict())
        if walk is not None:
            walk.finish()
        if form is Form.JSON:
            print(json.dumps({"id": record.id, "calibration": made.as_dict()}))
        typer.echo(
            f"The calibration {record.id} of {made.sensor_id} is kept in {database.shown}. "
            f"It expires on {made.expires:%Y-%m-%d}.",
            err=True,
        )


def parse_scales(texts: list[str]) -> dict[str, dict[str, Any]]:
    """Return what `--scale` says, by channel.

    >>> parse_scales(["mq3:full_scale=1023,load=10", "s:response=falls"])
    {'mq3': {'full_scale': 1023.0, 'load': 10.0}, 's': {'response': 'falls'}}
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, colon, rest = text.rpartition(":")
        for part in rest.split(","):
            key, equals, value = part.partition("=")
            if not (name and colon and equals):
                raise _wrong("--scale", text, "CHANNEL:NAME=VALUE[,NAME=VALUE...]")
            if key == "response" and value in ("rises", "falls"):
                found.setdefault(name, {})[key] = value
            elif key in ("full_scale", "load") and (number := _positive(value)):
                found.setdefault(name, {})[key] = number
            else:
                raise _wrong("--scale", part, "full_scale=NUMBER, load=NUMBER or response=rises|falls")
    return found


def parse_reference(text: str) -> tuple[str, float, Path]:
    """Return what a `--reference` says.

    >>> parse_reference("ethanol:50=data/a.csv")
    ('ethanol', 50.0, PosixPath('data/a.csv'))
    """
    found = re.fullmatch(r"(.{1,100}?):([^:=]+)=(.+)", text)
    ppm = _positive(found[2]) if found else None
    if found is None or ppm is None:
        raise _wrong("--reference", text, "COMPOUND:PPM=FILE, as in ethanol:50=file.csv")
    return found[1], ppm, Path(found[3])


def _from_files(
    sensor: str,
    baseline: Path,
    references: list[str],
    other_air: list[Path],
    scales: dict[str, dict[str, Any]],
    days: float,
) -> Calibration:
    from olfactory_transformer.sensors.calibration import build
    from olfactory_transformer.sensors.files import read_recording

    parsed = [parse_reference(text) for text in references]
    return build.calibrate(
        sensor,
        read_recording(baseline),
        references=[build.Reference(name, ppm, read_recording(file)) for name, ppm, file in parsed],
        other_air=[read_recording(file) for file in other_air],
        scales=scales,
        days=days,
    )


def _named(sensor: str | None, config: Path | None) -> str:
    from olfactory_transformer.sensors.identity import check_sensor_id
    from olfactory_transformer.settings import load_settings

    sensor = sensor or load_settings(olfactory_config=config).sensor_id
    if sensor is None:
        raise typer.BadParameter("a recording does not say which board it is of: give --sensor")
    return check_sensor_id(sensor)


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < 1e12 else None


def _wrong(option: str, got: str, expected: str) -> typer.BadParameter:
    return typer.BadParameter(f"{option}: got {got!a}, expected {expected}")
