import asyncio
import os
import subprocess
import sys
import threading
from dataclasses import dataclass

import pytest

from olfactory_transformer.engine.contract import EngineLoad, EngineState
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.observe.metrics import REJECTIONS, RESTARTS, Metrics
from olfactory_transformer.utils.stores.contract import StoreStats


@pytest.fixture
def metrics():
    return Metrics()


def value(metrics, metric, /, **labels):
    return metrics.registry.get_sample_value(metric, labels)


def watch(metrics, state=EngineState.READY, info=None):
    info = info or FakeEngine().info
    metrics.watch_engine(lambda: EngineLoad(7, 100, 4, 3), lambda: state, lambda: info)


def test_a_request_is_in_flight_until_it_is_done(metrics):
    metrics.request_began()
    metrics.request_began()
    metrics.request_done("POST", "/v1/predict", 0.0007, status=200)
    assert value(metrics, "olfactory_requests_in_flight") == 1
    assert value(metrics, "olfactory_requests_total", method="POST", endpoint="/v1/predict") == 1


@pytest.mark.parametrize(
    ("status", "label"), [(200, "2xx"), (304, "3xx"), (429, "4xx"), (504, "5xx"), (499, "gone")]
)
def test_responses_by_class_of_status(metrics, status, label):
    metrics.request_done("POST", "/v1/predict", 0.1, status=status)
    assert value(metrics, "olfactory_responses_total", status=label) == 1


@pytest.mark.parametrize("endpoint", ["/health", "/ready", "/metrics"])
def test_probes_count_as_requests_only(metrics, endpoint):
    """An engine that is not ready answers 503 to every probe, which is no error of anybody's request."""
    metrics.request_done("GET", endpoint, 0.1, status=503)
    assert value(metrics, "olfactory_requests_total", method="GET", endpoint=endpoint) == 1
    assert value(metrics, "olfactory_responses_total", status="5xx") == 0
    assert value(metrics, "olfactory_request_duration_seconds_count") == 0


def test_a_stream_is_no_measure_of_time_but_a_reply(metrics):
    metrics.request_done("POST", "/v1/predict/stream", 600, status=200)
    assert value(metrics, "olfactory_responses_total", status="2xx") == 1
    assert value(metrics, "olfactory_request_duration_seconds_count") == 0


def test_times_below_five_milliseconds_are_told_apart(metrics):
    for seconds in (0.0004, 0.0009, 0.002, 0.004):
        metrics.request_done("POST", "/v1/predict", seconds, status=200)
        metrics.waited(seconds)
        metrics.batch_done(1, 10, seconds)
    for name in (
        "olfactory_request_duration_seconds",
        "olfactory_queue_wait_seconds",
        "olfactory_inference_duration_seconds",
    ):
        counts = [value(metrics, f"{name}_bucket", le=le) for le in ("0.0005", "0.001", "0.0025", "0.005")]
        assert counts == [1, 2, 3, 4]


def test_it_observes_an_engine(metrics):
    metrics.batch_done(3, 120, 0.02)
    metrics.waited(0.01)
    metrics.rejected("queue-full")
    metrics.restarted("stalled")
    assert value(metrics, "olfactory_batch_size_sum") == 3
    assert value(metrics, "olfactory_batch_tokens_sum") == 120
    assert value(metrics, "olfactory_queue_wait_seconds_sum") == 0.01
    assert value(metrics, "olfactory_inference_duration_seconds_sum") == 0.02
    assert value(metrics, "olfactory_rejections_total", reason="queue-full") == 1
    assert value(metrics, "olfactory_worker_restarts_total", reason="stalled") == 1


def test_series_exist_before_their_first_event(metrics):
    for reason in REJECTIONS:
        assert value(metrics, "olfactory_rejections_total", reason=reason) == 0
    for reason in RESTARTS:
        assert value(metrics, "olfactory_worker_restarts_total", reason=reason) == 0


def test_the_engine_is_asked_at_every_scrape(metrics):
    load = EngineLoad(7, 100, 4, 3)
    info = FakeEngine().info
    metrics.watch_engine(lambda: load, lambda: EngineState.READY, lambda: info)
    assert value(metrics, "olfactory_queue_depth") == 7
    assert value(metrics, "olfactory_queue_limit") == 100
    assert value(metrics, "olfactory_workers_wanted") == 4
    assert value(metrics, "olfactory_workers_ready") == 3
    assert value(metrics, "olfactory_engine_ready") == 1
    assert value(metrics, "olfactory_model_info", name=info.name, version=info.version, hash=info.hash) == 1
    load = EngineLoad(8, 100, 4, 0)
    assert value(metrics, "olfactory_queue_depth") == 8
    assert value(metrics, "olfactory_workers_ready") == 0


