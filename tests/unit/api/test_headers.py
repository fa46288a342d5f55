"""What browsers are told: on every reply, of every page, and of whom may ask."""

import re

import pytest

PAGE = "https://example.com"
STRICT = "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("path", ["/", "/health", "/v1/model", "/nowhere", "/openapi.json", "/v1/predict"])
def test_every_reply_is_harmless_in_a_browser(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == STRICT
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_predictions_are_not_stored(client):
    assert client.post("/v1/predict", json={"smiles": "CCO"}).headers["cache-control"] == "no-store"


def test_the_page_of_the_docs_has_no_script_of_its_own_and_none_from_elsewhere(client):
    page = client.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
    assert not re.search(r"<script(?![^>]* src=)|\bon\w+=|https?://|javascript:", page.text)
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(sources) == 4
    for source in sources:
        reply = client.get("/" + source)
        assert reply.status_code == 200
        assert reply.headers["content-type"].partition(";")[0] in ("text/css", "text/javascript", "image/png")
    assert len(client.get("/docs/swagger-ui.js").content) > 10**6
    assert client.get("/docs/nothing.js").status_code == 404


def test_the_docs_can_be_switched_off(started):
    client = started(docs_enabled=False)
    for path in ("/docs", "/openapi.json", "/docs/start.js", "/redoc"):
        assert client.get(path).status_code == 404
    assert not {"docs", "openapi"} & set(client.get("/").json()["links"])


def test_metrics_leave_the_port_where_they_have_their_own(started):
    client = started(metrics_port=0)
    assert client.get("/metrics").status_code == 404
    assert "metrics" not in client.get("/").json()["links"]


def ask(client, origin, method="GET", path="/v1/model", **headers):
    return client.request(method, path, headers={"Origin": origin, **headers})


def preflight(client, origin, method="POST", asked="x-api-key, content-type"):
    headers = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": asked}
    return ask(client, origin, "OPTIONS", "/v1/predict", **headers)


def test_no_other_page_may_ask_by_default(client):
    assert not [name for name in ask(client, PAGE).headers if name.startswith("access-control")]
    assert preflight(client, PAGE).status_code == 405


def test_a_page_that_may(started):
    client = started(cors_origins=f"{PAGE},https://other.example")
    reply = ask(client, PAGE)
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert "Origin" in reply.headers["vary"]
    assert "access-control-allow-credentials" not in reply.headers
    exposed = reply.headers["access-control-expose-headers"].lower().split(", ")
    assert {"x-request-id", "x-model-hash", "retry-after", "ratelimit", "server-timing"} <= set(exposed)
    allowed = preflight(client, PAGE)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert {"x-request-id", "content-security-policy"} <= set(allowed.headers)


@pytest.mark.parametrize(
    "origin",
    ["http://example.com", "https://example.com.evil.org", "https://sub.example.com", "null", PAGE + ":8443"],
)
def test_others_may_not(started, origin):
    client = started(cors_origins=PAGE)
    assert "access-control-allow-origin" not in ask(client, origin).headers
    refused = preflight(client, origin)
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


def test_nor_with_other_methods_or_headers(started):
    client = started(cors_origins=PAGE)
    assert preflight(client, PAGE, method="PUT").status_code == 400
    assert preflight(client, PAGE, asked="x-evil").status_code == 400


@pytest.mark.parametrize(
    ("path", "status"), [("/nowhere", 404), ("/v1/admin/models", 401), ("/v1/molecules/C(/image", 422)]
)
def test_problems_can_be_read_by_the_page_too(started, path, status):
    reply = ask(started(cors_origins=PAGE), PAGE, path=path)
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (status, PAGE)
