"""The Open Inference Protocol (KServe's version 2): health, metadata and inference under `/v2`.

Names and shapes are those of the protocol; errors are problems with the protocol's member `error`. A molecule that
cannot be read fails the whole request, as the protocol has no errors of single items.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from olfactory_transformer import __version__
from olfactory_transformer.api import schemas_v2 as schemas
from olfactory_transformer.api.audit import asked_about
from olfactory_transformer.api.body import read_model
from olfactory_transformer.api.dependencies import EngineDep, LifecycleDep, SettingsDep
from olfactory_transformer.api.gone import unless_gone
from olfactory_transformer.api.openapi import json_body, problems
from olfactory_transformer.api.problems import ApiError, as_api_error
from olfactory_transformer.api.render import as_json
from olfactory_transformer.api.routes.probes import unready
from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import MoleculeError, shown
from olfactory_transformer.engine.contract import Engine, ModelInfo, Outcome

router = APIRouter(tags=["open inference protocol"])
_PLATFORM = "onnx_onnxv1"
_MODEL = "/v2/models/{name}"
_VERSION = _MODEL + "/versions/{version}"
Name = Annotated[str, Path(description="As in `GET /v1/model`.", examples=["olfactory-base-v1"])]
Version = Annotated[str, Path(description="As in `GET /v1/model`.", examples=["1.3.0"])]


@router.get("/v2", summary="Server metadata of the Open Inference Protocol")
async def server() -> schemas.ServerMetadata:
    """Return the server's name, version and protocol extensions, of which it has none."""
    return schemas.ServerMetadata(name="olfactory-transformer", version=__version__, extensions=[])


@router.get("/v2/health/live", summary="Is the server alive")
async def live() -> schemas.ServerLive:
    """Answer as long as the process does."""
    return schemas.ServerLive(live=True)


@router.get("/v2/health/ready", summary="Are all models ready", responses=problems(503))
async def ready(engine: EngineDep, lifecycle: LifecycleDep) -> schemas.ServerReady:
    """Answer 200 when the model predicts, 503 otherwise."""
    if error := unready(engine, lifecycle):
        error.members["ready"] = False
        raise error
    return schemas.ServerReady(ready=True)


@router.get(_MODEL, summary="Metadata of a model", responses=problems(404))
async def metadata(name: Name, engine: EngineDep) -> schemas.ModelMetadata:
    """Return the model's inputs and outputs."""
    return _metadata(_found(engine, name))


@router.get(_VERSION, summary="Metadata of a version of a model", responses=problems(404))
async def version_metadata(name: Name, version: Version, engine: EngineDep) -> schemas.ModelMetadata:
    """Return the model's inputs and outputs."""
    return _metadata(_found(engine, name, version))


@router.get(_MODEL + "/ready", summary="Is a model ready", responses=problems(404, 503))
async def model_ready(name: Name, engine: EngineDep, lifecycle: LifecycleDep) -> schemas.ModelReady:
    """Answer 200 when the model predicts, 503 otherwise."""
    return _model_ready(_found(engine, name), engine, lifecycle)


@router.get(_VERSION + "/ready", summary="Is a version of a model ready", responses=problems(404, 503))
async def version_ready(
    name: Name, version: Version, engine: EngineDep, lifecycle: LifecycleDep
) -> schemas.ModelReady:
    """Answer 200 when the model predicts, 503 otherwise."""
    return _model_ready(_found(engine, name, version), engine, lifecycle)


_INFER: dict[str, Any] = {
    "response_model": schemas.InferReply,
    "responses": problems(404, 408, 413, 415, 422, 500, 503, 504),
    "openapi_extra": json_body(schemas.InferRequest, schemas.INFER_EXAMPLES),
}


@router.post(_MODEL + "/infer", summary="Predict by the Open Inference Protocol", **_INFER)
async def infer(name: Name, request: Request, engine: EngineDep, settings: SettingsDep) -> Response:
    """Return the probability of every word, in the order of `GET /v1/words`, for each SMILES of the input."""
    return await _inferred(request, engine, settings, _found(engine, name))


@router.post(_VERSION + "/infer", summary="Predict by the Open Inference Protocol, by version", **_INFER)
async def version_infer(
    name: Name, version: Version, request: Request, engine: EngineDep, settings: SettingsDep
) -> Response:
    """Return the probability of every word, in the order of `GET /v1/words`, for each SMILES of the input."""
    return await _inferred(request, engine, settings, _found(engine, name, version))


def _found(engine: Engine, name: str, version: str | None = None) -> ModelInfo:
    info = engine.info
    if name != info.name or version not in (None, info.version):
        asked = shown(name) if version is None else f"{shown(name)}, version {shown(version)}"
        raise ApiError("unknown-model", f"got {asked}, expected {info.name}, version {info.version}")
    return info


def _metadata(info: ModelInfo) -> schemas.ModelMetadata:
    return schemas.ModelMetadata(
        name=info.name,
        versions=[info.version],
        platform=_PLATFORM,
        inputs=[schemas.TensorMetadata(name="smiles", datatype="BYTES", shape=[-1])],
        outputs=[
            schemas.TensorMetadata(name="words", datatype="FP32", shape=[-1, len(info.words)]),
            schemas.TensorMetadata(name="canonical_smiles", datatype="BYTES", shape=[-1]),
        ],
    )


def _model_ready(info: ModelInfo, engine: Engine, lifecycle: LifecycleDep) -> schemas.ModelReady:
    if error := unready(engine, lifecycle):
        error.members.update(name=info.name, ready=False)
        raise error
    return schemas.ModelReady(name=info.name, ready=True)


async def _inferred(request: Request, engine: Engine, settings: SettingsDep, info: ModelInfo) -> Response:
    asked = await read_model(
        request, schemas.InferRequest, settings.max_body_bytes, settings.inference_timeout
    )
    (tensor,) = asked.inputs
    if tensor.shape != [len(tensor.data)]:
        detail = f"got {tensor.shape}, expected [{len(tensor.data)}]"
        fault = {"pointer": "#/inputs/0/shape", "detail": detail}
        raise ApiError("invalid-request", f"#/inputs/0/shape: {detail}", errors=[fault])
    if len(tensor.data) > settings.max_items:
        detail = f"got {len(tensor.data)} molecules, expected at most {settings.max_items}"
        raise ApiError("too-many-items", detail, limit=settings.max_items)
    asked_about(request.scope, tensor.data)
    outcomes = await unless_gone(request.receive, engine.predict(tensor.data))
    found = [_prediction(index, outcome) for index, outcome in enumerate(outcomes)]
    words = [probability for prediction in found for probability in prediction.words.values()]
    outputs = {
        "words": {"datatype": "FP32", "shape": [len(found), len(found[0].words)], "data": words},
        "canonical_smiles": {
            "datatype": "BYTES",
            "shape": [len(found)],
            "data": [prediction.canonical_smiles for prediction in found],
        },
    }
    wanted: list[str] = [output.name for output in asked.outputs] or list(outputs)
    reply = {
        "model_name": info.name,
        "model_version": found[0].model_version.rpartition("@")[2],
        **({} if asked.id is None else {"id": asked.id}),
        "outputs": [{"name": name, **outputs[name]} for name in wanted],
    }
    return Response(as_json(reply), media_type="application/json")


def _prediction(index: int, outcome: Outcome) -> ScentPrediction:
    if isinstance(outcome, ScentPrediction):
        return outcome
    if not isinstance(outcome, MoleculeError):
        raise outcome
    error = as_api_error(outcome)
    raise ApiError(error.kind.code, f"item {index}: {error.detail}", index=index, **error.members)
