"""`/v1/sensors/smells`: what there is to be named, and teaching more of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from olfactory_transformer.api.dependencies import SensorsDep, SettingsDep, known_query
from olfactory_transformer.api.openapi import problems
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.sensors import schemas
from olfactory_transformer.api.sensors.naming import Naming
from olfactory_transformer.api.sensors.recordings import SHORT, read_recording_body, recording_body
from olfactory_transformer.api.sensors.service import UPLOAD, Sensors
from olfactory_transformer.api.sensors.smells import smell_of
from olfactory_transformer.core.errors import FileFormatError
from olfactory_transformer.database.enrolments import EnrolmentRecord
from olfactory_transformer.inference.nose.enrolment import Enrolled, check_name, enrol
from olfactory_transformer.inference.nose.plain import PlainNose
from olfactory_transformer.inference.nose.taught import Report, Taught
from olfactory_transformer.sensors.recording import Recording

router = APIRouter(tags=["sensors"], dependencies=[Depends(known_query)])
SmellName = Annotated[
    schemas.SmellName,
    Path(description="Name of the smell, percent-encoded where needed.", examples=["coffee"]),
]


@router.get(
    "/v1/sensors/smells", summary="The smells that can be named", responses=problems(422, 500, 503, 504)
)
async def smells(sensors: SensorsDep) -> schemas.SmellList:
    """Return the smells of the model, and those that were taught to this server."""
    naming = await sensors.nose.run(_itself)
    records = await sensors.smells.records()
    return schemas.SmellList(
        model=list(naming.model.smells),
        model_version=naming.model.version,
        taught=[_short(record, naming) for record in records],
    )


@router.get(
    "/v1/sensors/smells/{name}/export",
    summary="A smell that was taught, as a file",
    responses={200: {"model": schemas.SmellFile}, **problems(404, 422, 503)},
    response_class=Response,
)
async def export(name: SmellName, sensors: SensorsDep) -> Response:
    """Return a smell as it is kept, to be imported elsewhere."""
    record = await sensors.smells.get(name)
    headers = {"Content-Disposition": 'attachment; filename="smell.json"'}
    return Response(record.content, headers=headers, media_type="application/json")


@router.get(
    "/v1/sensors/smells/{name}",
    summary="A smell that was taught",
    responses=problems(404, 422, 500, 503, 504),
)
async def smell(name: SmellName, sensors: SensorsDep) -> schemas.TaughtSmell:
    """Return what is kept of a smell."""
    return _short(await sensors.smells.get(name), await sensors.nose.run(_itself))


@router.post(
    "/v1/sensors/smells/{name}",
    summary="Teach a smell by a recording",
    responses=problems(408, 409, 413, 415, 422, 500, 503, 504),
    openapi_extra=recording_body(SHORT),
)
async def teach(
    request: Request,
    name: SmellName,
    sensors: SensorsDep,
    settings: SettingsDep,
    sensor: Annotated[schemas.SensorId | None, Query(description="Id of the board.")] = None,
) -> schemas.Lesson:
    """Add a recording to what is known of a smell. One is enough to begin with; three or more make it sure.

    The answer says how well the taught smells can be told apart, each recording named by all the others.
    """
    try:
        check_name(name)
    except FileFormatError as error:  # what no pattern can say
        raise ApiError("invalid-request", f"#/path/{error}") from None
    recording = await read_recording_body(request, settings)
    new, naming = await sensors.nose.run(lambda naming: (_learn(naming, name, recording, sensor), naming))
    request.app.state.metrics.sensors.read(UPLOAD, len(recording.times))
    async with sensors.smells.changing:
        whole = _joined(await sensors.smells.records(), new)
        record = await sensors.smells.save(whole)
    _tell_board(sensors)
    known = [each for each in await sensors.smells.fresh() if each.model_version == whole.model_version]
    report = await sensors.nose.run(lambda _: Taught(known, whole.model_version).report())
    return schemas.Lesson(**_short(record, naming).model_dump(), report=_report(report))


@router.delete(
    "/v1/sensors/smells/{name}", summary="Forget a smell that was taught", responses=problems(404, 422, 503)
)
async def forget(name: SmellName, sensors: SensorsDep) -> schemas.Forgotten:
    """Forget a smell and all its recordings."""
    async with sensors.smells.changing:
        record = await sensors.smells.forget(name)
    _tell_board(sensors)
    return schemas.Forgotten(forgotten=record.recordings)


def _learn(naming: Naming, name: str, recording: Recording, sensor: str | None) -> Enrolled:
    """Return a smell that was taught by one recording, to the model that reads such boards."""
    return enrol(naming.namer().model_for(recording), name, [recording], sensor)


def _joined(records: tuple[EnrolmentRecord, ...], new: Enrolled) -> Enrolled:
    """Return a smell with what is kept of it already."""
    before = next((record for record in records if record.name == new.name), None)
    if before is None:
        return new
    old = smell_of(before)
    try:
        if old is not None:
            return old.with_more(new)
    except FileFormatError as error:
        raise ApiError("enrolment-refused", f"{error}; DELETE it first") from None
    raise ApiError("enrolment-refused", "what is kept under this name cannot be read; DELETE it first")


def _tell_board(sensors: Sensors) -> None:
    if sensors.naming is not None:
        sensors.naming.changed()


def _short(record: EnrolmentRecord, naming: Naming) -> schemas.TaughtSmell:
    return schemas.TaughtSmell(
        name=record.name,
        recordings=record.recordings,
        model_version=record.model_version,
        usable=record.model_version in (naming.model.version, PlainNose.version),
        sensor=record.sensor_id,
        taught=record.created,
        notes=record.notes,
    )


def _report(report: Report) -> schemas.TellingApart:
    return schemas.TellingApart(
        asked=report.asked,
        right=report.right,
        confused=[
            schemas.Confused(name=name, taken_for=other, times=n) for name, other, n in report.confused
        ],
        warnings=list(report.warnings),
    )


def _itself(naming: Naming) -> Naming:
    return naming
