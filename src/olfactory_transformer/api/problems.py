"""Errors as the client sees them: RFC 9457 problems, none with the text of an unexpected exception."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from olfactory_transformer.api.catalogue import KINDS
from olfactory_transformer.core.errors import EngineFault, EngineNotReady, MoleculeError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER = "1"  # seconds; a warm-up takes less
_LONGEST_PATH = 200


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
    **members : JSON value
        Further members of the problem.
    """

    def __init__(
        self, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.kind, self.detail, self.headers, self.members = KINDS[code], detail, headers, members


def molecule_members(error: MoleculeError) -> dict[str, Any]:
    """Return what a program wants to know of a molecule that was refused."""
    return {
        "code": error.code,
        "detail": str(error),
        "position": error.position,
        "got": error.got,
        "expected": error.expected,
    }


def problem_response(request: Request, error: Exception) -> Response:
    """Return the reply to a request that ended in `error`, and count it."""
    api_error = _as_api_error(error)
    kind = api_error.kind
    request.app.state.metrics.error(kind.code)
    body = {
        "type": f"/errors/{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": api_error.detail,
        "instance": quote(request.scope["path"][:_LONGEST_PATH], errors="replace"),
        "request_id": request.state.request_id,
        "code": kind.code,
        **api_error.members,
    }
    headers = dict(api_error.headers or {})
    if kind.status == 503:
        headers["Retry-After"] = _RETRY_AFTER
    # ASCII, as a lone surrogate that a client sent could not be encoded.
    content = json.dumps(body, ensure_ascii=True, allow_nan=False).encode("ascii")
    return Response(content, kind.status, headers, MEDIA_TYPE)


async def handle_problem(request: Request, error: Exception) -> Response:
    """Answer an expected error; for FastAPI's `exception_handlers`."""
    if isinstance(error, EngineFault):
        logger.error("engine fault, request %s", request.state.request_id, exc_info=error)
    return problem_response(request, error)


HANDLED: tuple[type[Exception], ...] = (
    ApiError,
    MoleculeError,
    EngineNotReady,
    EngineFault,
    HTTPException,
    RequestValidationError,
)


def _as_api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, MoleculeError):
        members = molecule_members(error)
        return ApiError(members.pop("code"), members.pop("detail"), **members)
    if isinstance(error, EngineNotReady):
        return ApiError("not-ready", "the model is warming up; expected to be ready within seconds")
    if isinstance(error, EngineFault):
        return ApiError("engine-fault", "the model failed on this input; the log has the request id")
    if isinstance(error, RequestValidationError):
        return ApiError("invalid-request", "a parameter has a value that is not allowed")
    if isinstance(error, HTTPException):
        return _of_status(error)
    return ApiError("internal", "an unexpected error; the log has the request id")


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
