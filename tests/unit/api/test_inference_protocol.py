"""The shapes of the Open Inference Protocol, as its specification writes them."""

import json

import pytest

from olfactory_transformer import __version__
from olfactory_transformer.api.lifecycle import Lifecycle
from olfactory_transformer.engine.fake import WORDS, FakeEngine

MODEL = "/v2/models/made-up"


def infer(client, texts, path=MODEL, **members):
    tensor = {"name": "smiles", "datatype": "BYTES", "shape": [len(texts)], "data": texts}
    return client.post(path + "/infer", json={"inputs": [tensor], **members})


def test_the_server(client):
    expected = {"name": "olfactory-transformer", "version": __version__, "extensions": []}
    assert client.get("/v2").json() == expected
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("path", [MODEL, MODEL + "/versions/1"])
def test_the_model(client, path):
    assert client.get(path).json() == {
        "name": "made-up",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "smiles", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "words", "datatype": "FP32", "shape": [-1, len(WORDS)]},
            {"name": "canonical_smiles", "datatype": "BYTES", "shape": [-1]},
        ],
    }
    assert client.get(path + "/ready").json() == {"name": "made-up", "ready": True}


@pytest.mark.parametrize("path", ["/v2/models/none", MODEL + "/versions/2", "/v2/models/none/versions/1"])
@pytest.mark.parametrize("more", ["", "/ready"])
def test_another_model(client, path, more):
    reply = client.get(path + more)
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown-model")
    assert reply.json()["error"] == reply.json()["detail"]


@pytest.mark.parametrize("path", ["/v2/health/ready", MODEL + "/ready", MODEL + "/versions/1/ready"])
def test_unready(started, path):
    cold = started(FakeEngine(held=True)).get(path)
    assert (cold.status_code, cold.json()["ready"], cold.json()["code"]) == (503, False, "not-ready")
    lifecycle = Lifecycle()
    client = started(lifecycle=lifecycle)
    lifecycle.drain()
    assert client.get(path).json()["code"] == "draining"
    assert client.get("/v2/health/live").json() == {"live": True}


@pytest.mark.parametrize("path", [MODEL, MODEL + "/versions/1"])
def test_inference_says_what_predict_says(client, path):
    texts = ["OCC", "CCCC=O"]
    reply = infer(client, texts, path, id="42").json()
    assert (reply["model_name"], reply["model_version"], reply["id"]) == ("made-up", "1", "42")
    words, canonical = reply["outputs"]
    assert canonical == {
        "name": "canonical_smiles",
        "datatype": "BYTES",
        "shape": [2],
        "data": ["CCO", "CCCC=O"],
    }
    assert (words["name"], words["datatype"], words["shape"]) == ("words", "FP32", [2, len(WORDS)])
    results = client.post("/v1/predict", json={"smiles": texts, "words": "all"}).json()["results"]
    expected = [p for result in results for p in result["prediction"]["words"].values()]
    assert words["data"] == expected


def test_without_an_id_there_is_none(client):
    assert "id" not in infer(client, ["CCO"]).json()


def test_one_output_may_be_asked_for(client):
    reply = infer(client, ["OCC"], outputs=[{"name": "canonical_smiles"}]).json()
    assert [output["name"] for output in reply["outputs"]] == ["canonical_smiles"]


def test_a_bad_molecule_fails_the_request_and_is_named(client):
    reply = infer(client, ["CCO", "C("])
    problem = reply.json()
    assert (reply.status_code, problem["code"], problem["index"]) == (422, "unparsable", 1)
    assert problem["error"].startswith("item 1: ")


TENSOR = {"name": "smiles", "datatype": "BYTES", "shape": [1], "data": ["CCO"]}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/inputs"),
        ({"inputs": []}, "#/inputs"),
        ({"inputs": [TENSOR, TENSOR]}, "#/inputs"),
        ({"inputs": [{**TENSOR, "name": "x"}]}, "#/inputs/0/name"),
        ({"inputs": [{**TENSOR, "datatype": "FP32"}]}, "#/inputs/0/datatype"),
        ({"inputs": [{**TENSOR, "data": []}]}, "#/inputs/0/data"),
        ({"inputs": [{**TENSOR, "data": "CCO"}]}, "#/inputs/0/data"),
        ({"inputs": [{**TENSOR, "data": [1]}]}, "#/inputs/0/data/0"),
        ({"inputs": [{**TENSOR, "shape": [2]}]}, "#/inputs/0/shape"),
        ({"inputs": [{**TENSOR, "shape": [1, 1]}]}, "#/inputs/0/shape"),
        ({"inputs": [TENSOR], "outputs": [{"name": "x"}]}, "#/outputs/0/name"),
        ({"inputs": [TENSOR], "id": 3}, "#/id"),
    ],
)
def test_a_wrong_request_says_where(client, body, pointer):
    reply = client.post(MODEL + "/infer", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-request")
    assert reply.json()["errors"][0]["pointer"] == pointer


def test_too_many(started):
    reply = infer(started(max_items=2), ["C"] * 3)
    assert (reply.status_code, reply.json()["code"]) == (413, "too-many-items")


def test_an_id_that_is_no_unicode_comes_back_as_it_was(client):
    tensor = {"name": "smiles", "datatype": "BYTES", "shape": [1], "data": ["CCO"]}
    body = json.dumps({"id": "\ud800", "inputs": [tensor]})
    reply = client.post(MODEL + "/infer", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["id"]) == (200, "\ud800")
    assert rb'"id":"\ud800"' in reply.content
