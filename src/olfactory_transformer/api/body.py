"""Reading a request's body: bounded in bytes and in time, declared as JSON, strict.

Not left to the framework, which reads a body whole before it looks at it, takes NaN, repeated keys and other
encodings, and answers each in a shape of its own.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from olfactory_transformer.api.gone import within
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.core.errors import shown

JSON = ("application/json",)
MOST_ERRORS = 10  # that a problem tells of
_CLOSE = {"Connection": "close"}  # the rest of the body is not waited for
Model = TypeVar("Model", bound=BaseModel)


async def read_model(request: Request, model: type[Model], limit: int, seconds: float) -> Model:
    """Read the body as `model`.

    Parameters
    ----------
    request : Request
    model : type of pydantic model
    limit : int
        Bytes.
    seconds : float
        In which the whole body must arrive.

    Raises
    ------
    ApiError
        unsupported-media-type, body-too-large, request-timeout, invalid-json, invalid-request.
    """
    return as_model(strict_json(await read_body(request, limit, seconds)), model)


async def read_body(request: Request, limit: int, seconds: float) -> bytes:
    """Read a body that is said to be JSON; see `read_model`."""
    check_declared(request, JSON)
    return await read_bytes(request, limit, seconds)


async def read_bytes(request: Request, limit: int, seconds: float) -> bytes:
    """Read a body of any kind, bounded in bytes and in time; see `read_model`."""
    declared = _header(request, b"content-length")
    if len(declared) > 18 or (declared.isdecimal() and int(declared) > limit):
        raise _too_large(limit)
    try:
        return await within(seconds, _read(request, limit))
    except TimeoutError:
        detail = f"expected the whole body within {seconds:g} s"
        raise ApiError("request-timeout", detail, headers=_CLOSE) from None


async def _read(request: Request, limit: int) -> bytes:
    """Read to the end; not by `Request.stream`, which takes as long for a small body as all else here together."""
    parts, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        if part := message.get("body", b""):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise _too_large(limit)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def check_declared(request: Request, media: tuple[str, ...]) -> None:
    """Raise ApiError `unsupported-media-type` unless the body is said to be one of `media`, UTF-8, not compressed."""
    given = _header(request, b"content-type")
    if given in media:  # as nearly all clients write it
        fits = True
    else:
        name, _, parameters = given.partition(";")
        charset = parameters.partition("charset=")[2].strip(' "').lower()
        fits = name.strip().lower() in media and charset in ("", "utf-8", "utf8")
    if not fits:
        detail = f"got Content-Type {shown(given)}, expected {' or '.join(media)}"
        raise ApiError("unsupported-media-type", detail, headers=_CLOSE)
    if coding := _header(request, b"content-encoding"):
        detail = f"got Content-Encoding {shown(coding)}, expected none"
        raise ApiError("unsupported-media-type", detail, headers=_CLOSE)


def _header(request: Request, name: bytes) -> str:
    """Return a header, empty if it was not sent; `Request.headers` takes some microseconds to say that."""
    return next((value.decode("latin-1") for key, value in request.scope["headers"] if key == name), "")


def strict_json(body: bytes) -> Any:
    r"""Parse strict JSON in UTF-8: no NaN, no Infinity, no repeated keys.

    Escapes of lone surrogates (`"\ud800"`) are let through: they spoil one item, not the document.

    >>> strict_json(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    >>> strict_json(b'NaN')
    Traceback (most recent call last):
    ...
    olfactory_transformer.api.problems.ApiError: invalid-json: got NaN, which is not JSON
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ApiError("invalid-json", f"byte {error.start} is not UTF-8 ({error.reason})") from None
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ApiError(
            "invalid-json", f"{error.msg} at {where}" if text.strip() else "an empty body"
        ) from None
    except RecursionError:
        raise ApiError("invalid-json", "lists or objects nested too deep") from None
    except ValueError:  # an integer of more digits than Python reads
        raise ApiError("invalid-json", "a number has too many digits") from None


def as_model(value: object, model: type[Model]) -> Model:
    """Return a JSON object as `model`; ApiError `invalid-request` if it is not one."""
    if not isinstance(value, dict):
        raise ApiError("invalid-request", f"got {described(value)}, expected a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _invalid(error) from None


def described(value: object) -> str:
    """Return a JSON value as words for a message, short and printable.

    >>> described(None), described([1]), described(True), described("CCO")
    ('null', 'a list', 'true', "'CCO'")
    """
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return shown(value) if isinstance(value, str) else repr(value)[:40]


def _too_large(limit: int) -> ApiError:
    return ApiError("body-too-large", f"expected at most {limit} bytes", headers=_CLOSE, limit=limit)


def _refuse_constant(name: str) -> NoReturn:
    raise ApiError("invalid-json", f"got {name}, which is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise ApiError("invalid-json", f"the key {shown(key)} is given more than once")
            seen.add(key)
    return found


def _invalid(error: ValidationError) -> ApiError:
    faults = []
    for fault in error.errors(include_url=False)[:MOST_ERRORS]:
        path = [*fault["loc"], *fault.get("ctx", {}).get("path", ())]
        pointer = "".join(
            "/" + ascii(str(part))[1:-1][:60].replace("~", "~0").replace("/", "~1") for part in path
        )
        got = "" if fault["type"] in ("missing", "smiles") else f"got {described(fault['input'])}: "
        faults.append({"pointer": f"#{pointer}", "detail": got + fault["msg"]})
    first = faults[0]
    return ApiError("invalid-request", f"{first['pointer']}: {first['detail']}", errors=faults)
