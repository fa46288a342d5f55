"""Predictions as JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from operator import attrgetter
from typing import Any

import msgspec

from olfactory_transformer.api.problems import as_api_error, molecule_members
from olfactory_transformer.api.schemas import Words
from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import MoleculeError

_FIELDS = tuple(field.name for field in fields(ScentPrediction))
_values = attrgetter(*_FIELDS)
_encoder = msgspec.json.Encoder()


def prediction_members(prediction: ScentPrediction, words: Words) -> dict[str, Any]:
    """Return the members of `schemas.Prediction`.

    >>> members = prediction_members(ScentPrediction(("musk",), words={"musk": 0.75, "pear": 0.25}), "notes")
    >>> members["words"]
    {'musk': 0.75}
    """
    # Not dataclasses.asdict, which copies every word of every prediction once more.
    members: dict[str, Any] = dict(zip(_FIELDS, _values(prediction), strict=True))
    if words == "notes":
        members["words"] = {note: prediction.words[note] for note in prediction.primary_notes}
    members["threshold_ppm"] = prediction.threshold_ppm
    return members


def item_members(index: int, outcome: ScentPrediction | Exception, words: Words) -> dict[str, Any]:
    """Return the members of `schemas.ItemPrediction` or `schemas.ItemRefused`."""
    if isinstance(outcome, ScentPrediction):
        return {"index": index, "prediction": prediction_members(outcome, words)}
    return {"index": index, "error": error_members(outcome)}


def error_members(error: Exception) -> dict[str, Any]:
    """Return the members of `schemas.ItemError`.

    >>> error_members(KeyError("a secret"))["code"]
    'internal'
    """
    if isinstance(error, MoleculeError):
        return molecule_members(error)
    told = as_api_error(error)
    return {
        "code": told.kind.code,
        "detail": told.detail,
        "position": None,
        "got": None,
        "expected": None,
        **told.members,
    }


def as_json(value: object) -> bytes:
    r"""Encode; numbers are finite by the engine's contract (`engine.contract.finite`).

    A lone surrogate, which a client may have sent as an escape, goes back as one.

    >>> as_json({"words": {"musk": 0.75}})
    b'{"words":{"musk":0.75}}'
    >>> as_json({"id": "\ud800"})
    b'{"id":"\\ud800"}'
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
