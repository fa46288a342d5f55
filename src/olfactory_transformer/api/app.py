"""The application: routes, problems and middleware around an engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from olfactory_transformer import __version__
from olfactory_transformer.api import openapi
from olfactory_transformer.api.access.access import Access
from olfactory_transformer.api.gate import Gate
from olfactory_transformer.api.headers import ACCEPTED, EXPOSED
from olfactory_transformer.api.lifecycle import Lifecycle, Parts
from olfactory_transformer.api.middleware import FastRoute, FastRoutes, ProblemMiddleware, RequestMiddleware
from olfactory_transformer.api.models import Models
from olfactory_transformer.api.problems import HANDLED, handle_problem
from olfactory_transformer.api.routes import (
    admin,
    calibrations,
    docs,
    index,
    inference_protocol,
    model,
    picture,
    predict,
    probes,
    smells,
    stream,
)
from olfactory_transformer.api.routes import sensors as sensors_routes
from olfactory_transformer.api.sensors.naming import Naming
from olfactory_transformer.api.sensors.service import Sensors
from olfactory_transformer.engine.contract import Engine
from olfactory_transformer.observe.metrics import Metrics
from olfactory_transformer.settings import Settings

_DESCRIPTION = "Predicts what molecules smell like. Errors are problems (RFC 9457)."
_FAST = {("POST", "/v1/predict"): FastRoute("/v1/predict", predict.predict)}


def create_app(
    settings: Settings,
    engine: Engine,
    *,
    lifecycle: Lifecycle | None = None,
    parts: Parts | None = None,
    gate: Callable[[ASGIApp], ASGIApp] | None = None,
    nose: Callable[[], Naming] | None = None,
) -> FastAPI:
    """Return the application that answers for `engine`.

    Parameters
    ----------
    settings : Settings
    engine : Engine
        Warmed up in the background when the application starts, and stopped when it ends; `/ready` tells when it
        is warm.
    lifecycle : Lifecycle or None
        Changed by the server around the application; None: one that only ever serves.
    parts : Parts or None
        What `/ready` calls degraded; None: nothing.
    gate : callable or None
        Wraps an ASGI application in what asks for keys and limits rates. None: the gate of the settings.
    nose : callable or None
        Loads the model of sensors. None: that of the settings.

    Examples
    --------
    >>> from olfactory_transformer.engine.fake import FakeEngine
    >>> app = create_app(Settings(), FakeEngine())
    >>> "/v1/predict" in app.openapi()["paths"], "/v1/admin/reload" in app.openapi()["paths"]
    (True, True)
    """
    lifecycle, metrics, parts = lifecycle or Lifecycle(), Metrics(), parts or Parts()
    access = Access(settings)
    sensors = Sensors(settings, access, metrics.sensors, nose)
    engine.attach(metrics)
    metrics.watch_rate_limit(lambda: access.limits)
    parts.watch("rate-limits", lambda: access.limits != "local" or settings.redis_url is None)
    parts.watch("keys", lambda: access.database_answers)
    parts.watch("sensor", lambda: sensors.board_is_there)
    metrics.watch_engine(lambda: engine.load, lambda: engine.state, lambda: engine.info)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await access.start()
        starting = asyncio.create_task(engine.start())
        sensors.start()
        try:
            yield
        finally:
            starting.cancel()
            with anyio.CancelScope(shield=True) as scope:
                if lifecycle.forced:
                    scope.cancel()  # an engine whose stop is cancelled ends at once
                await engine.stop()
            await sensors.stop()
            await access.stop(at_once=lifecycle.forced)

    app = _framework(docs=settings.docs_enabled, lifespan=lifespan)
    app.state.settings, app.state.engine, app.state.metrics = settings, engine, metrics
    app.state.lifecycle, app.state.parts, app.state.access = lifecycle, parts, access
    app.state.sensors = sensors
    app.state.models = Models(engine, settings.models_dir)
    app.user_middleware = [
        Middleware(RequestMiddleware, engine=engine, metrics=metrics, lifecycle=lifecycle),
        *_cors(settings),
        Middleware(gate or partial(Gate, access=access)),
        Middleware(ProblemMiddleware),
        Middleware(FastRoutes, routes=_FAST),
    ]
    parts_of_app = [
        predict,
        stream,
        model,
        picture,
        sensors_routes,
        calibrations,
        smells,
        inference_protocol,
        index,
    ]
    routers = [part.router for part in parts_of_app] + [sensors_routes.own_router, probes.health_router]
    routers += [probes.metrics_router] if settings.metrics_port is None else []
    routers += [docs.router] if settings.docs_enabled else []
    routers += [admin.router]
    for router in routers:
        app.include_router(router)
    openapi.install(app, keys=settings.api_key_required)
    return app


def create_side_app(app: FastAPI, router: APIRouter) -> FastAPI:
    """Return an application for a port of its own, which answers `router` for the same engine and nothing else.

    >>> from olfactory_transformer.engine.fake import FakeEngine
    >>> app = create_app(Settings(), FakeEngine())
    >>> sorted(create_side_app(app, probes.health_router).openapi()["paths"])
    ['/health', '/ready']
    """
    side = _framework(docs=False)
    side.state = app.state
    state = app.state
    side.user_middleware = [
        Middleware(RequestMiddleware, engine=state.engine, metrics=state.metrics, lifecycle=state.lifecycle),
        Middleware(ProblemMiddleware),
    ]
    side.include_router(router)
    return side


def _framework(*, docs: bool, **options: object) -> FastAPI:
    app = FastAPI(
        title="Olfactory Transformer",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url="/openapi.json" if docs else None,
        docs_url=None,  # ours is in routes/docs.py
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours is in observe/
        redirect_slashes=False,  # they would repeat whatever host name the client gave
        **options,  # type: ignore[arg-type]
    )
    for kind in HANDLED:
        app.add_exception_handler(kind, handle_problem)
    return app


def _cors(settings: Settings) -> list[Middleware]:
    origins = [origin for origin in settings.cors_origins.split(",") if origin]
    if not origins:
        return []
    # No credentials: a key is a header that the page sends, never something the browser adds by itself.
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=ACCEPTED,
            expose_headers=EXPOSED,
        )
    ]
