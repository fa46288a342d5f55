"""The OpenAPI document says what the server does."""

import pytest
from pydantic import TypeAdapter

from olfactory_transformer.api import schemas

REPLIES = {
    "Prediction": schemas.Prediction,
    "PredictionList": schemas.PredictionList,
    "Model": schemas.Model,
    "WordList": schemas.WordList,
    "Status": schemas.Status,
    "Links": schemas.Links,
    "ErrorMeaning": schemas.ErrorMeaning,
}


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def calls(document):
    """Every operation with each of its examples: method, path, body, schema of the good reply."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                placeholder = "{" + parameter["name"] + "}"
                path = path.replace(placeholder, parameter["schema"]["examples"][0])
            content = operation.get("requestBody", {}).get("content", {})
            examples = content.get("application/json", {}).get("examples", {"none": {"value": None}})
            (good,) = operation["responses"]["200"]["content"].values()
            for example in examples.values():
                yield method.upper(), path, example["value"], good["schema"]


def replies(schema):
    names = [s["$ref"].rpartition("/")[2] for s in schema.get("anyOf", [schema]) if "$ref" in s]
    union = REPLIES[names[0]]
    for name in names[1:]:
        union |= REPLIES[name]
    return TypeAdapter(union)


def test_every_example_works(client, document):
    tried = []
    for method, path, body, schema in calls(document):
        reply = client.request(method, path, json=body) if body else client.request(method, path)
        assert reply.status_code == 200, (method, path, body, reply.text)
        tried.append((method, path))
        if schema.get("type") != "string":
            replies(schema).validate_python(reply.json(), strict=True)
    assert tried.count(("POST", "/v1/predict")) == len(schemas.REQUEST_EXAMPLES) == 3
    assert ("GET", "/errors/unparsable") in tried


def test_every_reference_leads_somewhere(document):
    def references(node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if "$ref" in node else []
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from references(child)

    found = set(references(document))
    assert "#/components/schemas/Problem" in found
    for reference in found:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_errors_are_documented_as_problems(document):
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, reply in operation["responses"].items():
                if status >= "400":
                    assert list(reply["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("body", [{"smiles": "C1CC"}, {}])
def test_a_status_that_is_given_is_documented(client, document, body):
    status = client.post("/v1/predict", json=body).status_code
    assert str(status) in document["paths"]["/v1/predict"]["post"]["responses"]
