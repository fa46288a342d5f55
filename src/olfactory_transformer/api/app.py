"""The application: routes, problems and middleware around an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import anyio
from fastapi import FastAPI

from olfactory_transformer import __version__
from olfactory_transformer.api import openapi
from olfactory_transformer.api.middleware import RequestMiddleware
from olfactory_transformer.api.problems import HANDLED, handle_problem
from olfactory_transformer.api.routes import index, model, predict, probes
from olfactory_transformer.engine.contract import Engine
from olfactory_transformer.observe.metrics import Metrics
from olfactory_transformer.settings import Settings

_DESCRIPTION = "Predicts what molecules smell like. Errors are problems (RFC 9457)."


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    """Return the application that answers for `engine`.

    Parameters
    ----------
    settings : Settings
        Of which the limits of a request are used.
    engine : Engine
        Warmed up in the background when the application starts; `/ready` tells when that is done.

    Examples
    --------
    >>> from olfactory_transformer.engine.fake import FakeEngine
    >>> app = create_app(Settings(), FakeEngine())
    >>> "/v1/predict" in app.openapi()["paths"]
    True
    """
    metrics = Metrics()
    engine.attach(metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.start)
            yield
            tasks.cancel_scope.cancel()

    app = FastAPI(
        title="Olfactory Transformer",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,  # they would repeat whatever host name the client gave
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.settings, app.state.engine, app.state.metrics = settings, engine, metrics
    info = engine.info
    headers = {"X-Model-Version": quote(info.full_version, safe="@+ "), "X-Model-Hash": info.hash}
    app.add_middleware(RequestMiddleware, metrics=metrics, headers=headers)
    for kind in HANDLED:
        app.add_exception_handler(kind, handle_problem)
    for part in (predict, model, probes, index):
        app.include_router(part.router)
    openapi.install(app)
    return app
