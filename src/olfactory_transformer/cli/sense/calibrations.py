"""The calibrations of boards that commands hear, from the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from olfactory_transformer.sensors.calibration.value import Calibration


def calibrations_of(config: Path | None) -> dict[str, Calibration]:
    """Return the calibration that counts of each board; what cannot be read is told of and left out."""
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.core.errors import CalibrationError, DatabaseError
    from olfactory_transformer.database.calibrations import CalibrationStore
    from olfactory_transformer.sensors.calibration.value import Calibration

    found = {}
    try:
        with opened(config) as database:
            records = CalibrationStore(database).sensors()
    except DatabaseError as error:
        typer.echo(f"olfactory: {error}; boards count as uncalibrated", err=True)
        return {}
    for record in records:
        try:
            found[record.sensor_id] = Calibration.from_dict(record.content)
        except CalibrationError as error:
            typer.echo(f"olfactory: the calibration of {record.sensor_id}: {error}", err=True)
    return found
