"""Around every request: its id, its time, its line in the log, and what happens when it fails unforeseen."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from olfactory_transformer.api.problems import problem_response
from olfactory_transformer.observe.metrics import Metrics, method_label
from olfactory_transformer.observe.tracing import Span, request_span

logger = logging.getLogger("olfactory_transformer.requests")

REQUEST_ID = "X-Request-ID"
UNMATCHED = "unmatched"
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_GONE = 499  # the client left before a reply; nginx's number, seen only in the log


class RequestMiddleware:
    """Wraps the application inside the framework's own handler of last resort, which would show no problem.

    Parameters
    ----------
    app : ASGI application
    metrics : Metrics
    headers : mapping of str to str
        Added to every reply.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, headers: Mapping[str, str]) -> None:
        self._app, self._metrics, self._headers = app, metrics, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = accepted_id(headers.get(REQUEST_ID))
        trace = request_span(
            method_label(scope["method"]), headers.get("traceparent"), headers.get("tracestate")
        )
        # Every record that is logged on behalf of this request has its id.
        with bound_contextvars(request_id=request_id), trace:
            await self._answer(scope, receive, send, request_id, trace)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str, trace: Span) -> None:
        began = time.perf_counter()
        scope.setdefault("state", {})["request_id"] = request_id
        status = _GONE

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                headers.update(self._headers)
            await send(message)

        self._metrics.request_began()
        try:
            await self._app(scope, receive, send_marked)
        except ClientDisconnect:
            pass
        except Exception as error:
            logger.exception("unexpected error")
            if status != _GONE:
                raise  # a reply has begun: all that is left is to cut the connection
            await problem_response(Request(scope, receive), error)(scope, receive, send_marked)
        finally:
            self._account(scope, status, time.perf_counter() - began, trace)

    def _account(self, scope: Scope, status: int, seconds: float, trace: Span) -> None:
        endpoint = str(getattr(scope.get("route"), "path", UNMATCHED))
        self._metrics.request_done(scope["method"], endpoint, seconds, status=status)
        trace.answered(endpoint, status)
        # The route, not the path: nothing here was written by the client.
        logger.info("%s %s %d %.1f ms", method_label(scope["method"]), endpoint, status, seconds * 1000)


def accepted_id(given: str | None) -> str:
    """Return the client's request id if it is harmless, or a new one.

    >>> accepted_id("abc-123")
    'abc-123'
    >>> len(accepted_id("two words"))
    32
    """
    return given if given and _ACCEPTED_ID.fullmatch(given) else uuid.uuid4().hex
