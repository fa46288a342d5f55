"""What the OpenAPI document says beyond what FastAPI finds out: bodies we read ourselves, and problems."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from olfactory_transformer.api.problems import MEDIA_TYPE
from olfactory_transformer.api.schemas import Problem

_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def json_body(model: type[BaseModel], examples: dict[str, Any]) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads its body with `body.read_model`."""
    content = {"schema": model.model_json_schema(), "examples": examples}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with problems of these statuses."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Make `app.openapi()` return the document with the schema of problems in it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schemas = found["components"]["schemas"]
            schemas["Problem"] = Problem.model_json_schema()
            _drop_default_validation(found)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _drop_default_validation(document: dict[str, Any]) -> None:
    """Take out FastAPI's own 422 replies, which this app never gives."""
    for path in document["paths"].values():
        for operation in path.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
