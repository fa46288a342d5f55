"""What the OpenAPI document says beyond what FastAPI finds out: bodies we read ourselves, problems, and keys."""

from __future__ import annotations

from copy import deepcopy
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from olfactory_transformer.api.problems import MEDIA_TYPE
from olfactory_transformer.api.schemas import Problem, StreamAnswer, StreamLine

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_REFERENCE = "#/components/schemas/{model}"
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds after which to ask again.", "schema": {"type": "integer"}}
}
_KEYED = ("/v1/", "/v2")  # what the gate guards
_ADMIN = "/v1/admin/"
_BY_THE_GATE = (401, 403, 429)
_SECURITY = {
    "type": "apiKey",
    "in": "header",
    "name": "X-API-Key",
    "description": "Needed where the server says so (API_KEY_REQUIRED).",
}


def json_body(model: type[BaseModel], examples: dict[str, Any]) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads its body with `body.read_model`."""
    schema = model.model_json_schema(ref_template=_REFERENCE)
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": examples}},
        }
    }


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with problems of these statuses."""
    return {status: _reply(status) for status in statuses}


def _reply(status: int) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
    }
    return {**reply, "headers": _RETRY_AFTER} if status in (429, 503) else reply


def install(app: FastAPI, *, keys: bool) -> None:
    """Make `app.openapi()` return the document with the schema of problems and the key in it.

    Parameters
    ----------
    app : FastAPI
    keys : bool
        Whether a key is needed everywhere that the gate guards, and not for administrators alone.
    """

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            # A copy, as the routes' own descriptions are in it, which other applications share.
            found = deepcopy(
                get_openapi(
                    title=app.title, version=app.version, description=app.description, routes=app.routes
                )
            )
            components = found["components"]
            for model in (Problem, StreamLine, StreamAnswer):  # which no route names to the framework
                _add_schema(model, components["schemas"])
            components["securitySchemes"] = {"key": _SECURITY}
            for path, operations in found["paths"].items():
                for operation in operations.values():
                    _lift_definitions(operation, components["schemas"])
                    _drop_default_validation(operation)
                    if path.startswith(_KEYED):
                        _add_gate(operation, keys or path.startswith(_ADMIN))
            for name in ("HTTPValidationError", "ValidationError"):
                components["schemas"].pop(name, None)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _add_schema(model: type[BaseModel], schemas: dict[str, Any]) -> None:
    schema = model.model_json_schema(ref_template=_REFERENCE)
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema


def _lift_definitions(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Put the definitions of a body's schema where references to them lead."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schemas.update(content.get("schema", {}).pop("$defs", {}))


def _drop_default_validation(operation: dict[str, Any]) -> None:
    """Take out FastAPI's own 422 reply, which this app never gives."""
    if "application/json" in operation["responses"].get("422", {}).get("content", {}):
        del operation["responses"]["422"]


def _add_gate(operation: dict[str, Any], key_required: bool) -> None:
    operation["security"] = [{"key": []}] if key_required else [{}, {"key": []}]
    for status in _BY_THE_GATE:
        operation["responses"].setdefault(str(status), _reply(status))
