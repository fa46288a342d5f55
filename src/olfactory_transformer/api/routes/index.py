"""`GET /`, `GET /errors/{code}`: where to go, and what went wrong."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path

from olfactory_transformer import __version__
from olfactory_transformer.api import schemas
from olfactory_transformer.api.catalogue import KINDS
from olfactory_transformer.api.dependencies import SettingsDep
from olfactory_transformer.api.openapi import problems
from olfactory_transformer.api.problems import ApiError

router = APIRouter(tags=["index"])
_LINKS = {
    "predict": "/v1/predict",
    "stream": "/v1/predict/stream",
    "words": "/v1/words",
    "sensors": "/v1/sensors",
    "model": "/v1/model",
    "open-inference-protocol": "/v2",
    "health": "/health",
    "ready": "/ready",
}
_METRICS = {"metrics": "/metrics"}
_DOCS = {"openapi": "/openapi.json", "docs": "/docs"}


@router.get("/", summary="Links to everything else")
async def index(settings: SettingsDep) -> schemas.Links:
    """Return the paths of the other routes."""
    links = {
        **_LINKS,
        **(_METRICS if settings.metrics_port is None else {}),
        **(_DOCS if settings.docs_enabled else {}),
    }
    return schemas.Links(name="olfactory-transformer", version=__version__, links=links)


@router.get("/errors/{code}", summary="What a problem's type means", responses=problems(404))
async def error(
    code: Annotated[str, Path(description="The last part of a problem's `type`.", examples=["unparsable"])],
) -> schemas.ErrorMeaning:
    """Return what an error code means and what to do about it."""
    if code not in KINDS:
        raise ApiError("not-found", "no error has this code; see docs/reference/errors.md")
    return schemas.ErrorMeaning(**asdict(KINDS[code]))