def test_for_a_server_the_engine_is_asked_on_its_event_loop(metrics):
    """As engines may be asked nowhere else; what may block is asked in a thread."""
    asked = {}

    def ask(what, answer):
        asked[what] = threading.current_thread() is threading.main_thread()
        return answer

    info = FakeEngine().info
    metrics.watch_engine(
        lambda: ask("load", EngineLoad(7, 100, 4, 3)),
        lambda: ask("state", EngineState.READY),
        lambda: ask("info", info),
    )
    metrics.watch_cache(lambda: ask("cache", {"memory": StoreStats()}))
    assert b"olfactory_queue_depth 7.0" in asyncio.run(metrics.scrape())
    assert asked == {"load": True, "state": True, "info": True, "cache": False}
    metrics.watch_engine(lambda: EngineLoad(8, 100, 4, 3), lambda: EngineState.READY, lambda: info)
    assert value(metrics, "olfactory_queue_depth") == 8  # nothing of the scrape is left behind


@pytest.mark.parametrize("state", [EngineState.STARTING, EngineState.FAILED])
def test_an_engine_that_is_not_ready(metrics, state):
    watch(metrics, state)
    assert value(metrics, "olfactory_engine_ready") == 0


def test_the_accuracy_is_what_the_model_says_of_itself(metrics):
    @dataclass
    class Info:
        name: str = "m"
        version: str = "1"
        hash: str = "0"
        accuracy: float | None = None

    watch(metrics, info=Info())
    assert value(metrics, "olfactory_model_accuracy") is None
    watch(metrics, info=Info(accuracy=0.8888))
    assert value(metrics, "olfactory_model_accuracy") == 0.8888


def test_the_cache_by_tier(metrics):
    metrics.watch_cache(
        lambda: {
            "memory": StoreStats(entries=2, size=80, hits=6, misses=4, evictions=1),
            "redis": StoreStats(hits=2, misses=2, errors=5, available=False),
        }
    )
    assert value(metrics, "olfactory_cache_hits_total", tier="memory") == 6
    assert value(metrics, "olfactory_cache_misses_total", tier="redis") == 2
    assert value(metrics, "olfactory_cache_errors_total", tier="redis") == 5
    assert value(metrics, "olfactory_cache_evictions_total", tier="memory") == 1
    assert value(metrics, "olfactory_cache_entries", tier="memory") == 2
    assert value(metrics, "olfactory_cache_size_bytes", tier="memory") == 80
    assert value(metrics, "olfactory_cache_entries", tier="redis") is None  # not counted at every scrape
    assert value(metrics, "olfactory_cache_available", tier="memory") == 1
    assert value(metrics, "olfactory_cache_available", tier="redis") == 0
    assert value(metrics, "olfactory_cache_hit_rate") == 0.8  # of ten, six in memory and two in Redis


def test_breakers_and_rate_limits(metrics):
    metrics.watch_breaker("redis", lambda: "open")
    metrics.watch_rate_limit(lambda: "local")
    states = {
        s: value(metrics, "olfactory_breaker_state", name="redis", state=s)
        for s in ("closed", "half-open", "open")
    }
    assert states == {"closed": 0, "half-open": 0, "open": 1}
    limits = {s: value(metrics, "olfactory_rate_limit_state", state=s) for s in ("off", "local", "shared")}
    assert limits == {"off": 0, "local": 1, "shared": 0}


def test_memory_is_that_of_all_processes(metrics):
    own = value(metrics, "olfactory_memory_usage_bytes")
    command = [sys.executable, "-c", "held = b'x' * 50_000_000; print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        metrics.watch_processes(lambda: [other.pid, os.getpid()])  # oneself counts once
        both = value(metrics, "olfactory_memory_usage_bytes")
        other.communicate(b"\n")
    assert both - own > 45_000_000
    assert (
        value(metrics, "olfactory_memory_usage_bytes") < both - 45_000_000
    )  # an ended process holds nothing


def test_the_gpu_is_shown_where_there_is_one(metrics):
    assert value(metrics, "olfactory_gpu_utilization_percent") is None
    metrics.watch_gpu(lambda: 37.0)
    assert value(metrics, "olfactory_gpu_utilization_percent") == 37


def test_what_cannot_be_read_costs_no_other_metric(metrics, caplog):
    def broken():
        raise OSError("the cache is gone")

    metrics.watch_cache(broken)
    watch(metrics)
    for _ in range(3):
        text = metrics.render().decode()
    assert "olfactory_queue_depth 7.0" in text
    assert "olfactory_cache_hits" not in text
    assert [record.message for record in caplog.records] == ["the metrics of cache cannot be read"]
    metrics.watch_cache(lambda: {})
    metrics.render()
    metrics.watch_cache(broken)
    metrics.render()
    assert len(caplog.records) == 2  # told again when it fails anew


def test_no_client_makes_up_a_label(metrics):
    metrics.request_done("BREW", "unmatched", 0.1, status=404)
    assert value(metrics, "olfactory_requests_total", method="other", endpoint="unmatched") == 1
