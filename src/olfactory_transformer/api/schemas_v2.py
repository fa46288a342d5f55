"""What goes in and comes out under /v2, in the shapes of the Open Inference Protocol."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainValidator, StrictInt, StrictStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from olfactory_transformer.api.body import described
from olfactory_transformer.api.schemas import SMILES_SCHEMA, Asked

OutputName = Literal["words", "canonical_smiles"]


def _texts(value: object) -> object:
    if not isinstance(value, list) or not value:
        got = "an empty list" if value == [] else described(value)
        raise PydanticCustomError("smiles", "got {got}, expected a list of SMILES", {"got": got})
    for index, item in enumerate(value):
        if not isinstance(item, str):
            context = {"got": described(item), "path": (index,)}
            raise PydanticCustomError("smiles", "got {got}, expected a SMILES as text", context)
    return value


# Not pydantic's own `str`, which refuses a whole list for one text with a lone surrogate.
Texts = Annotated[
    list[str],
    PlainValidator(_texts),
    WithJsonSchema({"type": "array", "items": SMILES_SCHEMA, "minItems": 1}),
]


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class ServerLive(BaseModel):
    """That the server is alive."""

    live: bool


class ServerReady(BaseModel):
    """That all models are ready."""

    ready: bool


class ModelReady(BaseModel):
    """That a model is ready."""

    name: str
    ready: bool


class TensorMetadata(BaseModel):
    """An input or output of a model."""

    name: str
    datatype: Literal["BYTES", "FP32"]
    shape: list[int] = Field(description="-1 is any number.")


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class InputTensor(Asked):
    """The SMILES to predict."""

    name: Literal["smiles"]
    datatype: Literal["BYTES"]
    shape: Annotated[list[StrictInt], Field(min_length=1, max_length=1, description="Of one dimension.")]
    parameters: dict[str, Any] | None = Field(None, description="Not used.")
    data: Texts


class RequestedOutput(Asked):
    """An output that is asked for."""

    name: OutputName
    parameters: dict[str, Any] | None = Field(None, description="Not used.")


class InferRequest(Asked):
    """Molecules to predict."""

    id: StrictStr | None = Field(None, description="Comes back with the reply.")
    parameters: dict[str, Any] | None = Field(None, description="Not used.")
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=1)]
    outputs: Annotated[list[RequestedOutput], Field(max_length=2)] = Field(
        [], description="Without any, all outputs."
    )


class OutputTensor(BaseModel):
    """An output: of two dimensions row by row."""

    name: OutputName
    datatype: Literal["BYTES", "FP32"]
    shape: list[int]
    data: list[float] | list[str]


class InferReply(BaseModel):
    """What was predicted."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


INFER_EXAMPLES: dict[str, Any] = {
    "two": {
        "summary": "Two molecules",
        "value": {
            "id": "42",
            "inputs": [
                {
                    "name": "smiles",
                    "datatype": "BYTES",
                    "shape": [2],
                    "data": ["COc1cc(C=O)ccc1O", "CC(=O)OCC"],
                }
            ],
        },
    }
}
