"""`POST /v1/predict`."""

from __future__ import annotations

import logging

from anyio.lowlevel import checkpoint
from fastapi import APIRouter, Request, Response

from olfactory_transformer.api.dependencies import EngineDep, MetricsDep, PredictRequestDep, SettingsDep
from olfactory_transformer.api.openapi import json_body, problems
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.render import as_json, item_members, prediction_members
from olfactory_transformer.api.schemas import REQUEST_EXAMPLES, Prediction, PredictionList, PredictRequest
from olfactory_transformer.core.config import ScentPrediction

logger = logging.getLogger(__name__)
router = APIRouter(tags=["predict"])
_TURN = 32  # items encoded before others get their turn


@router.post(
    "/v1/predict",
    response_model=Prediction | PredictionList,
    summary="What molecules smell like",
    responses=problems(413, 415, 422, 500, 503),
    openapi_extra=json_body(PredictRequest, REQUEST_EXAMPLES),
)
async def predict(
    request: Request,
    asked: PredictRequestDep,
    engine: EngineDep,
    settings: SettingsDep,
    metrics: MetricsDep,
) -> Response:
    """Predict one molecule, or a list.

    One SMILES gives its prediction, or a problem if it is not a molecule. A list always gives a list of the
    same length and order, in which each item has a `prediction` or an `error` of its own.
    """
    if isinstance(asked.smiles, str):
        outcome = (await engine.predict([asked.smiles], asked.dilution))[0]
        if not isinstance(outcome, ScentPrediction):
            raise outcome
        return _reply(as_json(prediction_members(outcome, asked.words)))
    if len(asked.smiles) > settings.max_items:
        detail = f"got {len(asked.smiles)} molecules, expected at most {settings.max_items}"
        raise ApiError("too-many-items", detail, limit=settings.max_items)
    outcomes = await engine.predict(asked.smiles, asked.dilution)
    parts = []
    for index, outcome in enumerate(outcomes):
        item = item_members(index, outcome, asked.words)
        if "error" in item:
            code = item["error"]["code"]
            metrics.error(code)
            if code == "engine-fault":
                logger.error("engine fault, request %s, item %d", request.state.request_id, index)
        parts.append(as_json(item))
        if index % _TURN == _TURN - 1:
            await (
                checkpoint()
            )  # all words of a thousand molecules are 5 MB: others would wait a tenth of a second
    return _reply(b'{"results":[' + b",".join(parts) + b"]}")


def _reply(content: bytes) -> Response:
    # Encoded here: the framework would validate our own reply against the model first.
    return Response(content, media_type="application/json")
