"""Errors as the client sees them: RFC 9457 problems, none with the text of an unexpected exception."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from olfactory_transformer.api.catalogue import KINDS
from olfactory_transformer.core.errors import (
    CalibrationError,
    CannotDraw,
    DatabaseError,
    DeadlineExceeded,
    EngineBusy,
    EngineFailed,
    EngineFault,
    EngineNotReady,
    MoleculeError,
    RecordingError,
    SensorError,
    UnknownSmell,
    UnknownWord,
    shown,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_LONGEST_PATH = 200
_MOST_ERRORS = 10
_AGAIN = (429, 503)  # the statuses that say when to ask again


class ApiError(Exception):
    """A request that cannot be answered as asked.

    Parameters
    ----------
    code : str
        One of `catalogue.KINDS`.
    detail : str
        What was got and what was expected, in this request.
    headers : mapping of str to str or None
        To add to the reply.
    retry_after : float
        Seconds after which to ask again; told, in whole seconds, only with the statuses 429 and 503.
    **members : JSON value
        Further members of the problem.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        retry_after: float = 1.0,
        **members: Any,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.kind, self.detail, self.headers, self.members = KINDS[code], detail, headers, members
        self.retry_after = retry_after


def molecule_members(error: MoleculeError) -> dict[str, Any]:
    """Return what a program wants to know of a molecule that was refused."""
    return {
        "code": error.code,
        "detail": str(error),
        "position": error.position,
        "got": error.got,
        "expected": error.expected,
    }


def problem_response(request: HTTPConnection, error: Exception) -> Response:
    """Return the reply to a request, or to the handshake of a WebSocket, that ended in `error`, and count it."""
    api_error = as_api_error(error)
    kind = api_error.kind
    request.app.state.metrics.error(kind.code)
    members = dict(api_error.members)
    if request.scope["path"].startswith("/v2"):
        members["error"] = api_error.detail  # where clients of the Open Inference Protocol look
    content = problem_body(api_error, request.scope["path"], request.state.request_id, members)
    return Response(content, kind.status, problem_headers(api_error), MEDIA_TYPE)


def problem_headers(error: ApiError) -> dict[str, str]:
    """Return the headers that a problem has of its own.

    >>> problem_headers(ApiError("draining", "the server is stopping"))
    {'Retry-After': '1'}
    """
    headers = dict(error.headers or {})
    if error.kind.status in _AGAIN:
        headers.setdefault("Retry-After", str(max(1, math.ceil(error.retry_after))))
    return headers


def problem_body(error: ApiError, path: str, request_id: str, members: Mapping[str, Any]) -> bytes:
    """Return a problem as JSON.

    >>> problem_body(ApiError("deadline", "no answer"), "/v1/predict", "abc", {})
    b'{"type": "/errors/deadline", "title": "The model gave no answer in the time allowed.", "status": 504, ...}'
    """
    body = {
        "type": f"/errors/{error.kind.code}",
        "title": error.kind.title,
        "status": error.kind.status,
        "detail": error.detail,
        "instance": quote(path[:_LONGEST_PATH], errors="replace"),
        "request_id": request_id,
        "code": error.kind.code,
        **members,
    }
    # ASCII, as a lone surrogate that a client sent could not be encoded.
    return json.dumps(body, ensure_ascii=True, allow_nan=False).encode("ascii")


async def handle_problem(request: HTTPConnection, error: Exception) -> Response:
    """Answer an expected error; for FastAPI's `exception_handlers`."""
    if isinstance(error, EngineFault):
        logger.error("engine fault, request %s", request.state.request_id, exc_info=error)
    if isinstance(error, HTTPException) and error.status_code == 405:
        error = _not_allowed(request, error)
    return problem_response(request, error)


HANDLED: tuple[type[Exception], ...] = (
    ApiError,
    MoleculeError,
    EngineFailed,
    EngineNotReady,
    EngineBusy,
    EngineFault,
    DeadlineExceeded,
    UnknownWord,
    CannotDraw,
    SensorError,
    DatabaseError,
    HTTPException,
    RequestValidationError,
)


