"""What routes ask for by type."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from olfactory_transformer.api.lifecycle import Lifecycle, Parts
from olfactory_transformer.api.models import Models
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.sensors.service import Sensors
from olfactory_transformer.core.errors import shown
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


async def _lifecycle(request: Request) -> Lifecycle:
    return cast(Lifecycle, request.app.state.lifecycle)


async def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


async def _models(request: Request) -> Models:
    return cast(Models, request.app.state.models)


async def _sensors(request: Request) -> Sensors:
    return cast(Sensors, request.app.state.sensors)


async def known_query(connection: HTTPConnection) -> None:
    """Refuse parameters that a route does not have: a name that is misspelt would else change nothing, and not be told.

    Raises
    ------
    ApiError
        invalid-request.
    """
    route = connection.scope.get("route")
    known = {field.alias for field in route.dependant.query_params} if isinstance(route, APIRoute) else set()
    for name in connection.query_params:
        if name not in known:
            expected = f"one of {', '.join(sorted(known))}" if known else "none"
            raise ApiError(
                "invalid-request", f"#/query: got the parameter {shown(name)}, expected {expected}"
            )


EngineDep = Annotated[Engine, Depends(_engine)]
SettingsDep = Annotated[Settings, Depends(_settings)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
LifecycleDep = Annotated[Lifecycle, Depends(_lifecycle)]
PartsDep = Annotated[Parts, Depends(_parts)]
ModelsDep = Annotated[Models, Depends(_models)]
SensorsDep = Annotated[Sensors, Depends(_sensors)]
