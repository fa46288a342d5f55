"""`GET /health`, `GET /ready`, `GET /metrics`: for machines that watch the server."""

from __future__ import annotations

from fastapi import APIRouter, Response

from olfactory_transformer.api import schemas
from olfactory_transformer.api.dependencies import EngineDep, MetricsDep
from olfactory_transformer.api.openapi import problems
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.engine.contract import EngineState

router = APIRouter(tags=["probes"])


@router.get("/health", summary="Is the process alive")
async def health() -> schemas.Status:
    """Answer as long as the process does; says nothing of the model."""
    return schemas.Status(status="alive")


@router.get("/ready", summary="Can it predict", responses=problems(503))
async def ready(engine: EngineDep) -> schemas.Status:
    """Answer 200 when the model is warm and its last prediction went well, 503 otherwise.

    A model that failed is tried again by this call, so that the server becomes ready by itself when it can.
    """
    state = await engine.check()
    if state is EngineState.STARTING:
        raise ApiError("not-ready", "the model is warming up; expected to be ready within seconds")
    if state is EngineState.FAILED:
        raise ApiError("engine-failed", "the model's last prediction failed, and so did a trial; see the log")
    return schemas.Status(status="ready")


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(metrics: MetricsDep) -> Response:
    """Return all metrics in Prometheus's text format."""
    return Response(metrics.render(), media_type=metrics.content_type)
