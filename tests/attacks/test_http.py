"""Hostile requests: each is answered as documented, never with a 500, and the next good request works."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from olfactory_transformer.api.app import create_app
from olfactory_transformer.engine.pool import PoolEngine
from olfactory_transformer.settings import Settings

JSON = {"Content-Type": "application/json"}
LIMIT = 64 * 1024


@pytest.fixture(scope="module")
def client():
    app = create_app(Settings(max_items=50, max_body_bytes=LIMIT), PoolEngine())
    with TestClient(app) as client:
        while client.get("/ready").status_code != 200:
            pass
        yield client


@pytest.fixture(autouse=True)
def still_works(client):
    yield
    assert client.post("/v1/predict", json={"smiles": "CCO"}).status_code == 200


def strict(text):
    """Parse a reply, which must not have NaN or Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} in a reply")

    return json.loads(text, parse_constant=refuse)


def post(client, body, headers=JSON):
    reply = client.post("/v1/predict", content=body, headers=headers)
    assert reply.status_code < 500, (body[:200], reply.text)
    found = strict(reply.text)
    if reply.status_code != 200:
        assert reply.headers["content-type"] == "application/problem+json"
        assert found["status"] == reply.status_code
        assert len(reply.content) < 4096, "an error repeats too much of the request"
    return reply.status_code, found.get("code"), found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[" * 30_000,
        b'{"smiles":' * 6_000,
        b'{"smiles": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"smiles": "CCO", "dilution": NaN}',
        b'{"smiles": "CCO", "dilution": Infinity}',
        b'{"smiles": "CCO", "dilution": -Infinity}',
        b'{"smiles": "CCO", "dilution": 0x1}',
        b'{"smiles": "CCO", "dilution": 1' + b"0" * 5000 + b"}",
        b'{"smiles": "CCO", "smiles": "CCC"}',
        b'{"smiles": "CCO"} {"smiles": "CCC"}',
        b'{"smiles": "CCO",}',
        b"{'smiles': 'CCO'}",
        b'{"smiles": "C\x00C"}',
        b'{"smiles": "C\nC"}',
        b'\xef\xbb\xbf{"smiles": "CCO"}',
        b'{"smiles": "\xff\xfe"}',
        b'{"smiles": "\xed\xa0\x80"}',
        '{"smiles": "CCO"}'.encode("utf-16"),
        '{"smiles": "CCO"}'.encode("utf-32-le"),
        b'{"smiles": "\\ud8"}',
        b"\x80\x04\x95\x00",
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    ],
)
def test_what_is_not_strict_json(client, body):
    assert post(client, body)[:2] == (422, "invalid-json")


@pytest.mark.parametrize(
    "body",
    [
        {"smiles": "CCO", "dilution": 1e400},
        {"smiles": ["CCO"] * 3 + [{"a": [[[]]]}]},
        {"smiles": [[["CCO"]]]},
        {"smiles": "CCO", "__proto__": {}},
        {"smiles": "CCO", "__class__": "x", "a" * 5000: 1},
        {"smiles": "CCO", **{f"field {n}": n for n in range(1000)}},
        {"smiles": [1] * 5000},
        {"\ud800": "CCO", "smiles": "CCO"},
        {"smiles": "CCO", "words": "\ud800"},
        {"smiles": "CCO", "words": ["all"]},
        {"smiles": "CCO", "words": "x" * 10_000},
        {"smiles": 10**4000},
    ],
)
def test_json_of_another_shape(client, body):
    text = json.dumps(body).replace("Infinity", "1e400")
    assert post(client, text.encode())[:2] == (422, "invalid-request")


