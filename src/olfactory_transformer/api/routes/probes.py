"""`GET /health`, `GET /ready`, `GET /metrics`: for machines that watch the server."""

from __future__ import annotations

from fastapi import APIRouter, Response

from olfactory_transformer.api import schemas
from olfactory_transformer.api.dependencies import EngineDep, LifecycleDep, MetricsDep, PartsDep
from olfactory_transformer.api.lifecycle import Lifecycle
from olfactory_transformer.api.openapi import problems
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.engine.contract import Engine, EngineState

health_router = APIRouter(tags=["probes"])
metrics_router = APIRouter(tags=["probes"])


@health_router.get("/health", summary="Is the process alive")
async def health() -> schemas.Status:
    """Answer as long as the process does; says nothing of the model."""
    return schemas.Status(status="alive")


@health_router.get("/ready", summary="Can it predict", responses=problems(503))
async def ready(engine: EngineDep, lifecycle: LifecycleDep, parts: PartsDep) -> schemas.Ready:
    """Answer 200 while a model's process is warm and answers, and 503 otherwise or once the server is stopping.

    What the server can do without, such as Redis, makes it `degraded` and not unready.
    """
    degraded = parts.degraded()
    if error := unready(engine, lifecycle):
        error.members["degraded"] = degraded
        raise error
    return schemas.Ready(status="ready", degraded=degraded)


def unready(engine: Engine, lifecycle: Lifecycle) -> ApiError | None:
    """Return why no new work should be sent here, or None."""
    if lifecycle.draining:
        return ApiError("draining", "the server is stopping; send new requests elsewhere")
    if engine.state is EngineState.STARTING:
        return ApiError("not-ready", "the model is warming up; expected to be ready within seconds")
    if engine.state is EngineState.FAILED:
        return ApiError(
            "engine-failed", "no process of the model answers; they are being replaced, see the log"
        )
    return None


@metrics_router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(metrics: MetricsDep) -> Response:
    """Return all metrics in Prometheus's text format."""
    return Response(await metrics.scrape(), media_type=metrics.content_type)
