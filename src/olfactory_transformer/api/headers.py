"""Headers that every reply has unless its route says otherwise, and the policies of the pages that need their own."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from olfactory_transformer.engine.contract import ModelInfo

RawHeaders = list[tuple[bytes, bytes]]

CSP = "Content-Security-Policy"
# A picture styles itself inside, and does nothing else.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
# Swagger UI: our own copy of its script and style sheet, styles that it sets itself, icons inside its style
# sheet, and requests to this server. No script stands in the page.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# What a page of another origin may read, where CORS_ORIGINS lets it.
EXPOSED = (
    "X-Request-ID",
    "X-Model-Version",
    "X-Model-Hash",
    "Server-Timing",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "ETag",
)
ACCEPTED = ("X-API-Key", "X-Request-ID", "Content-Type")
# No reply is a page that may run, be framed or be guessed at, and what people ask about stays out of caches.
_ALWAYS: RawHeaders = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
_UNLESS_GIVEN = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


def completed(given: Sequence[tuple[bytes, bytes]]) -> RawHeaders:
    """Return a reply's headers with those that it lacks; names are in lower case.

    >>> completed([(b"cache-control", b"private")])[-1]
    (b'content-security-policy', b"default-src 'none'; frame-ancestors 'none'")
    """
    names = {name for name, _ in given}
    missing = [(name, value) for name, value in _UNLESS_GIVEN.items() if name not in names]
    return [*given, *_ALWAYS, *missing]


def model_headers(info: ModelInfo) -> RawHeaders:
    """Return the headers that say which model answers."""
    version = quote(info.full_version, safe="@+ ")
    return [(b"x-model-version", version.encode("ascii")), (b"x-model-hash", info.hash.encode("ascii"))]
