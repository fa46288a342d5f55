import pytest

from olfactory_transformer.api import schemas
from olfactory_transformer.engine.fake import WORDS, FakeEngine


def test_one_molecule(client):
    reply = client.post("/v1/predict", json={"smiles": "OCC"})
    assert reply.status_code == 200
    found = schemas.Prediction.model_validate(reply.json(), strict=True)
    assert (found.smiles, found.canonical_smiles) == ("OCC", "CCO")
    assert found.dilution == 1e-3
    assert set(reply.json()) == set(schemas.Prediction.model_fields)


def test_words_are_those_of_the_notes_unless_all_are_asked_for(client):
    notes = client.post("/v1/predict", json={"smiles": "CCO"}).json()
    assert list(notes["words"]) == notes["primary_notes"]
    assert len(notes["words"]) < len(WORDS)
    full = client.post("/v1/predict", json={"smiles": "CCO", "words": "all"}).json()
    assert tuple(full["words"]) == WORDS
    assert notes["words"].items() <= full["words"].items()


def test_the_dilution_is_passed_on(client):
    weak = client.post("/v1/predict", json={"smiles": "CCO", "dilution": 1e-6}).json()
    strong = client.post("/v1/predict", json={"smiles": "CCO", "dilution": 1}).json()
    assert (weak["dilution"], strong["dilution"]) == (1e-6, 1)
    assert weak["intensity"] < strong["intensity"]


def test_a_list_has_a_result_or_an_error_for_each(client):
    reply = client.post("/v1/predict", json={"smiles": ["CCO", "C1CC", "CCC", ""]})
    assert reply.status_code == 200
    results = reply.json()["results"]
    schemas.PredictionList.model_validate(reply.json(), strict=True)
    assert [r["index"] for r in results] == [0, 1, 2, 3]
    assert [sorted(r) for r in results] == [["index", "prediction"], ["error", "index"]] * 2
    assert results[0]["prediction"] == client.post("/v1/predict", json={"smiles": "CCO"}).json()
    assert results[1]["error"] == {
        "code": "unparsable",
        "detail": "unclosed ring at character 2; expected a valid SMILES",
        "position": 1,
        "got": "unclosed ring",
        "expected": "a valid SMILES",
    }
    assert results[3]["error"]["code"] == "empty"


def test_a_list_of_one_is_a_list(client):
    assert len(client.post("/v1/predict", json={"smiles": ["CCO"]}).json()["results"]) == 1


def test_a_single_bad_molecule_is_a_problem(client):
    reply = client.post("/v1/predict", json={"smiles": "CC(=O"})
    problem = reply.json()
    assert reply.status_code == problem["status"] == 422
    assert problem["code"] == "unparsable"
    assert problem["type"] == "/errors/unparsable"
    assert set(problem) >= {"got", "expected", "position"}
    assert client.get(problem["type"]).json()["title"] == problem["title"]


def test_warnings_come_along(client):
    found = client.post("/v1/predict", json={"smiles": "[Na+].[O-]C(=O)c1ccccc1"}).json()
    assert any("salt" in warning for warning in found["warnings"])


def test_too_many_items(started):
    client = started(max_items=2)
    assert client.post("/v1/predict", json={"smiles": ["C", "C"]}).status_code == 200
    reply = client.post("/v1/predict", json={"smiles": ["C", "C", "C"]})
    assert reply.status_code == 413
    assert (reply.json()["code"], reply.json()["limit"]) == ("too-many-items", 2)
    assert reply.json()["detail"] == "got 3 molecules, expected at most 2"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/smiles"),
        ({"smiles": None}, "#/smiles"),
        ({"smiles": 3}, "#/smiles"),
        ({"smiles": []}, "#/smiles"),
        ({"smiles": {"a": 1}}, "#/smiles"),
        ({"smiles": ["CCO", 1]}, "#/smiles/1"),
        ({"smiles": ["CCO", ["CCO"]]}, "#/smiles/1"),
        ({"smiles": "CCO", "words": "some"}, "#/words"),
        ({"smiles": "CCO", "words": None}, "#/words"),
        ({"smiles": "CCO", "dilution": 0}, "#/dilution"),
        ({"smiles": "CCO", "dilution": 1.01}, "#/dilution"),
        ({"smiles": "CCO", "dilution": -1}, "#/dilution"),
        ({"smiles": "CCO", "dilution": "0.1"}, "#/dilution"),
        ({"smiles": "CCO", "dilution": True}, "#/dilution"),
        ({"smiles": "CCO", "dilution": 10**300}, "#/dilution"),
        ({"smiles": "CCO", "dilution": 10**400}, "#/dilution"),
        ({"smiles": "CCO", "temperature": 1}, "#/temperature"),
    ],
)
def test_a_wrong_request_says_where(client, body, pointer):
    reply = client.post("/v1/predict", json=body)
    assert reply.status_code == 422
    assert reply.json()["code"] == "invalid-request"
    assert [e["pointer"] for e in reply.json()["errors"]] == [pointer]


@pytest.mark.parametrize("body", ["[]", '"CCO"', "1", "null", "true"])
def test_the_body_is_an_object(client, body):
    reply = client.post("/v1/predict", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-request")


def test_a_number_that_is_not_finite_spoils_its_own_item_only(started):
    client = started(FakeEngine(not_finite="CCO"))
    results = client.post("/v1/predict", json={"smiles": ["CC", "CCO"]}).json()["results"]
    assert "prediction" in results[0]
    assert results[1]["error"]["code"] == "engine-fault"
    single = client.post("/v1/predict", json={"smiles": "CCO"})
    assert (single.status_code, single.json()["code"]) == (500, "engine-fault")


def test_a_long_list_keeps_its_order(client):
    texts = ["C" * (1 + n % 40) for n in range(200)]
    results = client.post("/v1/predict", json={"smiles": texts}).json()["results"]
    assert [r["index"] for r in results] == list(range(200))
    assert [r["prediction"]["smiles"] for r in results] == texts
