"""The server's metrics, under the deployment guide's names."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# Asked every few seconds by machines: counted, but their times would drown those of the work.
_UNTIMED = frozenset({"/health", "/ready", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """Counters and histograms of one application, in a registry of its own.

    Every label takes few values: the method one of the usual or `other`, the endpoint a route's template or
    `unmatched`, the error type a code of this package. No client can make up a new one.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.request_done("GET", "/", 0.004)
    >>> metrics.registry.get_sample_value("olfactory_requests_total", {"method": "GET", "endpoint": "/"})
    1.0
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "olfactory_requests_total", "Requests answered", ["method", "endpoint"], registry=registry
        )
        self._request_seconds = Histogram(
            "olfactory_request_duration_seconds",
            "Time from a request's headers to the end of its reply; without /health, /ready, /metrics",
            buckets=_SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "olfactory_errors_total",
            "Errors told to clients, of requests and of single molecules in lists",
            ["error_type"],
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

    def request_done(self, method: str, endpoint: str, seconds: float) -> None:
        """Note a request that was answered."""
        self._requests.labels(method_label(method), endpoint).inc()
        if endpoint not in _UNTIMED:
            self._request_seconds.observe(seconds)

    def error(self, error_type: str) -> None:
        """Note an error that a client was told of."""
        self._errors.labels(error_type).inc()

    def batch_done(self, items: int, seconds: float) -> None:
        """Note a batch that went through the model."""
        self._batch_items.observe(items)
        self._inference_seconds.observe(seconds)

    def render(self) -> bytes:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self.registry)


def method_label(method: str) -> str:
    """Return the method if it is one of the usual.

    >>> method_label("POST"), method_label("BREW")
    ('POST', 'other')
    """
    return method if method in _METHODS else "other"
