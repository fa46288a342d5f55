"""A real server tells a real collector where a request spent its time."""

import httpx2
from integration.serving import Server
from services.collector import collector, plain

VANILLIN = "COc1cc(C=O)ccc1O"


def test_a_request_its_wait_its_look_up_and_its_batch_are_one_trace():
    with collector() as kept:
        server = Server(OTEL_EXPORTER_OTLP_ENDPOINT=kept.url, MAX_WORKERS="1")
        try:
            server.until_ready()
            reply = httpx2.post(server.url + "/v1/predict", json={"smiles": [VANILLIN, "CCO"]})
            assert reply.status_code == 200
            assert server.stop() == 0
        finally:
            server.kill()
    root = kept.span("POST /v1/predict")
    steps = {span.name: span for span in kept.spans if span.parent_span_id == root.span_id}
    assert set(steps) == {"queue", "cache", "inference"}
    assert all(span.trace_id == root.trace_id for span in steps.values())
    assert plain(steps["cache"].attributes) == {"olfactory.items": 2, "olfactory.hits": 0}
    assert VANILLIN.encode() not in kept.raw
