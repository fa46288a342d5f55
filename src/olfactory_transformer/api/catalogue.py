"""Every error that a client can be told of: its code, status and meaning.

A code is the last part of a problem's `type` (`/errors/<code>`, which this server answers) and the label
`error_type` of `olfactory_errors_total`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from olfactory_transformer.core.errors import MoleculeError


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One kind of error.

    Parameters
    ----------
    code : str
        Stable, for programs.
    status : int
        HTTP status, where it is the answer to a whole request.
    title : str
        What is wrong, the same for all of the kind.
    hint : str
        What to do about it.
    """

    code: str
    status: int
    title: str
    hint: str


_AGAIN = "Try again after Retry-After seconds."
_REPORT = "Report it with the request id."
_REQUEST = (
    ErrorKind("bad-request", 400, "The request cannot be understood.", "See the detail."),
    ErrorKind("key-required", 401, "The request has no API key.", "Send one in the header X-API-Key."),
    ErrorKind("key-refused", 401, "The API key is not valid.", "Ask the server's administrator for one."),
    ErrorKind(
        "scope-missing", 403, "The API key may not do this.", "Ask for a key with the scope of the detail."
    ),
    ErrorKind(
        "origin-refused",
        403,
        "Pages of this origin may not ask.",
        "Its administrator names them in CORS_ORIGINS.",
    ),
    ErrorKind("not-found", 404, "No such page.", "GET / lists the routes."),
    ErrorKind("unknown-model", 404, "No model has this name.", "GET /v1/admin/models lists those there are."),
    ErrorKind("unknown-sensor", 404, "No sensor has this id.", "GET /v1/sensors lists those there are."),
    ErrorKind(
        "unknown-smell", 404, "No such smell has been taught.", "GET /v1/sensors/smells lists what is."
    ),
    ErrorKind("method-not-allowed", 405, "The page does not take this method.", "See the Allow header."),
    ErrorKind("request-timeout", 408, "The request took too long to arrive.", "Send it faster, or in parts."),
    ErrorKind("reload-failed", 409, "The model cannot be used; the old one goes on.", "See the detail."),
    ErrorKind("reload-in-progress", 409, "A model is being loaded already.", "Wait until it is done."),
    ErrorKind("enrolment-refused", 409, "The smell cannot be taught so.", "See the detail."),
    ErrorKind("stream-taken-over", 409, "Another connection goes on with this stream.", "Close this one."),
    ErrorKind("body-too-large", 413, "The body has more bytes than the limit.", "Split the list."),
    ErrorKind("line-too-long", 413, "A line of the stream has more bytes than the limit.", "See /v1/model."),
    ErrorKind("too-many-items", 413, "The list has more molecules than the limit.", "Split the list."),
    ErrorKind("too-many-rows", 413, "The recording has more than the limit.", "Send a part of it."),
    ErrorKind(
        "unsupported-media-type",
        415,
        "The body is not said to be what the route takes.",
        "Send the Content-Type of the detail, UTF-8, not compressed.",
    ),
    ErrorKind("invalid-json", 422, "The body is not strict JSON (RFC 8259) in UTF-8.", "See the detail."),
    ErrorKind(
        "invalid-request",
        422,
        "The request is not what the route takes.",
        "The member `errors` has a JSON pointer and a detail for each fault.",
    ),
    ErrorKind(
        "invalid-recording", 422, "The recording cannot be used.", "The member `row` says where, from 0."
    ),
    ErrorKind("calibration-refused", 422, "No calibration can be made of this.", "See the detail."),
    ErrorKind("unknown-word", 422, "The model does not have this word.", "GET /v1/words lists those it has."),
    ErrorKind("upgrade-required", 426, "This route speaks WebSocket.", "Connect to it as a WebSocket."),
    ErrorKind("rate-limited", 429, "The caller has used up its quota.", _AGAIN),
    ErrorKind("headers-too-large", 431, "The request's headers are too long.", "Send fewer or shorter ones."),
    ErrorKind("internal", 500, "A fault of the server.", _REPORT),
    ErrorKind("engine-fault", 500, "The model failed on this input.", _REPORT),
    ErrorKind("cannot-draw", 501, "This server has no drawing code that loads.", "Tell its administrator."),
    ErrorKind("engine-failed", 503, "The model does not work at present.", _AGAIN),
    ErrorKind("nose-failed", 503, "The model of sensors does not work at present.", _AGAIN),
    ErrorKind("not-ready", 503, "The model is warming up.", _AGAIN),
    ErrorKind("queue-full", 503, "More is waiting for the model than it takes on.", _AGAIN),
    ErrorKind("database-down", 503, "The database does not answer at present.", _AGAIN),
    ErrorKind("draining", 503, "The server is stopping.", _AGAIN),
    ErrorKind("deadline", 504, "The model gave no answer in the time allowed.", "Ask for less at a time."),
)
_MOLECULE_HINT = "See the members `got`, `expected` and `position` (index of the character, from 0)."


def _molecule_kinds(of: type[MoleculeError] = MoleculeError) -> Iterator[ErrorKind]:
    title = (of.__doc__ or "").strip().splitlines()[0]
    yield ErrorKind(of.code, 422, title, _MOLECULE_HINT)
    for kind in of.__subclasses__():
        yield from _molecule_kinds(kind)


KINDS: dict[str, ErrorKind] = {kind.code: kind for kind in (*_REQUEST, *_molecule_kinds())}
