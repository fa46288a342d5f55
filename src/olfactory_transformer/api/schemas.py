"""What goes in and comes out, as pydantic models: the source of the OpenAPI document."""

from __future__ import annotations

import math
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from olfactory_transformer.api.body import MOST_ERRORS, described
from olfactory_transformer.core.config import DEFAULT_DILUTION

Words = Literal["notes", "all"]
SMILES_SCHEMA = {"type": "string", "format": "smiles"}


def _smiles(value: object) -> object:
    """Take text or a list of texts, whatever characters they have: each item is judged later, by itself."""
    if isinstance(value, list):
        if not value:
            raise PydanticCustomError("smiles", "got an empty list, expected at least one SMILES")
        for index, item in enumerate(value):
            if not isinstance(item, str):
                context = {"got": described(item), "path": (index,)}
                raise PydanticCustomError("smiles", "got {got}, expected a SMILES as text", context)
    elif not isinstance(value, str):
        context = {"got": described(value)}
        raise PydanticCustomError("smiles", "got {got}, expected a SMILES as text or a list of them", context)
    return value


# Not pydantic's own `str`, which refuses a whole list for one text with a lone surrogate.
Smiles = Annotated[
    str | list[str],
    PlainValidator(_smiles),
    WithJsonSchema({"anyOf": [SMILES_SCHEMA, {"type": "array", "items": SMILES_SCHEMA, "minItems": 1}]}),
]


def _one_smiles(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("smiles", "got {got}, expected a SMILES as text", {"got": described(value)})
    return value


def _line_id(value: object) -> object:
    if type(value) not in (str, int, float) or (isinstance(value, float) and not math.isfinite(value)):
        raise PydanticCustomError(
            "smiles", "got {got}, expected a text or a number", {"got": described(value)}
        )
    return value


OneSmiles = Annotated[str, PlainValidator(_one_smiles), WithJsonSchema(SMILES_SCHEMA)]
Word = Annotated[str, WithJsonSchema({"type": "string", "format": "odour-word"})]
LineId = Annotated[
    str | int | float,
    PlainValidator(_line_id),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]}),
]
Dilution = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)]


class Asked(BaseModel):
    """An object of a request: it has no keys but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _with_few_unknown(cls, value: object) -> object:
        """Leave out unknown keys that no problem would tell of: of each, pydantic makes an error of its own."""
        own = cls.model_fields
        if not isinstance(value, dict) or len(value) <= len(own) + MOST_ERRORS:
            return value
        kept = {name: value[name] for name in own if name in value}
        return kept | {name: value[name] for name in islice((n for n in value if n not in own), MOST_ERRORS)}


class PredictRequest(Asked):
    """Molecules to predict."""

    smiles: Smiles = Field(description="One SMILES, or a list of them.")
    words: Words = Field(
        "notes", description="Which words' probabilities to return: those of the primary notes, or all."
    )
    dilution: Dilution = Field(
        DEFAULT_DILUTION, description="Volume fraction at which intensity and pleasantness are meant."
    )


class StreamLine(Asked):
    """A line of a stream, where it is not just a SMILES as text."""

    smiles: OneSmiles
    id: LineId | None = Field(None, description="Comes back with the line's answer.")
    dilution: Dilution | None = Field(None, description="Volume fraction; without it, that of the query.")


class Applicability(BaseModel):
    """Whether a molecule is like those that the model learned from, and volatile."""

    inside: bool = Field(description="There is no reason to doubt that the model can be asked.")
    distance: float | None = Field(
        description="Mean cosine distance (0-2) on the odour map to the nearest molecules it learned from."
    )
    percentile: float | None = Field(
        description="Percentage of molecules new to the model that are nearer to what it learned from, 0-100."
    )
    reasons: list[str] = Field(description="Why the molecule is not inside.")


class Prediction(BaseModel):
    """What a molecule smells like."""

    smiles: str = Field(description="As given.")
    canonical_smiles: str = Field(description="What was predicted: one fragment, normalised.")
    primary_notes: list[str] = Field(
        description="The words whose probability reaches their own threshold, most probable first."
    )
    words: dict[str, float] = Field(description="Probability of each word, 0-1.")
    intensity: float | None = Field(description="Perceived intensity at `dilution`, 0-10.")
    pleasantness: float | None = Field(description="At `dilution`, 0 (unpleasant) to 10 (pleasant).")
    dilution: float = Field(description="Volume fraction.")
    log_inverse_threshold: float | None = Field(
        description="log10(1 / ODT), ODT the odour detection threshold in ppm (v/v) in air."
    )
    threshold_ppm: float | None = Field(description="Odour detection threshold in ppm (v/v) in air.")
    odorless_probability: float | None = Field(description="Probability that people smell nothing, 0-1.")
    confidence: float | None = Field(
        description="Expected share of the primary notes (without any, of the most probable word) that is right, 0-1."
    )
    warnings: list[str] = Field(description="What was changed in the input, and what the model has not seen.")
    model_version: str = Field(description="Name and version of the model.")
    applicability: Applicability | None = Field(
        description="Whether the model may be asked about this molecule; null if it cannot tell."
    )
    notes_90: list[str] = Field(
        description="Words that hold, on average over molecules exchangeable with the labelled ones of the "
        "cross-validation (GS-LF), at least 90 % of the words that the reference gives a molecule; most probable "
        "first, empty if the model has no threshold for it."
    )


class ItemError(BaseModel):
    """Why a molecule of a list has no prediction."""

    code: str = Field(description="Stable, for programs; see /errors/{code}.")
    detail: str = Field(description="What was got and what was expected.")
    position: int | None = Field(
        None, description="Index (from 0) of the character at fault, if it can be told."
    )
    got: str | None = None
    expected: str | None = None


class ItemPrediction(BaseModel):
    """A molecule of a list that was predicted."""

    index: int = Field(description="Place in the list of the request, from 0.")
    prediction: Prediction


class ItemRefused(BaseModel):
    """A molecule of a list that was not."""

    index: int = Field(description="Place in the list of the request, from 0.")
    error: ItemError


class PredictionList(BaseModel):
    """One result a molecule, in the order of the request."""

    results: list[ItemPrediction | ItemRefused]


class StreamAnswer(BaseModel):
    """A line of a stream's reply: `prediction` or `error`."""

    index: int = Field(description="Of the line, from 0; blank lines do not count.")
    id: str | int | float | None = Field(None, description="The line's own, if it has one.")
    prediction: Prediction | None = None
    error: ItemError | None = None


