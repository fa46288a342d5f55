"""`GET /v1/admin/models`, `POST /v1/admin/reload`: another model without a restart."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from olfactory_transformer.api import schemas
from olfactory_transformer.api.body import read_model
from olfactory_transformer.api.dependencies import EngineDep, ModelsDep, SettingsDep
from olfactory_transformer.api.openapi import json_body, problems
from olfactory_transformer.engine.contract import ModelInfo

router = APIRouter(tags=["admin"])


@router.get("/v1/admin/models", summary="The models that can be served")
async def models(models: ModelsDep, engine: EngineDep) -> schemas.ModelList:
    """Return the names of the models that ship with the package and of those in MODELS_DIR."""
    return schemas.ModelList(models=await asyncio.to_thread(models.names), serving=_served(engine.info))


@router.post(
    "/v1/admin/reload",
    summary="Serve another model",
    responses=problems(404, 408, 409, 413, 415, 422),
    openapi_extra=json_body(schemas.ReloadRequest, schemas.RELOAD_EXAMPLES),
)
async def reload(request: Request, models: ModelsDep, settings: SettingsDep) -> schemas.ServedModel:
    """Load a model and warm it up beside the one that is served, then swap them.

    Answers when that is done. If the new model cannot be used or its warm-up fails, the old one goes on and the
    answer is 409.
    """
    asked = await read_model(
        request, schemas.ReloadRequest, settings.max_body_bytes, settings.inference_timeout
    )
    return _served(await models.change(asked.model))


def _served(info: ModelInfo) -> schemas.ServedModel:
    return schemas.ServedModel(name=info.name, version=info.version, hash=info.hash)
