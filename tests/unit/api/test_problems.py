import re

import pytest
from starlette.testclient import TestClient

from olfactory_transformer.api.app import create_app
from olfactory_transformer.api.catalogue import KINDS
from olfactory_transformer.api.schemas import Problem
from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.settings import Settings

JSON = {"Content-Type": "application/json"}
SECRET = "/home/me/secret.txt"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [
        ("GET", "/nowhere", b"", {}, 404, "not-found"),
        ("GET", "/health/", b"", {}, 404, "not-found"),
        ("GET", "/errors/nothing", b"", {}, 404, "not-found"),
        ("GET", "/v1/predict", b"", {}, 405, "method-not-allowed"),
        ("DELETE", "/health", b"", {}, 405, "method-not-allowed"),
        ("BREW", "/v1/predict", b"", {}, 405, "method-not-allowed"),
        ("POST", "/v1/predict", b'{"smiles": "CCO"}', {}, 415, "unsupported-media-type"),
        ("POST", "/v1/predict", b"smiles=CCO", {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        ("POST", "/v1/predict", b"{", JSON, 422, "invalid-json"),
        ("POST", "/v1/predict", b"", JSON, 422, "invalid-json"),
        ("POST", "/v1/predict", b"{}", JSON, 422, "invalid-request"),
        ("POST", "/v1/predict", b'{"smiles": "C*"}', JSON, 422, "wildcard-atom"),
        ("POST", "/v1/predict", b'{"smiles": "%s"}' % (b"C" * 4096), JSON, 413, "body-too-large"),
    ],
)
def test_every_error_is_a_problem(started, method, path, body, headers, status, code):
    reply = started(max_body_bytes=4096).request(method, path, content=body, headers=headers)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(reply.json())
    assert (problem.status, problem.code, problem.instance) == (status, code, path)
    assert problem.type == f"/errors/{code}"
    assert problem.title == KINDS[code].title
    assert problem.request_id == reply.headers["x-request-id"]


def test_405_names_the_methods(client):
    assert client.get("/v1/predict").headers["allow"] == "POST"


@pytest.mark.parametrize(
    "media", ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"']
)
def test_json_may_name_its_encoding(client, media):
    reply = client.post("/v1/predict", content=b'{"smiles": "CCO"}', headers={"Content-Type": media})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/jsonp"},
        {**JSON, "Content-Encoding": "gzip"},
    ],
)
def test_other_encodings_are_not_guessed_at(client, headers):
    assert client.post("/v1/predict", content=b'{"smiles": "CCO"}', headers=headers).status_code == 415


def test_an_unexpected_error_is_logged_and_not_told(started, caplog):
    client = started(FakeEngine(raises=KeyError(SECRET)))
    reply = client.post("/v1/predict", json={"smiles": "CCO"}, headers={"X-Request-ID": "find-me"})
    assert reply.status_code == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-request-id"] == "find-me"
    assert reply.json()["code"] == "internal"
    assert SECRET not in reply.text
    assert "Traceback" not in reply.text
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert "find-me" in record.getMessage()
    assert record.exc_info[0] is KeyError


def test_a_fault_of_the_engine_is_logged_with_its_request(started, caplog):
    engine = FakeEngine()
    client = started(engine)
    engine.broken = True
    reply = client.post("/v1/predict", json={"smiles": "CCO"}, headers={"X-Request-ID": "find-me"})
    assert (reply.status_code, reply.json()["code"]) == (500, "engine-fault")
    assert "find-me" in "".join(r.getMessage() for r in caplog.records if r.levelname == "ERROR")


@pytest.mark.parametrize("given", ["abc", "a.B_c-9", "x" * 64])
def test_a_harmless_request_id_is_kept(client, given):
    assert client.get("/health", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "a\tb", "né", "<b>", "a;b"])
def test_another_is_replaced(client, given):
    reply = client.get("/health", headers={"X-Request-ID": given.encode("latin-1")})
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/health", "/v1/model", "/nowhere"])
def test_every_reply_says_which_model_answers(client, path):
    headers = client.get(path).headers
    assert headers["x-model-version"] == "made-up@1"
    assert headers["x-model-hash"] == client.get("/v1/model").json()["hash"]


def test_a_long_or_odd_path_is_repeated_harmlessly(client):
    problem = client.get("/%0d%0aevil%ff" + "a" * 5000).json()
    assert len(problem["instance"]) < 700
    assert problem["instance"].startswith("/%0D%0Aevil")


def test_every_molecule_error_is_in_the_catalogue():
    def codes(kind):
        return {kind.code}.union(*(codes(sub) for sub in kind.__subclasses__()))

    assert codes(MoleculeError) <= set(KINDS)
    assert all(kind.title.endswith(".") and kind.hint for kind in KINDS.values())


def test_a_reply_that_has_begun_is_cut_off():
    """No problem can be sent any more: the exception has to reach the server, which hangs up."""
    app = create_app(Settings(), FakeEngine())

    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half way")

    app.mount("/half", half)
    with TestClient(app) as client, pytest.raises(RuntimeError, match="half way"):
        client.get("/half/way")
