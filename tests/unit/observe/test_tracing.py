import asyncio
import json
import logging
import socket
import subprocess
import sys
import time

import pytest
from services.collector import collector, plain

from olfactory_transformer.core.errors import MissingExtra, SettingsError
from olfactory_transformer.observe import tracing
from olfactory_transformer.observe.tracing import (
    configure_tracing,
    ended,
    here,
    request_span,
    span,
    stop_tracing,
)

MOLECULE = "CCCCCCCC=O"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
INTERNAL, SERVER = 1, 2  # kinds of a span
ERROR = 2  # status of a span


@pytest.fixture
def traced():
    """Trace to a collector; what it returns ends that and gives the collector."""
    with collector() as kept:
        configure_tracing(kept.url, "9.8.7")

        def finish():
            stop_tracing()
            return kept

        yield finish
        stop_tracing()


def test_a_request_with_its_steps(traced):
    with request_span("POST") as request:
        with span("cache", items=3) as step:
            step.note(hits=2)
        ended("queue", 0.5, here())
        ended("inference", 0.25, items=1, tokens=20, retried=False)
        request.answered("/v1/predict", 200)
    kept = traced()
    assert kept.paths == ["/v1/traces"]
    assert kept.resources[0]["service.name"] == "olfactory-transformer"
    assert kept.resources[0]["service.version"] == "9.8.7"
    root = kept.span("POST /v1/predict")
    assert (root.kind, root.parent_span_id) == (SERVER, b"")
    assert plain(root.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/predict",
        "http.response.status_code": 200,
    }
    steps = {s.name: s for s in kept.spans if s.kind == INTERNAL}
    assert set(steps) == {"cache", "queue", "inference"}
    assert all((s.trace_id, s.parent_span_id) == (root.trace_id, root.span_id) for s in steps.values())
    assert plain(steps["cache"].attributes) == {"olfactory.items": 3, "olfactory.hits": 2}
    assert plain(steps["inference"].attributes) == {
        "olfactory.items": 1,
        "olfactory.tokens": 20,
        "olfactory.retried": False,
    }
    queue = steps["queue"]
    assert queue.end_time_unix_nano - queue.start_time_unix_nano == 500_000_000


def test_the_clients_trace_goes_on(traced):
    with request_span("GET", f"00-{TRACE}-{PARENT}-01", "vendor=1") as request:
        request.answered("/", 200)
    root = traced().span("GET /")
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    assert root.trace_state == "vendor=1"


@pytest.mark.parametrize(
    "header", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{PARENT}", "\x00" * 55]
)
def test_what_is_no_traceparent_starts_a_trace(traced, header):
    with request_span("GET", header, header) as request:
        request.answered("/", 200)
    root = traced().span("GET /")
    assert root.parent_span_id == b""
    assert root.trace_id.hex() != TRACE


def test_another_task_can_add_steps_to_a_request(traced):
    """As a batch does for those who wait for it."""

    async def main():
        waiting = asyncio.Queue()

        async def batches():
            for _ in range(2):
                parent = await waiting.get()
                ended("inference", 0.01, parent)

        task = asyncio.create_task(batches())
        for method in ("GET", "POST"):
            with request_span(method) as request:
                await waiting.put(here())
                request.answered("/x", 200)
        await task

    asyncio.run(main())
    kept = traced()
    roots = {s.span_id for s in kept.spans if s.kind == SERVER}
    assert {s.parent_span_id for s in kept.spans if s.name == "inference"} == roots
    assert len(roots) == 2


def test_no_molecule_gets_out(traced):
    """Neither as an attribute nor in an exception, which quotes what was being worked on."""
    with pytest.raises(ValueError, match="CCC"), request_span("POST") as request:
        try:
            with span("inference", smiles=MOLECULE, reason="queue-full", ring="c1ccccc1"):
                raise ValueError(MOLECULE)
        finally:
            request.answered("/v1/predict", 500)
    kept = traced()
    step = kept.span("inference")
    assert plain(step.attributes) == {
        "olfactory.smiles": "withheld",
        "olfactory.reason": "queue-full",
        "olfactory.ring": "withheld",
        "error.type": "builtins.ValueError",
    }
    assert step.status.code == ERROR
    assert kept.span("POST /v1/predict").status.code == ERROR
    assert MOLECULE.encode() not in kept.raw


def test_log_records_name_their_trace(traced, log):
    stream = log()
    with request_span("GET", f"00-{TRACE}-{PARENT}-01"):
        logging.getLogger("olfactory_transformer.x").info("inside")
    logging.getLogger("olfactory_transformer.x").info("outside")
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert inside["trace_id"] == TRACE
    assert "trace_id" not in outside


def test_without_a_collector_nothing_is_made():
    configure_tracing(None, "1")
    assert here() is None
    assert request_span("GET") is span("x") is tracing._NO_SPAN
    ended("queue", 1.0)
    with span("x", smiles=MOLECULE) as step:
        step.note(a=1)
        step.answered("/", 200)


def test_the_base_install_loads_no_opentelemetry():
    code = (
        "import sys; from olfactory_transformer.observe import logs, tracing; tracing.configure_tracing(None, '1');"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("endpoint", ["localhost:4318", "ftp://x", "http://", "grpc://x:4317"])
def test_an_endpoint_that_is_no_url_stops_the_start(endpoint):
    with pytest.raises(SettingsError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT: got .*, expected a URL"):
        configure_tracing(endpoint, "1")


def test_without_the_extra_the_start_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(
        sys.modules, "opentelemetry", None
    )  # as Python does for a module that is not to be had
    with pytest.raises(MissingExtra, match=r"olfactory-transformer\[tracing\]"):
        configure_tracing("http://localhost:4318", "1")


def many_requests():
    for _ in range(3000):  # more than the queue holds
        with request_span("GET") as request:
            request.answered("/", 200)


@pytest.mark.parametrize("fault", ["absent", "failing", "silent"])
def test_a_broken_collector_disturbs_nobody(fault):
    with collector() as kept, socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        url = kept.url
        if fault == "failing":
            kept.status = 503
        else:
            url = f"http://127.0.0.1:{mute.getsockname()[1]}"
            if fault == "silent":
                mute.listen()
        configure_tracing(url, "1")
        many_requests()
        began = time.monotonic()
        stop_tracing()
        # The SDK would wait for 30 s, and its exporter for 5 s a try.
        assert time.monotonic() - began < 5
