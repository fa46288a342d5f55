"""`GET /v1/molecules/{smiles}/image`."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from olfactory_transformer import __version__
from olfactory_transformer.api import schemas
from olfactory_transformer.api.audit import asked_about
from olfactory_transformer.api.dependencies import EngineDep
from olfactory_transformer.api.gone import unless_gone
from olfactory_transformer.api.headers import CSP, PICTURE_POLICY
from olfactory_transformer.api.openapi import problems
from olfactory_transformer.engine.contract import PictureForm

router = APIRouter(tags=["molecules"])
_MEDIA: dict[PictureForm, str] = {"svg": "image/svg+xml", "png": "image/png"}


@router.get(
    "/v1/molecules/{smiles:path}/image",
    summary="A molecule's picture",
    response_class=Response,
    responses={
        200: {"content": {media: {"schema": {"type": "string"}} for media in _MEDIA.values()}},
        304: {"description": "The picture that If-None-Match names is still the one."},
        **problems(404, 422, 500, 501, 503, 504),
    },
)
async def image(
    request: Request,
    engine: EngineDep,
    smiles: Annotated[
        str,
        Path(
            description="One SMILES, percent-encoded: `#` is %23, `/` %2F, `?` %3F.",
            json_schema_extra={"format": "smiles", "examples": ["CC(=O)OCC"]},
        ),
    ],
    form: Annotated[
        PictureForm | None, Query(alias="format", description="Without it, Accept decides; else SVG.")
    ] = None,
    word: Annotated[
        schemas.Word | None,
        Query(description="Colour the atoms by what they contribute to this word, one of `GET /v1/words`."),
    ] = None,
) -> Response:
    """Return the picture of a molecule, its atoms coloured by what they contribute to a word if one is given."""
    asked_about(request.scope, [smiles])
    kind: PictureForm = form or _preferred(request.headers.get("accept", ""))
    headers = {
        "ETag": _tag(engine.info.hash, kind, word or "", smiles),
        "Cache-Control": "private, max-age=3600",
        "Vary": "Accept",
        CSP: PICTURE_POLICY,
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    picture = await unless_gone(request.receive, engine.draw(smiles, kind, word))
    return Response(picture, media_type=_MEDIA[kind], headers=headers)


def _preferred(accept: str) -> PictureForm:
    """Return png for clients that take it and say nothing of SVG or of images in general.

    >>> _preferred("image/png"), _preferred("image/png, */*"), _preferred("")
    ('png', 'svg', 'svg')
    """
    media = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return "png" if "image/png" in media and not media & {"image/svg+xml", "image/*", "*/*"} else "svg"


def _tag(*parts: str) -> str:
    """Return the picture's ETag: whatever it depends on, so that it is known before the picture is drawn."""
    text = "\0".join((__version__, *parts))
    return f'"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'
