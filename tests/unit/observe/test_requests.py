"""What a request leaves in the logs and at the collector, through the application."""

import json

from services.collector import collector, plain
from starlette.testclient import TestClient

from olfactory_transformer.api.app import create_app
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.observe.tracing import configure_tracing, stop_tracing
from olfactory_transformer.settings import Settings

MOLECULE = "CCCCCCCC=O"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_request_is_traced_and_logged_under_its_ids(log):
    stream = log()
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-ID": "abc"}
    with collector() as kept, TestClient(create_app(Settings(), FakeEngine())) as client:
        configure_tracing(kept.url, "1")
        try:
            client.post("/v1/predict", json={"smiles": MOLECULE}, headers=headers)
        finally:
            stop_tracing()
    span = kept.span("POST /v1/predict")
    assert span.trace_id.hex() == TRACE
    assert plain(span.attributes)["http.response.status_code"] == 200
    assert MOLECULE.encode() not in kept.raw
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (line,) = [line for line in lines if line["logger"] == "olfactory_transformer.requests"]
    assert (line["request_id"], line["trace_id"]) == ("abc", TRACE)
    assert MOLECULE not in stream.getvalue()


def test_no_key_is_logged_whatever_comes_of_it(log, tmp_path):
    stream = log("DEBUG")
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'keys.db'}", api_key_required=True)
    with TestClient(create_app(settings, FakeEngine())) as client:
        for key in ("olf_not-to-be-logged", "not-to-be-logged" * 1000):
            answer = client.post("/v1/predict", json={"smiles": MOLECULE}, headers={"X-API-Key": key})
            assert answer.status_code == 401
    assert '"POST /v1/* 401 ' in stream.getvalue()
    assert "not-to-be-logged" not in stream.getvalue()


def test_what_fails_deep_inside_is_logged_under_the_id_of_its_request(log):
    stream = log()
    engine = FakeEngine(raises=KeyError(MOLECULE))
    with TestClient(create_app(Settings(), engine), raise_server_exceptions=False) as client:
        client.post("/v1/predict", json={"smiles": MOLECULE}, headers={"X-Request-ID": "abc"})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (failed,) = [line for line in lines if "exception" in line and line.get("request_id")]
    assert failed["request_id"] == "abc"
    assert "builtins.KeyError" in failed["exception"]
    assert MOLECULE not in stream.getvalue()
