"""`GET /docs`: the OpenAPI document as a page to try it on, with nothing from outside and no script in the page."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from olfactory_transformer.api.headers import CSP, DOCS_POLICY
from olfactory_transformer.api.problems import ApiError

router = APIRouter(include_in_schema=False)
_ASSETS = {  # served name: file of fastapi-offline (Swagger UI, Apache 2.0), media type
    "swagger-ui.js": ("swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": ("swagger-ui.css", "text/css"),
    "icon.png": ("favicon.png", "image/png"),
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Olfactory Transformer</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/icon.png">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#page", deepLinking: true});\n'
_FOR_A_DAY = {"Cache-Control": "public, max-age=86400"}


@router.get("/docs")
async def page() -> Response:
    """Return the page."""
    return HTMLResponse(_PAGE, headers={CSP: DOCS_POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """Return the script that starts Swagger UI on this server's document."""
    return Response(_START, media_type="text/javascript", headers=_FOR_A_DAY)


@router.get("/docs/{name}")
async def asset(name: str, request: Request) -> Response:
    """Return one of Swagger UI's files."""
    if name not in _ASSETS:
        raise ApiError("not-found", "the page /docs has no such file")
    file, media_type = _ASSETS[name]
    content = (files("fastapi_offline") / "static" / file).read_bytes()
    return Response(content, media_type=media_type, headers=_FOR_A_DAY)
