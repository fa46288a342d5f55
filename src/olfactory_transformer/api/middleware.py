"""Around every request: its id, its time, its line in the log, its headers, and what happens when it fails.

uvicorn ─▶ RequestMiddleware ─▶ CORS ─▶ Gate ─▶ ProblemMiddleware ─▶ FastRoutes ─▶ the framework's router
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from olfactory_transformer.api.access.paths import areas_of, route_path
from olfactory_transformer.api.headers import RawHeaders, completed, model_headers
from olfactory_transformer.api.lifecycle import Lifecycle
from olfactory_transformer.api.problems import HANDLED, ApiError, handle_problem, problem_response
from olfactory_transformer.api.starts import STARTS, SWITCHED
from olfactory_transformer.engine.contract import Engine, ModelInfo
from olfactory_transformer.observe.metrics import Metrics, method_label
from olfactory_transformer.observe.tracing import Span, request_span

logger = logging.getLogger("olfactory_transformer.requests")

UNMATCHED = "unmatched"
_READ = frozenset({b"x-request-id", b"traceparent", b"tracestate"})
_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_GONE = 499  # the client left before a reply; nginx's number, seen only in the log
_CLOSE = (b"connection", b"close")
_LINE = "%s %s %d %.1f ms%s"


class RequestMiddleware:
    """Wraps the application inside the framework's own handler of last resort, which would show no problem.

    Parameters
    ----------
    app : ASGI application
    engine : Engine
        Whose model the headers name, whichever it is at the time.
    metrics : Metrics
    lifecycle : Lifecycle
        While it drains, replies ask clients to connect anew, and so elsewhere.
    """

    def __init__(self, app: ASGIApp, engine: Engine, metrics: Metrics, lifecycle: Lifecycle) -> None:
        self._app, self._engine, self._metrics, self._lifecycle = app, engine, metrics, lifecycle
        self._info: ModelInfo | None = None
        self._model: RawHeaders = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a WebSocket is one, from its handshake to its end."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = {name: value for name, value in scope["headers"] if name in _READ}
        request_id = _accepted_id(given.get(b"x-request-id")) or os.urandom(16).hex()
        trace = request_span(
            method_label(_method(scope)), _text(given.get(b"traceparent")), _text(given.get(b"tracestate"))
        )
        # Every record that is logged on behalf of this request has its id.
        bound = bind_contextvars(request_id=request_id)
        try:
            with trace:
                await self._answer(scope, receive, send, request_id, trace)
        finally:
            reset_contextvars(**bound)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str, trace: Span) -> None:
        began = time.perf_counter()
        scope.setdefault("state", {})["request_id"] = request_id
        status = _GONE

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] in STARTS:
                status = message.get("status", SWITCHED)
                headers = completed(message.get("headers", ()))
                headers += self._model_headers()
                headers.append((b"x-request-id", request_id.encode("ascii")))
                if self._lifecycle.draining and status != SWITCHED:
                    headers.append(_CLOSE)
                message["headers"] = headers
            await send(message)

        self._metrics.request_began()
        try:
            await self._app(scope, receive, send_marked)
        except ClientDisconnect:
            status = _GONE
        except asyncio.CancelledError:
            # Of all tasks the server cancels only those that have not finished within SHUTDOWN_TIMEOUT.
            if status != _GONE or not self._lifecycle.closing:
                raise
            error = ApiError("draining", "the server stopped before there was an answer")
            await problem_response(HTTPConnection(scope), error)(scope, receive, send_marked)
        finally:
            self._account(scope, status, time.perf_counter() - began, trace)

    def _model_headers(self) -> RawHeaders:
        info = self._engine.info
        if info is not self._info:
            self._info, self._model = info, model_headers(info)
        return self._model

    def _account(self, scope: Scope, status: int, seconds: float, trace: Span) -> None:
        endpoint = _endpoint(scope)
        self._metrics.request_done(_method(scope), endpoint, seconds, status=status)
        trace.answered(endpoint, status)
        # The route and the key's id, not the path and the key: nothing here was written by the client.
        caller = scope["state"].get("caller")
        by = f" key={caller.id}" if caller is not None else ""
        if logger.isEnabledFor(logging.INFO):
            what = method_label(_method(scope)), endpoint, status, seconds * 1000, by
            # Not by `info`, which looks for the line of code that called it.
            logger.handle(logging.LogRecord(logger.name, logging.INFO, __file__, 0, _LINE, what, None))


class ProblemMiddleware:
    """Turns what is raised outside the framework's router, by a fast route, into problems.

    Inside of the gate, whose headers problems have, too, and of CORS, so that a page of another origin can read them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            if message["type"] == "websocket.close" and not begun:  # by the router, which has no such route
                raise ApiError("not-found", "no WebSocket has this path; GET / lists the routes")
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except ClientDisconnect:
            raise
        except Exception as error:
            request = HTTPConnection(scope)
            if isinstance(error, HANDLED) and not begun:
                response = await handle_problem(request, error)
            else:
                logger.exception("unexpected error, request %s", request.state.request_id)
                if begun:
                    raise  # a reply has begun: all that is left is to cut the connection
                response = problem_response(request, error)
            await response(scope, receive, send)


@dataclass(frozen=True, slots=True)
class FastRoute:
    """A route that is answered without the framework's router.

    Parameters
    ----------
    path : str
    answer : coroutine function
        From a request to its response.
    """

    path: str
    answer: Callable[[Request], Awaitable[Response]]


class FastRoutes:
    """Answers the busiest routes itself; the rest goes on to the framework.

    Finding a route, resolving what it depends on, and the stacks around that cost more than a cached prediction.
    These routes are also registered with the framework, for the document, for 405, and for mounted applications.

    Parameters
    ----------
    app : ASGI application
    routes : mapping of (method, path) to FastRoute
    """

    def __init__(self, app: ASGIApp, routes: Mapping[tuple[str, str], FastRoute]) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route  # whose path is the label of logs and metrics
        response = await route.answer(Request(scope, receive, send))
        await response(scope, receive, send)


def _endpoint(scope: Scope) -> str:
    """Return the route's template; of what reached none, as the gate refused it or there is none, its area.

    >>> _endpoint({"path": "/v1/admin/reload"}), _endpoint({"path": "/v2/made/up"}), _endpoint({"path": "/x"})
    ('/v1/admin/*', '/v2/*', 'unmatched')
    """
    route = scope.get("route")
    if route is not None:
        return str(getattr(route, "path", UNMATCHED))
    areas = areas_of(route_path(scope))
    return f"{areas[-1].prefix}/*" if areas else UNMATCHED


def _method(scope: Scope) -> str:
    """Return the method; of a WebSocket, that of its handshake."""
    return str(scope.get("method", "GET"))


def _accepted_id(given: bytes | None) -> str | None:
    """Return the client's request id if it is harmless.

    >>> _accepted_id(b"abc-123")
    'abc-123'
    >>> _accepted_id(b"two words") is None
    True
    """
    return given.decode("ascii") if given and _ACCEPTED_ID.fullmatch(given) else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
