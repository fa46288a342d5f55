"""What routes ask for by type."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from olfactory_transformer.api.body import read_model
from olfactory_transformer.api.schemas import PredictRequest
from olfactory_transformer.engine.contract import Engine
from olfactory_transformer.observe.metrics import Metrics
from olfactory_transformer.settings import Settings


# Coroutines, as the framework would run plain functions in a thread each.
async def _engine(request: Request) -> Engine:
    return cast(Engine, request.app.state.engine)


async def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


async def _metrics(request: Request) -> Metrics:
    return cast(Metrics, request.app.state.metrics)


async def _predict_request(request: Request) -> PredictRequest:
    return await read_model(request, PredictRequest, request.app.state.settings.max_body_bytes)


EngineDep = Annotated[Engine, Depends(_engine)]
SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
PredictRequestDep = Annotated[PredictRequest, Depends(_predict_request)]
