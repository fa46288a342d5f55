"""Objects with very many keys: refused like any other unknown key, for hardly more than it costs to parse them."""

import json
import time

import pytest

from olfactory_transformer.api.body import as_model, strict_json
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.schemas import PredictRequest, ReloadRequest, StreamLine
from olfactory_transformer.api.schemas_v2 import InferRequest

MANY = {f"key {n}": 0 for n in range(100_000)}
TENSOR = {"name": "smiles", "datatype": "BYTES", "shape": [1], "data": ["CCO"]}
BODIES = [
    (PredictRequest, {**MANY, "smiles": "CCO"}, "#"),
    (PredictRequest, {"smiles": "CCO", **MANY}, "#"),
    (StreamLine, {"smiles": "CCO", **MANY}, "#"),
    (ReloadRequest, MANY, "#"),
    (InferRequest, {"inputs": [TENSOR], **MANY}, "#"),
    (InferRequest, {"inputs": [{**TENSOR, **MANY}]}, "#/inputs/0"),
    (InferRequest, {"inputs": [TENSOR], "outputs": [{"name": "words", **MANY}]}, "#/outputs/0"),
]


def seconds(action):
    began = time.process_time()
    action()
    return time.process_time() - began


@pytest.mark.parametrize(("model", "value", "where"), BODIES)
def test_only_as_many_faults_are_found_as_are_told(model, value, where):
    body = json.dumps(value).encode()
    with pytest.raises(ApiError) as refused:
        as_model(value, model)
    assert [fault["pointer"] for fault in refused.value.members["errors"]] == [
        f"{where}/key {n}" for n in range(10)
    ]

    def refuse():
        with pytest.raises(ApiError):
            as_model(value, model)

    parsing = min(seconds(lambda: strict_json(body)) for _ in range(3))
    assert min(seconds(refuse) for _ in range(3)) < parsing


def test_what_is_wrong_with_known_keys_is_told_first():
    with pytest.raises(ApiError) as refused:
        as_model({**MANY, "smiles": 1, "dilution": 2}, PredictRequest)
    pointers = [fault["pointer"] for fault in refused.value.members["errors"]]
    assert pointers[:3] == ["#/smiles", "#/dilution", "#/key 0"]
    assert len(pointers) == 10
