"""The OpenAPI document says what the server does."""

import functools
import json
import operator
from urllib.parse import quote

import pytest
from nose import Scripted, made_up
from pydantic import TypeAdapter

from olfactory_transformer.api import schemas, schemas_v2
from olfactory_transformer.api.sensors import schemas as sensor_schemas
from olfactory_transformer.api.sensors import service

MODELS = (schemas, schemas_v2, sensor_schemas)
PLACEHOLDERS = {
    "name": "made-up",
    "version": "1",
}  # of the made-up engine's model, not of the one in the examples
TEXTS = ("text/plain", "image/svg+xml", "image/png", "application/x-ndjson")


@pytest.fixture
def client(started, monkeypatch, tmp_path):
    """An application of which every example can work: its board is that of the examples, and is calibrated."""
    monkeypatch.setattr(service, "source_of_settings", lambda settings: Scripted())
    client = started(
        gate=lambda app: app,
        nose=made_up(),
        sensor_id="bench-1",
        database_url=f"sqlite:///{tmp_path}/sensors.db",
    )
    air = {"channels": ["NO2", "CO"], "rows": [[200 + t % 3, 800 + t % 2] for t in range(90)]}
    assert client.post("/v1/sensors/calibrations/bench-1", json=air).status_code == 200
    assert client.post("/v1/sensors/smells/made-up", json=air).status_code == 200
    return client


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def calls(document):
    """Every operation with each of its examples: method, path, type and value of the body, the good reply."""
    for template, operations in document["paths"].items():
        for method, operation in operations.items():
            path = template
            for parameter in operation.get("parameters", []):
                example = parameter["schema"].get("examples", [None])[0]
                value = PLACEHOLDERS.get(parameter["name"], example)
                path = path.replace("{" + parameter["name"] + "}", quote(value or "", safe=""))
            if "200" not in operation["responses"]:  # a WebSocket
                continue
            good = operation["responses"]["200"]["content"]
            contents = operation.get("requestBody", {}).get("content", {"none": {}})
            for media, content in contents.items():
                for example in content.get("examples", {"none": {"value": None}}).values():
                    yield method.upper(), path, media, example["value"], good


def replies(schema):
    names = [s["$ref"].rpartition("/")[2] for s in schema.get("anyOf", [schema])]
    models = [next(getattr(each, name) for each in MODELS if hasattr(each, name)) for name in names]
    return TypeAdapter(functools.reduce(operator.or_, models))


def test_every_example_works(client, document):
    tried = []
    for method, path, media, body, good in calls(document):
        content = body if isinstance(body, str) else json.dumps(body)
        sent = {} if body is None else {"content": content, "headers": {"Content-Type": media}}
        if path == "/v1/admin/reload":  # the made-up engine has other models than those that ship
            sent["content"] = "{}"
        if method == "POST" and path == "/v1/sensors/smells/made-up":
            client.delete(path)  # no smell is taught from the same recording twice
        reply = client.request(method, path, **sent)
        assert reply.status_code == 200, (method, path, body, reply.text)
        tried.append((method, path))
        assert reply.headers["content-type"].partition(";")[0] in good
        if media_type := [m for m in good if m not in TEXTS]:
            replies(good[media_type[0]]["schema"]).validate_json(reply.content, strict=True)
    assert tried.count(("POST", "/v1/predict")) == len(schemas.REQUEST_EXAMPLES) == 3
    assert tried.count(("POST", "/v1/predict/stream")) == 2
    assert ("GET", "/errors/unparsable") in tried


def test_a_line_of_a_stream_is_what_the_document_says(client):
    reply = client.post(
        "/v1/predict/stream", content=b'"CCO"\n"C("\n', headers={"Content-Type": "application/jsonl"}
    )
    for line in reply.text.splitlines():
        schemas.StreamAnswer.model_validate_json(line, strict=True)


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


def test_what_the_gate_answers_is_documented(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            guarded = path.startswith(("/v1", "/v2"))
            assert ({"401", "403", "429"} <= set(operation["responses"])) == guarded
            assert ("security" in operation) == guarded


def test_429_and_503_say_when_to_ask_again(document):
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, reply in operation["responses"].items():
                assert ("Retry-After" in reply.get("headers", {})) == (status in ("429", "503"))


def test_two_documents_are_alike(started):
    assert started().get("/openapi.json").json() == started().get("/openapi.json").json()
