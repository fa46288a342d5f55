"""The server's metrics, under the deployment guide's names.

    requests, batches, rejections ─▶ Metrics ─▶ registry ─▶ /metrics
    engine, caches, breakers, processes ◀─asked at every scrape─ Watched (observe/watched.py)

The front process alone holds them, so several model processes need no merging.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Collection, Mapping
from contextvars import copy_context

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from olfactory_transformer import __version__
from olfactory_transformer.observe.sensors import SensorMetrics
from olfactory_transformer.observe.watched import EngineLoad, ModelInfo, TierStats, Watched

# A cached answer takes half a millisecond, a stalled one up to INFERENCE_TIMEOUT.
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536)
# Asked every few seconds by machines: counted, but they would drown what people get.
PROBES = frozenset({"/health", "/ready", "/metrics"})
# Their time is the client's to choose: a stream lasts as long as it sends.
_UNTIMED = PROBES | {"/v1/predict/stream", "/v1/sensors/stream"}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLIENT_GONE = 499
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "gone")
REJECTIONS = ("queue-full", "draining", "deadline", "client-gone")
RESTARTS = ("died", "stalled", "failing")


class Metrics:
    """Counters, histograms and gauges of one application, in a registry of its own.

    It is the `EngineObserver` of an engine; `sensors` are those of electronic noses. Every label takes few values: the
    method one of the usual or `other`, the endpoint a route's template, `/v1/*` and the like, or `unmatched`, the rest
    words of this package. No client can make up a new one.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.request_began()
    >>> metrics.request_done("GET", "/", 0.004, status=200)
    >>> metrics.registry.get_sample_value("olfactory_requests_total", {"method": "GET", "endpoint": "/"})
    1.0
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "olfactory_requests_total", "Requests answered", ["method", "endpoint"], registry=registry
        )
        self._responses = Counter(
            "olfactory_responses_total",
            "Replies by class of status, gone where the client left first; without /health, /ready, /metrics",
            ["status"],
            registry=registry,
        )
        self._in_flight = Gauge(
            "olfactory_requests_in_flight",
            "Requests that are being answered, the scrape itself among them",
            registry=registry,
        )
        self._request_seconds = Histogram(
            "olfactory_request_duration_seconds",
            "Time from a request's headers to the end of its reply; without /health, /ready, /metrics and streams",
            buckets=_SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "olfactory_errors_total",
            "Errors told to clients, of requests and of single molecules in lists",
            ["error_type"],
            registry=registry,
        )
        self._wait_seconds = Histogram(
            "olfactory_queue_wait_seconds",
            "Time that a molecule waited for a batch",
            buckets=_SECONDS,
            registry=registry,
        )
        self._inference_seconds = Histogram(
            "olfactory_inference_duration_seconds",
            "Time to read and predict one batch of molecules",
            buckets=_SECONDS,
            registry=registry,
        )
        self._batch_items = Histogram(
            "olfactory_batch_size", "Molecules in one batch", buckets=_ITEMS, registry=registry
        )
        self._batch_tokens = Histogram(
            "olfactory_batch_tokens",
            "Atoms in one batch with padding, estimated from the SMILES",
            buckets=_TOKENS,
            registry=registry,
        )
        self._rejections = Counter(
            "olfactory_rejections_total",
            "Requests that the engine did not answer: queue-full, draining, deadline or client-gone",
            ["reason"],
            registry=registry,
        )
        self._restarts = Counter(
            "olfactory_worker_restarts_total",
            "Model processes replaced: died, stalled or failing",
            ["reason"],
            registry=registry,
        )
        Gauge(
            "olfactory_build_info", "1, with what is running", ["version", "python"], registry=registry
        ).labels(__version__, platform.python_version()).set(1)
        # From the start, as a rate cannot be told of a series that begins with its first event.
        for counter, values in (
            (self._responses, STATUS_CLASSES),
            (self._rejections, REJECTIONS),
            (self._restarts, RESTARTS),
        ):
            for value in values:
                counter.labels(value)
        self.sensors = SensorMetrics(registry)
        # `labels` takes as long as all else here, and there are few of these, as no client can make up a new one.
        self._of_endpoint: dict[tuple[str, str], Counter] = {}
        self._of_status = {value: self._responses.labels(value) for value in STATUS_CLASSES}
        self._watched = Watched()
        registry.register(self._watched)
        ProcessCollector(registry=registry)

    def request_began(self) -> None:
        """Note a request whose headers have arrived; `request_done` must follow."""
        self._in_flight.inc()

    def request_done(self, method: str, endpoint: str, seconds: float, *, status: int) -> None:
        """Note a request that was answered, or with status 499 one whose client left first."""
        self._in_flight.dec()
        counter = self._of_endpoint.get((method, endpoint))
        if counter is None:
            label = method_label(method)
            counter = self._of_endpoint[label, endpoint] = self._requests.labels(label, endpoint)
        counter.inc()
        if endpoint not in PROBES:
            label = status_label(status)
            (self._of_status.get(label) or self._responses.labels(label)).inc()
        if endpoint not in _UNTIMED:
            self._request_seconds.observe(seconds)

    def error(self, error_type: str) -> None:
        """Note an error that a client was told of."""
        self._errors.labels(error_type).inc()

    def batch_done(self, items: int, tokens: int, seconds: float) -> None:
        """Note a batch that went through the model."""
        self._batch_items.observe(items)
        self._batch_tokens.observe(tokens)
        self._inference_seconds.observe(seconds)

    def waited(self, seconds: float) -> None:
        """Note that a molecule waited in the queue."""
        self._wait_seconds.observe(seconds)

    def rejected(self, reason: str) -> None:
        """Note a request that the engine did not answer."""
        self._rejections.labels(reason).inc()

    def restarted(self, reason: str) -> None:
        """Note a model process that was replaced."""
        self._restarts.labels(reason).inc()

    def watch_engine(
        self, load: Callable[[], EngineLoad], state: Callable[[], str], info: Callable[[], ModelInfo]
    ) -> None:
        """Ask an engine at every scrape how busy it is, where it stands and what it serves."""
        self._watched.engine = load, state, info

    def watch_cache(self, tiers: Callable[[], Mapping[str, TierStats]]) -> None:
        """Ask a cache at every scrape for the counts of each tier, in the order in which it looks into them."""
        self._watched.tiers = tiers

    def watch_breaker(self, name: str, state: Callable[[], str]) -> None:
        """Ask a circuit breaker at every scrape whether it is closed, half-open or open."""
        self._watched.breakers[name] = state

    def watch_rate_limit(self, state: Callable[[], str]) -> None:
        """Ask at every scrape where rate limits are counted: off, local or shared."""
        self._watched.rate_limit = state

    def watch_processes(self, pids: Callable[[], Collection[int]]) -> None:
        """Add the memory of these processes to that of this one."""
        self._watched.pids = pids

    def watch_gpu(self, percent: Callable[[], float]) -> None:
        """Ask at every scrape how busy the GPU is; see `gpu.gpu_utilization`."""
        self._watched.gpu = percent

    def render(self) -> bytes:
        """Return all of them as Prometheus reads them; may block while a cache counts its entries."""
        return generate_latest(self.registry)

    async def scrape(self) -> bytes:
        """Return what `render` does: the engine is asked here, on its event loop, the rest in a thread."""
        context = copy_context()
        context.run(self._watched.ask_engine)
        return await asyncio.get_running_loop().run_in_executor(None, context.run, self.render)


def method_label(method: str) -> str:
    """Return the method if it is one of the usual.

    >>> method_label("POST"), method_label("BREW")
    ('POST', 'other')
    """
    return method if method in _METHODS else "other"


def status_label(status: int) -> str:
    """Return the class of a status.

    >>> status_label(204), status_label(503), status_label(499)
    ('2xx', '5xx', 'gone')
    """
    return "gone" if status == _CLIENT_GONE else f"{status // 100}xx"
