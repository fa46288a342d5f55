"""`POST /v1/predict`."""

from __future__ import annotations

import logging
import re
import time

from anyio.lowlevel import checkpoint
from fastapi import APIRouter, Request, Response

from olfactory_transformer.api.audit import asked_about
from olfactory_transformer.api.body import as_model, read_body, strict_json
from olfactory_transformer.api.gone import unless_gone
from olfactory_transformer.api.openapi import json_body, problems
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.render import as_json, item_members, prediction_members
from olfactory_transformer.api.schemas import (
    REQUEST_EXAMPLES,
    Prediction,
    PredictionList,
    PredictRequest,
    Words,
)
from olfactory_transformer.core.config import DEFAULT_DILUTION, ScentPrediction
from olfactory_transformer.core.errors import EngineFault
from olfactory_transformer.engine.contract import Outcome
from olfactory_transformer.settings import Settings

logger = logging.getLogger(__name__)
router = APIRouter(tags=["predict"])
_WORDS: Words = PredictRequest.model_fields["words"].default
_TURN = 32  # items encoded before others get their turn
# What nearly all requests are: one SMILES and nothing else, in characters that JSON need not escape. Reading it
# so says the same as parsing and validating it, in a tenth of the time.
_PLAIN = re.compile(rb'\s*\{\s*"smiles"\s*:\s*"([^"\\\x00-\x1f\x7f-\xff]*)"\s*\}\s*')


@router.post(
    "/v1/predict",
    response_model=Prediction | PredictionList,
    summary="What molecules smell like",
    responses=problems(408, 413, 415, 422, 500, 503, 504),
    openapi_extra=json_body(PredictRequest, REQUEST_EXAMPLES),
)
async def predict(request: Request) -> Response:
    """Predict one molecule, or a list.

    One SMILES gives its prediction, or a problem if it is not a molecule. A list always gives a list of the
    same length and order, in which each item has a `prediction` or an `error` of its own.
    """
    began = time.perf_counter()
    state = request.app.state
    settings: Settings = state.settings
    body = await read_body(request, settings.max_body_bytes, settings.inference_timeout)
    if found := _PLAIN.fullmatch(body):
        asked, words, dilution = found[1].decode("ascii"), _WORDS, DEFAULT_DILUTION
    else:
        full = as_model(strict_json(body), PredictRequest)
        asked, words, dilution = full.smiles, full.words, full.dilution
    smiles = [asked] if isinstance(asked, str) else asked
    if len(smiles) > settings.max_items:
        detail = f"got {len(smiles)} molecules, expected at most {settings.max_items}"
        raise ApiError("too-many-items", detail, limit=settings.max_items)
    asked_about(request.scope, smiles)
    read = time.perf_counter()
    outcomes = await unless_gone(request.receive, state.engine.predict(smiles, dilution))
    predicted = time.perf_counter()
    content = _one(outcomes[0], words) if isinstance(asked, str) else await _list(request, outcomes, words)
    done = time.perf_counter()
    timing = (
        f"body;dur={1000 * (read - began):.2f}, engine;dur={1000 * (predicted - read):.2f}, "
        f"total;dur={1000 * (done - began):.2f}"
    )
    # Encoded here: the framework would validate our own reply against the model first.
    return Response(content, headers={"Server-Timing": timing}, media_type="application/json")


def _one(outcome: Outcome, words: Words) -> bytes:
    if not isinstance(outcome, ScentPrediction):
        raise outcome
    return as_json(prediction_members(outcome, words))


async def _list(request: Request, outcomes: list[Outcome], words: Words) -> bytes:
    parts = []
    for index, outcome in enumerate(outcomes):
        item = item_members(index, outcome, words)
        if "error" in item:
            request.app.state.metrics.error(item["error"]["code"])
            if isinstance(outcome, EngineFault):
                logger.error("engine fault, request %s, item %d", request.state.request_id, index)
        parts.append(as_json(item))
        if index % _TURN == _TURN - 1:
            # All words of a thousand molecules are 5 MB: others would wait a tenth of a second.
            await checkpoint()
    return b'{"results":[' + b",".join(parts) + b"]}"
