"""`GET /v1/model`, `GET /v1/words`."""

from __future__ import annotations

from fastapi import APIRouter

from olfactory_transformer.api import schemas
from olfactory_transformer.api.dependencies import EngineDep, SettingsDep

router = APIRouter(tags=["model"])


@router.get("/v1/model", summary="What is being served, and its limits")
async def model(engine: EngineDep, settings: SettingsDep) -> schemas.Model:
    """Return the model's name, version, hash and sizes, and what a request may ask."""
    info = engine.info
    return schemas.Model(
        name=info.name,
        version=info.version,
        hash=info.hash,
        ratings=list(info.ratings),
        sizes=schemas.Sizes(
            words=len(info.words),
            ratings=len(info.ratings),
            width=info.width,
            layers=info.layers,
            heads=info.heads,
            feedforward=info.feedforward,
            embedding=info.embedding,
        ),
        limits=schemas.Limits(
            items=settings.max_items,
            body_bytes=settings.max_body_bytes,
            smiles_length=info.limits.length,
            heavy_atoms=info.limits.heavy_atoms,
            rings=info.limits.rings,
        ),
    )


@router.get("/v1/words", summary="The words that predictions use")
async def words(engine: EngineDep) -> schemas.WordList:
    """Return the model's odour words, in the order of its output."""
    return schemas.WordList(words=list(engine.info.words))
