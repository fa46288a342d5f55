"""`olfactory sense calibration`: what is kept of the boards' calibrations, and whether they still hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ConfigOption, Form, FormOption
from olfactory_transformer.core.errors import CalibrationError

if TYPE_CHECKING:
    from olfactory_transformer.database.calibrations import CalibrationRecord

app = typer.Typer(no_args_is_help=True, help="List, show, check and forget the calibrations of boards.")
SensorArgument = Annotated[str, typer.Argument(metavar="SENSOR", help="The board's id, as `list` shows it.")]


@app.command("list")
def list_calibrations(
    history: Annotated[bool, typer.Option("--all", help="Also those that no longer count.")] = False,
    form: FormOption = Form.TEXT,
    config: ConfigOption = None,
) -> None:
    """List the calibration that counts of every board."""
    from olfactory_transformer.cli.keys import moment, opened, print_table
    from olfactory_transformer.cli.sense.calibration_report import print_json
    from olfactory_transformer.database.calibrations import CalibrationStore

    with opened(config) as database:
        store = CalibrationStore(database)
        records = store.list() if history else store.sensors()
        if form is Form.JSON:
            print_json({"calibrations": [members(record) for record in records]})
        elif records:
            print_table(
                ("ID", "STATE", "MADE", "EXPIRES", "DRIFT", "SENSOR"),
                [
                    (
                        str(record.id),
                        _state(record),
                        moment(record.made),
                        moment(record.expires),
                        _drift(record),
                        record.sensor_id,
                    )
                    for record in records
                ],
            )
        else:
            typer.echo(f"There are no calibrations in {database.shown}.", err=True)


@app.command()
def show(sensor: SensorArgument, form: FormOption = Form.TEXT, config: ConfigOption = None) -> None:
    """Show the calibration of a board that counts."""
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.cli.sense.calibration_report import print_calibration, print_drift, print_json
    from olfactory_transformer.database.calibrations import CalibrationStore
    from olfactory_transformer.sensors.calibration.value import Calibration

    with opened(config) as database:
        record = _expected(CalibrationStore(database).current(sensor), sensor)
        if form is Form.JSON:
            print_json(members(record) | {"calibration": dict(record.content)})
            return
        found = Calibration.from_dict(record.content)
        print_calibration(found)
        if found.drift is not None:
            print(f"\nClean air since, on {found.drift.at:%Y-%m-%d}:")
            print_drift(found.drift)


@app.command()
def check(
    sensor: SensorArgument,
    baseline: Annotated[Path, typer.Option(metavar="FILE", help="A new recording of clean air.")],
    threshold: Annotated[
        float, typer.Option(min=0.01, max=5, help="Decades that a level may have moved: 0.1 is 26 %.")
    ] = 0.1,
    form: FormOption = Form.TEXT,
    config: ConfigOption = None,
) -> None:
    """Compare a board in clean air with its calibration. The exit code is 1 if it has drifted."""
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.cli.sense.calibration_report import print_drift, print_json
    from olfactory_transformer.database.calibrations import CalibrationStore
    from olfactory_transformer.sensors.calibration.build import measure_drift
    from olfactory_transformer.sensors.calibration.value import Calibration
    from olfactory_transformer.sensors.files import read_recording

    with opened(config) as database:
        store = CalibrationStore(database)
        record = _expected(store.current(sensor), sensor)
        found = measure_drift(
            Calibration.from_dict(record.content), read_recording(baseline), threshold=threshold
        )
        record = store.update(record.id, found.as_dict())
        assert found.drift is not None
        if form is Form.JSON:
            print_json(members(record) | {"channels": dict(found.drift.channels)})
        else:
            print_drift(found.drift)
        if record.drifted:
            typer.echo(f"{sensor} has drifted; calibrate it again.", err=True)
            raise typer.Exit(1)


@app.command()
def forget(
    sensor: SensorArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Delete all calibrations of a board, also those that no longer count."""
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.database.calibrations import CalibrationStore

    with opened(config) as database:
        store = CalibrationStore(database)
        _expected(store.current(sensor), sensor)
        if not yes:
            typer.confirm(f"Forget all calibrations of {sensor}?", abort=True, err=True)
        typer.echo(f"{store.forget(sensor)} calibrations of {sensor} are forgotten.", err=True)


def members(record: CalibrationRecord) -> dict[str, Any]:
    """Return what a program wants to know of a calibration, but for its content."""
    return {
        "id": record.id,
        "sensor_id": record.sensor_id,
        "state": _state(record),
        "made": record.made.isoformat(),
        "expires": record.expires.isoformat(),
        "drift": record.drift,
        "drifted": record.drifted,
        "checked": record.checked and record.checked.isoformat(),
    }


def _state(record: CalibrationRecord) -> str:
    from olfactory_transformer.sensors.calibration.value import Calibration

    try:
        return Calibration.from_dict(record.content).status()
    except CalibrationError:
        return "unreadable"  # of another version of this package


def _drift(record: CalibrationRecord) -> str:
    from olfactory_transformer.sensors.calibration.baseline import percent

    return "-" if record.drift is None else percent(record.drift)


def _expected(record: CalibrationRecord | None, sensor: str) -> CalibrationRecord:
    if record is None:
        raise CalibrationError(f"the sensor {sensor!a} has no calibration")
    return record