class WordList(BaseModel):
    """The model's vocabulary of odours."""

    words: list[str] = Field(description="In the order of the model's output.")


class Sizes(BaseModel):
    """Size of the network."""

    words: int
    ratings: int
    width: int
    layers: int
    heads: int
    feedforward: int
    embedding: int = Field(description="Coordinates of the odour map.")


class Limits(BaseModel):
    """What one request may ask."""

    items: int = Field(description="Molecules in a list.")
    body_bytes: int
    smiles_length: int = Field(description="Characters of a SMILES.")
    heavy_atoms: int
    rings: int


class Model(BaseModel):
    """What is being served."""

    name: str
    version: str
    hash: str = Field(description="SHA-256 of the model's manifest, which holds the hash of every file.")
    ratings: list[str] = Field(description="Names of the perceptual ratings that the network gives.")
    sizes: Sizes
    limits: Limits


class Status(BaseModel):
    """That the process is alive."""

    status: Literal["alive"]


class Ready(BaseModel):
    """That the server predicts."""

    status: Literal["ready"]
    degraded: list[str] = Field(description="Parts that it does without at present, such as redis.")


class Links(BaseModel):
    """Where to go from here."""

    name: str
    version: str
    links: dict[str, str]


class ErrorMeaning(BaseModel):
    """What a problem's type means."""

    code: str
    status: int
    title: str
    hint: str


class ReloadRequest(Asked):
    """Which model to serve."""

    model: Annotated[str, Field(strict=True)] | None = Field(
        None, description="One of those of `GET /v1/admin/models`; without it, what is served is read again."
    )


class ServedModel(BaseModel):
    """The model that is being served."""

    name: str
    version: str
    hash: str = Field(description="SHA-256 of the model's manifest, which holds the hash of every file.")


class ModelList(BaseModel):
    """The models that can be served."""

    models: list[str] = Field(description="Names for `POST /v1/admin/reload`.")
    serving: ServedModel


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="/errors/{code}, which this server answers.")
    title: str
    status: int
    detail: str = Field(description="What was got and what was expected.")
    instance: str = Field(description="Path of the request.")
    request_id: str = Field(description="As in the header X-Request-ID and in the server's log.")
    code: str


VANILLIN: dict[str, Any] = {"smiles": "COc1cc(C=O)ccc1O"}
REQUEST_EXAMPLES: dict[str, Any] = {
    "one": {"summary": "One molecule (vanillin)", "value": VANILLIN},
    "list": {
        "summary": "A list; each item has its own result or error",
        "value": {"smiles": ["CCCCCCCC=O", "CC(=O)OCC", "C1CC"]},
    },
    "all words": {
        "summary": "Every word's probability, at another dilution",
        "value": {"smiles": "CC(C)=CCCC(C)=CC=O", "words": "all", "dilution": 0.00001},
    },
}
RELOAD_EXAMPLES: dict[str, Any] = {
    "again": {"summary": "Read again what is served", "value": {}},
    "other": {"summary": "Another model, by its name", "value": {"model": "olfactory-base-v1"}},
}
