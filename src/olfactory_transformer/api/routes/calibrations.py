"""`/v1/sensors/calibrations`: the calibrations of any board, kept in the server's database."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from olfactory_transformer.api.dependencies import SensorsDep, SettingsDep, known_query
from olfactory_transformer.api.openapi import problems
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.sensors import schemas
from olfactory_transformer.api.sensors.calibrations import calibration_of
from olfactory_transformer.api.sensors.recordings import CLEAN_AIR, read_recording_body, recording_body
from olfactory_transformer.api.sensors.service import Sensors
from olfactory_transformer.core.errors import shown
from olfactory_transformer.database.calibrations import CalibrationRecord
from olfactory_transformer.sensors.calibration.build import LEAST_DAYS, MOST_DAYS, calibrate, measure_drift
from olfactory_transformer.sensors.calibration.value import status_of

router = APIRouter(tags=["sensors"], dependencies=[Depends(known_query)])
_HISTORY = 100  # of a sensor, that are told of
CalibratedPath = Annotated[
    schemas.SensorId,
    Path(
        description="Id of the board, as its owner chose it; `/` may stand in it as it is.",
        examples=["bench-1"],
    ),
]


@router.get(
    "/v1/sensors/calibrations", summary="The calibration of every sensor", responses=problems(422, 503)
)
async def calibrations(sensors: SensorsDep) -> schemas.CalibrationList:
    """Return the newest calibration of each sensor that has one, in short."""
    found = await sensors.calibrations.ask(lambda store: store.sensors())
    return schemas.CalibrationList(calibrations=[_short(record) for record in found or ()])


@router.get(
    "/v1/sensors/calibrations/{sensor:path}",
    summary="A sensor's calibration",
    responses=problems(404, 422, 503),
)
async def calibration(sensor: CalibratedPath, sensors: SensorsDep) -> schemas.CalibrationDetail:
    """Return what counts for a sensor now, and what counted before, the newest first."""
    records = await sensors.calibrations.ask(lambda store: store.list(sensor, limit=_HISTORY))
    if not records:
        raise _unknown(sensor)
    return _detail(records)


@router.post(
    "/v1/sensors/calibrations/{sensor:path}",
    summary="Calibrate a sensor by a recording of clean air",
    responses=problems(404, 408, 413, 415, 422, 503),
    openapi_extra=recording_body(CLEAN_AIR),
)
async def new_calibration(
    request: Request,
    sensor: CalibratedPath,
    sensors: SensorsDep,
    settings: SettingsDep,
    days: Annotated[
        float, Query(ge=LEAST_DAYS, le=MOST_DAYS, allow_inf_nan=False, description="After which it expires.")
    ] = 30.0,
    drift: Annotated[
        bool, Query(description="Only measure how far the board has moved from the calibration it has.")
    ] = False,
) -> schemas.CalibrationDetail:
    """Take the levels of a minute or more in clean air as the baseline, and keep that as the calibration.

    Levels that still move are refused, saying which and by how much. With `drift` the calibration stays what it was,
    and is `drifted` from now on if the levels are too far from it.
    """
    recording = await read_recording_body(request, settings)
    if drift:
        current = await sensors.calibrations.ask(lambda store: store.current(sensor))
        known = calibration_of(current) if current else None
        if current is None or known is None:
            raise _unknown(sensor)
        measured = await asyncio.to_thread(measure_drift, known, recording)
        record = await sensors.calibrations.change(
            sensor, lambda store: store.update(current.id, measured.as_dict())
        )
    else:
        made = await asyncio.to_thread(partial(calibrate, sensor, recording, days=days))
        record = await sensors.calibrations.change(sensor, lambda store: store.save(made.as_dict()))
    _tell_board(sensors, sensor)
    return _detail([record])


@router.delete(
    "/v1/sensors/calibrations/{sensor:path}",
    summary="Forget all calibrations of a sensor",
    responses=problems(404, 422, 503),
)
async def forget_calibrations(sensor: CalibratedPath, sensors: SensorsDep) -> schemas.Forgotten:
    """Forget what a sensor's levels in clean air were, now and before."""
    if not await sensors.calibrations.ask(lambda store: store.list(sensor, limit=1)):
        raise _unknown(sensor)
    count = await sensors.calibrations.change(sensor, lambda store: store.forget(sensor))
    _tell_board(sensors, sensor)
    return schemas.Forgotten(forgotten=count)


def _tell_board(sensors: Sensors, sensor: str) -> None:
    if sensors.naming is not None and sensors.board is not None and sensors.board.id == sensor:
        sensors.naming.changed()


def _unknown(sensor: str) -> ApiError:
    return ApiError("unknown-sensor", f"no calibration of the sensor {shown(sensor)} is kept")


def _short(record: CalibrationRecord) -> schemas.Calibration:
    return schemas.Calibration(
        id=record.id,
        sensor=record.sensor_id,
        made=record.made,
        expires=record.expires,
        status=status_of(calibration_of(record)),
        drift=record.drift,
    )


def _detail(records: list[CalibrationRecord] | tuple[CalibrationRecord, ...]) -> schemas.CalibrationDetail:
    first, *before = records
    return schemas.CalibrationDetail(
        **_short(first).model_dump(),
        content=dict(first.content),
        history=[_short(record) for record in before],
    )