TEXTS = {
    "\ud800": "forbidden-character",
    "C\udfffC": "forbidden-character",
    "C\x00C": "forbidden-character",
    "C\u202eC": "forbidden-character",
    "<script>alert(1)</script>": "forbidden-character",
    "'; DROP TABLE molecules; --": "forbidden-character",
    "{{7*7}}": "forbidden-character",
    "../../etc/passwd": None,
    "%s%n%x": None,
    "C" * 1001: "too-long",
    "C" * 60_000: "too-long",
    "C" * 201: "too-many-atoms",
    "C1" * 500: None,
    "(" * 1000: "unparsable",
    "[" * 1000: "unparsable",
    "C" + "(C" * 499: None,
    "C%99" * 250: None,
    "[" + "9" * 900 + "C]": None,
    "[C+" + "9" * 900 + "]": None,
    "[C:" + "9" * 900 + "]": None,
    "C." * 500: None,
    "CCO |$R1$|": None,
    "C>>C": "forbidden-character",
    "*": "wildcard-atom",
    "[H][H]": "no-atoms",
    "\t\r\n ": "empty",
    "": "empty",
}


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_is_no_molecule_costs_only_itself(client, text):
    body = json.dumps({"smiles": ["CCO", text, "CCC"]}).encode()
    status, _, found = post(client, body)
    assert status == 200
    assert [r["index"] for r in found["results"]] == [0, 1, 2]
    assert all("prediction" in found["results"][n] for n in (0, 2))
    error = found["results"][1]["error"]
    assert error["detail"].isascii()
    assert error["detail"].isprintable()
    assert len(error["detail"]) < 500
    if TEXTS[text]:
        assert error["code"] == TEXTS[text]
    single = post(client, json.dumps({"smiles": text}).encode())
    assert single[:2] == (422, error["code"])
    assert single[2]["detail"] == error["detail"]


def test_a_body_over_the_limit_is_refused_by_its_own_word(client):
    headers = {**JSON, "Content-Length": "9" * 30}
    assert post(client, b"{}", headers)[:2] == (413, "body-too-large")
    assert post(client, b"{}", {**JSON, "Content-Length": str(LIMIT + 1)})[:2] == (413, "body-too-large")


def test_a_body_over_the_limit_is_refused_as_it_comes(client):
    taken = 0

    def chunks():
        nonlocal taken
        for _ in range(1000):
            taken += 1024
            yield b" " * 1024

    reply = client.post("/v1/predict", content=chunks(), headers=JSON)
    assert (reply.status_code, reply.json()["code"]) == (413, "body-too-large")


def test_a_body_of_just_the_limit_is_read(client):
    body = b'{"smiles": "CCO"}'
    assert post(client, body + b" " * (LIMIT - len(body)))[0] == 200
    assert post(client, body + b" " * (LIMIT - len(body) + 1))[:2] == (413, "body-too-large")


def test_too_many_items(client):
    assert post(client, json.dumps({"smiles": ["C"] * 51}).encode())[:2] == (413, "too-many-items")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": ""},
        {"Content-Type": "application/json" + "; a=b" * 1000 + "; charset=latin-1"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "text/plain"},
        {**JSON, "Content-Encoding": "gzip"},
        {**JSON, "Content-Encoding": "identity, br"},
    ],
)
def test_other_media_are_not_read(client, headers):
    assert post(client, b'{"smiles": "CCO"}', headers)[:2] == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "path",
    [
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/predict/../../x",
        "/health//evil.example/",
        "/%00",
        "/%ff",
    ],
)
def test_no_path_leads_out(client, path):
    reply = client.get(path, follow_redirects=False)
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")


def test_a_header_cannot_be_written_into_the_reply(client):
    reply = client.get("/health", headers={"X-Request-ID": "a%0d%0aSet-Cookie: x=1"})
    assert "set-cookie" not in reply.headers
    assert "%" not in reply.headers["x-request-id"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "smiles": values | st.text("CNO()[]=#123+-@/\\.%c\ud800\n", max_size=12),
        "words": values | st.sampled_from(["notes", "all"]),
        "dilution": values | st.floats(0, 1),
    },
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests)
def test_any_json_is_answered(client, request_body):
    status, _, found = post(client, json.dumps(request_body).encode())
    assert status in (200, 422)
    if status == 200 and "words" in found:
        assert all(math.isfinite(p) for p in found["words"].values())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_are_answered(client, body):
    assert post(client, body)[0] in (200, 422)
