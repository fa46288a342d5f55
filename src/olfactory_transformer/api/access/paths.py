"""Which scopes a path needs.

Decided before routing, and so from the path alone: whatever lies under a prefix needs its scope, whether there is such
a route or not. The router compares paths exactly, so `//v1/predict` or `/V1/predict` is no route of it. Should
something between the gate and a route ever be less exact, nothing opens: a path also needs what its plainest reading
needs.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

# What may read as another path: capitals, what is not ASCII, and the marks of escapes, of empty parts and of `..`.
_READ_TWICE = re.compile(r"[^\x00-@\[-\x7f]|//|/\.|[\\%]")
_LONGEST = 4096  # characters that are read plainly; no route is so long


class Area(NamedTuple):
    """All paths under a prefix.

    Parameters
    ----------
    prefix : str
    scope : str
        Of the key that they need.
    """

    prefix: str
    scope: str


AREAS = (  # the first that fits
    Area("/v1/admin", "admin"),
    Area("/v1/sensors", "sensors"),
    Area("/v1", "predict"),
    Area("/v2", "predict"),
)


def areas_of(path: str) -> tuple[Area, ...]:
    """Return the areas in which a path lies as it stands, and as its plainest reading; none if anybody may ask.

    >>> [area.scope for area in areas_of("/v1/predict")], areas_of("/health")
    (['predict'], ())
    >>> [area.scope for area in areas_of("/v1/x/../ADMIN//reload")]
    ['predict', 'admin']
    """
    exact = _area(path)
    if not _READ_TWICE.search(path):
        return (exact,) if exact else ()
    plain = _area(_plain(path))
    return tuple(dict.fromkeys(area for area in (exact, plain) if area))


def route_path(scope: Mapping[str, Any]) -> str:
    """Return the path as the router reads it: without the prefix under which the application is mounted.

    >>> route_path({"path": "/api/v1/predict", "root_path": "/api"})
    '/v1/predict'
    """
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _area(path: str) -> Area | None:
    for area in AREAS:
        if path.startswith(area.prefix) and path[len(area.prefix) : len(area.prefix) + 1] in ("", "/"):
            return area
    return None


def _plain(path: str) -> str:
    text = unicodedata.normalize("NFKC", unquote(path[:_LONGEST])).casefold().replace("\\", "/")
    return posixpath.normpath("/" + text.lstrip("/"))
