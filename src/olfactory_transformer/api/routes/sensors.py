"""`GET /v1/sensors`, `GET /v1/sensors/{sensor}`, `POST /v1/sensors/identify`, `/v1/sensors/stream`."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, WebSocket

from olfactory_transformer.api.dependencies import SensorsDep, SettingsDep, known_query
from olfactory_transformer.api.gone import unless_gone
from olfactory_transformer.api.openapi import problems
from olfactory_transformer.api.problems import ApiError, problem_response
from olfactory_transformer.api.sensors import schemas
from olfactory_transformer.api.sensors.conversation import Conversation, Terms
from olfactory_transformer.api.sensors.naming import Naming, WindowAnswer, each_window, with_warnings
from olfactory_transformer.api.sensors.recordings import SHORT, read_recording_body, recording_body
from olfactory_transformer.api.sensors.service import UPLOAD, Sensors
from olfactory_transformer.core.errors import EngineBusy, shown
from olfactory_transformer.core.smells import SmellIdentification
from olfactory_transformer.inference.nose.naming import Smells
from olfactory_transformer.sensors.calibration.checks import check_recording

router = APIRouter(tags=["sensors"], dependencies=[Depends(known_query)])
SensorQuery = Annotated[
    schemas.SensorId | None,
    Query(description="Id of the board, by which its calibration is found. Without: `uncalibrated`."),
]
SensorPath = Annotated[
    schemas.SensorId, Path(description="Id of the board; `/` may stand in it as it is.", examples=["bench-1"])
]


@router.get("/v1/sensors", summary="The server's own board", responses=problems(422))
async def list_sensors(sensors: SensorsDep) -> schemas.SensorList:
    """Return the board of SENSOR_PORT: what it sends, what went wrong, and what it smells now."""
    return schemas.SensorList(sensors=[schemas.Sensor(**_members(sensors))] if sensors.board else [])


@router.post(
    "/v1/sensors/identify",
    summary="What a recording smells of",
    responses=problems(404, 408, 413, 415, 422, 500, 503, 504),
    openapi_extra=recording_body(SHORT),
    response_model_exclude_none=True,
)
async def identify(
    request: Request,
    sensors: SensorsDep,
    settings: SettingsDep,
    sensor: SensorQuery = None,
    windows: Annotated[bool, Query(description="Whether to say it of each window, too.")] = False,
    smells: Annotated[
        Smells,
        Query(
            description="`own`: only what was taught; `base`: only what the model knows; `both`: first what was taught "
            "by names that it does not know; `auto`: own where there is one for this kind of board, else base."
        ),
    ] = "auto",
) -> schemas.IdentificationReply:
    """Name the smell of a recording: JSON, or a CSV file of channels.

    Uncalibrated and drifted boards are answered, too, with a warning in the answer.
    """
    began = time.perf_counter()
    recording = await read_recording_body(request, settings)
    calibration, taught = await sensors.calibrations.of(sensor), await sensors.smells.fresh()

    def work(naming: Naming) -> tuple[SmellIdentification, list[WindowAnswer]]:
        namer = naming.namer(taught, smells)
        answer = with_warnings(namer.identify(recording), check_recording(recording, calibration))
        return answer, each_window(namer, recording) if windows else []

    answer, each = await unless_gone(request.receive, sensors.nose.run(work))
    metrics = request.app.state.metrics.sensors
    metrics.read(UPLOAD, len(recording.times))
    metrics.identified(UPLOAD, time.perf_counter() - began)
    members = answer.as_dict()
    if windows:
        members["per_window"] = [
            {"end": one.end, **{k: one.answer.as_dict()[k] for k in ("name", "ranked", "unknown")}}
            for one in each
        ]
    return schemas.IdentificationReply(**members)


@router.get(
    "/v1/sensors/stream",
    summary="Frames in, identifications out, by WebSocket",
    responses={101: {"description": "A WebSocket; see docs/reference/routes.md."}, **problems(422, 426)},
    status_code=101,
)
async def no_stream() -> None:
    """Name smells while frames come. Asked without an upgrade to WebSocket, it says so."""
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    raise ApiError("upgrade-required", "expected the handshake of a WebSocket (RFC 6455)", headers=headers)


@router.websocket("/v1/sensors/stream")
async def stream(socket: WebSocket) -> None:
    """Talk with a client until either has enough."""
    state = socket.app.state
    sensors: Sensors = state.sensors
    try:
        if state.lifecycle.closing:
            raise EngineBusy("draining")
        sensors.sessions.refuse_if_full()
    except EngineBusy as error:
        await problem_response(socket, error)(socket.scope, socket.receive, socket.send)
        return
    terms = Terms(state.settings.inference_timeout, state.settings.max_items)
    await Conversation(
        socket,
        sensors.nose,
        sensors.sessions,
        sensors.calibrations,
        sensors.smells,
        state.metrics,
        state.lifecycle,
        terms,
    ).hold()


own_router = APIRouter(
    tags=["sensors"], dependencies=[Depends(known_query)]
)  # last, as its path takes in others


@own_router.get(
    "/v1/sensors/{sensor:path}", summary="All about the server's own board", responses=problems(404, 422)
)
async def one_sensor(sensor: SensorPath, sensors: SensorsDep) -> schemas.SensorDetail:
    """Return what is known of the board of SENSOR_PORT, if that is its id."""
    if sensors.board is None or sensor != sensors.board.id:
        has = "none" if sensors.board is None else sensors.board.id
        raise ApiError("unknown-sensor", f"got {shown(sensor)}; the server's own board is {has}")
    reading, naming = sensors.board.reading(), sensors.naming
    values = {} if reading.last is None else reading.last.values
    return schemas.SensorDetail(
        **_members(sensors),
        values={name: value if math.isfinite(value) else None for name, value in values.items()},
        warnings=list(reading.warnings),
        skipped_windows=naming.skipped if naming else 0,
        last_troubles=[
            schemas.Trouble(kind=each.kind, detail=each.detail, time=each.time, count=each.count)
            for each in reading.latest
        ],
    )


def _members(sensors: Sensors) -> dict[str, Any]:
    board, naming = sensors.board, sensors.naming
    assert board is not None and naming is not None
    reading, smells = board.reading(), naming.identification
    return {
        "id": board.id,
        "source": board.source,
        "kind": board.kind,
        "connected": reading.connected,
        "simulated": board.kind == "simulated",
        "channels": list(reading.channels),
        "frames": reading.frames,
        "last_frame": reading.last.time if reading.last else None,
        "rate": reading.rate,
        "troubles": reading.troubles,
        "calibration": naming.status,
        "identification": smells.as_dict() if smells else None,
    }
