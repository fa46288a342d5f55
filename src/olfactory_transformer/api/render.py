"""Predictions as JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic_core import to_json

from olfactory_transformer.api.problems import molecule_members
from olfactory_transformer.api.schemas import Words
from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.engine.contract import Outcome

_FIELDS = tuple(field.name for field in fields(ScentPrediction))


def prediction_members(prediction: ScentPrediction, words: Words) -> dict[str, Any]:
    """Return the members of `schemas.Prediction`.

    >>> members = prediction_members(ScentPrediction(("musk",), words={"musk": 0.75, "pear": 0.25}), "notes")
    >>> members["words"]
    {'musk': 0.75}
    """
    # Not dataclasses.asdict, which copies every word of every prediction once more.
    members = {name: getattr(prediction, name) for name in _FIELDS}
    if words == "notes":
        members["words"] = {note: prediction.words[note] for note in prediction.primary_notes}
    members["threshold_ppm"] = prediction.threshold_ppm
    return members


def item_members(index: int, outcome: Outcome, words: Words) -> dict[str, Any]:
    """Return the members of `schemas.ItemPrediction` or `schemas.ItemRefused`."""
    if isinstance(outcome, ScentPrediction):
        return {"index": index, "prediction": prediction_members(outcome, words)}
    if isinstance(outcome, MoleculeError):
        return {"index": index, "error": molecule_members(outcome)}
    fault = {"code": "engine-fault", "detail": str(outcome), "position": None, "got": None, "expected": None}
    return {"index": index, "error": fault}


def as_json(value: object) -> bytes:
    """Encode; numbers are finite by the engine's contract (`engine.contract.finite`)."""
    return to_json(value)
