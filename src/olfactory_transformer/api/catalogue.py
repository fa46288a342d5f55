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


_REQUEST = (
    ErrorKind("not-found", 404, "No such page.", "GET / lists the routes."),
    ErrorKind("method-not-allowed", 405, "The page does not take this method.", "See the Allow header."),
    ErrorKind("body-too-large", 413, "The body has more bytes than the limit.", "Split the list."),
    ErrorKind("too-many-items", 413, "The list has more molecules than the limit.", "Split the list."),
    ErrorKind(
        "unsupported-media-type",
        415,
        "The body is not said to be plain JSON.",
        "Send Content-Type: application/json, UTF-8, not compressed.",
    ),
    ErrorKind("invalid-json", 422, "The body is not strict JSON (RFC 8259) in UTF-8.", "See the detail."),
    ErrorKind(
        "invalid-request",
        422,
        "The JSON is not what the route takes.",
        "The member `errors` has a JSON pointer and a detail for each fault.",
    ),
    ErrorKind("bad-request", 400, "The request cannot be understood.", "See the detail."),
    ErrorKind("internal", 500, "A fault of the server.", "Report it with the request id."),
    ErrorKind("engine-fault", 500, "The model failed on this input.", "Report it with the request id."),
    ErrorKind("engine-failed", 503, "The model does not work at present.", "Try again later."),
    ErrorKind("not-ready", 503, "The model is warming up.", "Try again after Retry-After seconds."),
)
_MOLECULE_HINT = "See the members `got`, `expected` and `position` (index of the character, from 0)."


def _molecule_kinds(of: type[MoleculeError] = MoleculeError) -> Iterator[ErrorKind]:
    title = (of.__doc__ or "").strip().splitlines()[0]
    yield ErrorKind(of.code, 422, title, _MOLECULE_HINT)
    for kind in of.__subclasses__():
        yield from _molecule_kinds(kind)


KINDS: dict[str, ErrorKind] = {kind.code: kind for kind in (*_REQUEST, *_molecule_kinds())}
