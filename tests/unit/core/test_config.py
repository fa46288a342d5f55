from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError

import pytest

from olfactory_transformer.core.config import ModelConfig, ScentPrediction
from olfactory_transformer.core.errors import ModelForeign


def test_a_config_survives_json():
    config = ModelConfig(
        words=("a", "b"),
        ratings=("intensity",),
        thresholds=(0.1, 0.2),
        temperature=1,
        version="7",
        offsets=(-0.5, 0.5),
        share_90=0.01,
        confidence_stated=(0.1, 0.9),
        confidence_right=(0.2, 0.8),
    )
    again = ModelConfig.from_dict(json.loads(json.dumps(config.as_dict())))
    assert again == config
    assert isinstance(again.words, tuple) and isinstance(again.thresholds, tuple)


def test_missing_values_have_defaults():
    assert ModelConfig.from_dict({"type": "OlfactoryTransformer", "words": ["a"]}) == ModelConfig(
        words=("a",)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "x" * 5000}, "expected 'OlfactoryTransformer'"),
        ({"words": None}, "'words' is missing"),
        ({"novel": 1, "other": 2}, "['novel', 'other']"),
        ({"heads": 0}, "heads is '0', expected int"),
        ({"heads": 7}, "width 192 is not a multiple of heads 7"),
        ({"thresholds": [0.5, 0.5]}, "2 thresholds for 1 words"),
        ({"thresholds": [-1]}, "thresholds is"),
        ({"temperature": math.inf}, "temperature is"),
        ({"offsets": [math.nan]}, "offsets is"),
        ({"offsets": [0.5, -0.5]}, "2 offsets for 1 words"),
        (
            {"confidence_stated": [0.5, 0.1], "confidence_right": [0.1, 0.5]},
            "confidence_stated is not rising",
        ),
        ({"confidence_stated": [0.5]}, "not as long as confidence_right"),
    ],
)
def test_what_is_no_config(change, said):
    with pytest.raises(ModelForeign) as caught:
        ModelConfig.from_dict(
            {"type": "OlfactoryTransformer", "words": ["a"], **change}, "/models/x/config.json"
        )
    assert str(caught.value).startswith("/models/x/config.json: ")
    assert said.replace("'", "") in str(caught.value).replace("'", "").replace('"', "")
    assert len(str(caught.value)) < 300


def test_a_prediction_is_json_ready_and_frozen():
    prediction = ScentPrediction(
        primary_notes=("vanilla",), intensity=4.5, smiles="C", words={"vanilla": 0.9}, log_inverse_threshold=3.0
    )  # fmt: skip
    values = json.loads(json.dumps(prediction.as_dict()))
    assert values["primary_notes"] == ["vanilla"] and values["words"] == {"vanilla": 0.9}
    assert values["threshold_ppm"] == pytest.approx(0.001)
    with pytest.raises(FrozenInstanceError):
        prediction.intensity = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_no_threshold_without_a_number(value):
    assert ScentPrediction(log_inverse_threshold=value).threshold_ppm is None