def as_api_error(error: Exception) -> ApiError:
    """Return what a client is told of any error.

    >>> as_api_error(KeyError("a secret"))
    ApiError('internal: an unexpected error; the log has the request id')
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, MoleculeError):
        members = molecule_members(error)
        return ApiError(members.pop("code"), members.pop("detail"), **members)
    if isinstance(error, RequestValidationError):
        return _of_parameters(error)
    if isinstance(error, HTTPException):
        return _of_status(error)
    if isinstance(error, SensorError | DatabaseError):
        return _of_sensors(error)
    return _of_engine(error)


def _of_sensors(error: SensorError | DatabaseError) -> ApiError:
    """Turn what goes wrong around sensors into one of ours; of what has paths of the server, only the kind is told."""
    if isinstance(error, RecordingError):
        return ApiError("invalid-recording", str(error), row=error.row)
    if isinstance(error, CalibrationError):
        return ApiError("calibration-refused", str(error))
    if isinstance(error, UnknownSmell):
        return ApiError("unknown-smell", str(error))
    if isinstance(error, DatabaseError):
        return ApiError("database-down", "the database does not answer; the log says why", retry_after=2.0)
    return ApiError("internal", "an unexpected error; the log has the request id")


def _of_engine(error: Exception) -> ApiError:
    if isinstance(error, EngineFailed):
        return ApiError("engine-failed", "no process of the model starts; the log says why")
    if isinstance(error, EngineNotReady):
        return ApiError("not-ready", "the model is warming up; expected to be ready within seconds")
    if isinstance(error, EngineBusy):
        code = "draining" if error.reason == "draining" else "queue-full"
        return ApiError(code, str(error), retry_after=error.retry_after)
    if isinstance(error, DeadlineExceeded):
        return ApiError("deadline", "the model gave no answer in the time allowed (INFERENCE_TIMEOUT)")
    if isinstance(error, EngineFault):
        return ApiError("engine-fault", "the model failed on this input; the log has the request id")
    if isinstance(error, UnknownWord):
        return ApiError("unknown-word", str(error))
    if isinstance(error, CannotDraw):
        return ApiError("cannot-draw", "RDKit's drawing code does not load on the server's machine")
    return ApiError("internal", "an unexpected error; the log has the request id")


def _of_parameters(error: RequestValidationError) -> ApiError:
    """Turn what the framework found in a path or a query into one of ours; a pointer is `#/query/name`."""
    faults = []
    for fault in error.errors()[:_MOST_ERRORS]:
        pointer = "#/" + "/".join(ascii(str(part))[1:-1][:60] for part in fault["loc"])
        got = f"got {shown(fault['input'])}: " if isinstance(fault.get("input"), str) else ""
        faults.append({"pointer": pointer, "detail": got + fault["msg"]})
    first = faults[0]
    return ApiError("invalid-request", f"{first['pointer']}: {first['detail']}", errors=faults)


def _not_allowed(request: HTTPConnection, error: HTTPException) -> HTTPException:
    """Name all methods of the path: the framework names those of the first route that has it."""
    path = getattr(request.scope.get("route"), "path_format", None)
    methods = request.app.openapi()["paths"].get(path, {})
    return HTTPException(405, headers={"Allow": ", ".join(map(str.upper, methods))}) if methods else error


def _of_status(error: HTTPException) -> ApiError:
    """Turn what the framework raises into one of ours."""
    if error.status_code == 404:
        return ApiError("not-found", "no route has this path; GET / lists them", headers=error.headers)
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "another")
        return ApiError("method-not-allowed", f"expected the method {allow}", headers=error.headers)
    if error.status_code >= 500:
        return ApiError("internal", "an unexpected error; the log has the request id", headers=error.headers)
    return ApiError("bad-request", "the request cannot be understood", headers=error.headers)
