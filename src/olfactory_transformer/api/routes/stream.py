"""`POST /v1/predict/stream`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from olfactory_transformer.api import schemas
from olfactory_transformer.api.body import check_declared
from olfactory_transformer.api.dependencies import EngineDep, LifecycleDep, MetricsDep, SettingsDep
from olfactory_transformer.api.openapi import problems
from olfactory_transformer.api.stream import MEDIA_TYPE, StreamReply
from olfactory_transformer.api.stream_items import Options
from olfactory_transformer.core.config import DEFAULT_DILUTION
from olfactory_transformer.core.errors import EngineNotReady
from olfactory_transformer.engine.contract import EngineState

router = APIRouter(tags=["predict"])
_ACCEPTED = (MEDIA_TYPE, "application/jsonl")
_LINES = {
    "schema": {"type": "string", "description": "Lines of JSON: a text, or what the schema StreamLine says."},
    "examples": {
        "two": {
            "summary": "A SMILES as text, and an object",
            "value": '"COc1cc(C=O)ccc1O"\n{"smiles": "CC(=O)OCC", "id": "ester", "dilution": 0.0001}\n',
        }
    },
}


@router.post(
    "/v1/predict/stream",
    summary="What any number of molecules smell like, line by line",
    response_class=Response,
    responses={
        200: {
            "description": "A line for each line, in their order; see the schema StreamAnswer.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        **problems(415, 422, 503),
    },
    openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(_ACCEPTED, _LINES)}},
)
async def stream(
    request: Request,
    engine: EngineDep,
    settings: SettingsDep,
    metrics: MetricsDep,
    lifecycle: LifecycleDep,
    words: Annotated[schemas.Words, Query(description="As in `POST /v1/predict`.")] = "notes",
    dilution: Annotated[
        float, Query(gt=0, le=1, allow_inf_nan=False, description="Of lines that have none of their own.")
    ] = DEFAULT_DILUTION,
) -> Response:
    """Predict JSON Lines: each a SMILES as text, or an object with `smiles`, `id` and `dilution`.

    A line is answered as soon as it is predicted, in the order of the lines; what is wrong with one is that line's
    own `error`. Read answers while you send: a client that does not is not read from.
    """
    check_declared(request, _ACCEPTED)
    if engine.state is EngineState.STARTING:
        raise EngineNotReady("the model is warming up")
    options = Options(
        words=words,
        dilution=dilution,
        chunk=settings.batch_size,
        line_bytes=settings.max_body_bytes,
        idle=settings.inference_timeout,
        request=settings.max_items,
    )
    return StreamReply(engine, metrics, lifecycle, options)
