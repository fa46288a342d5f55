"""Traces for an OpenTelemetry collector, when one is named; otherwise every call here does next to nothing.

    POST /v1/predict ─┬─ cache
                      ├─ queue
                      └─ inference

No span names a molecule: an attribute is a number, a truth value or a lower-case word, anything else is withheld; and
an exception leaves its type alone.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import MutableMapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from olfactory_transformer.core.errors import MissingExtra, SettingsError, shown

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

Value = bool | int | float | str
_SERVICE = "olfactory-transformer"
_EXPORT_SECONDS = 5
_FLUSH_SECONDS = 2
_WORD = re.compile(r"[a-z][a-z-]{0,31}", re.ASCII)  # no SMILES: aromatic atoms need a ring, and rings digits


class Span(Protocol):
    """A step that is being timed."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def note(self, **attributes: Value) -> None:
        """Add what is known by now."""

    def answered(self, endpoint: str, status: int) -> None:
        """Of the span of a request: which route it took, and the status of the reply."""


class _NoSpan:
    """The span of a server without a collector."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...
    def note(self, **_: Value) -> None:
        """Do nothing."""

    def answered(self, endpoint: str, status: int) -> None:
        """Do nothing."""


class _RealSpan:
    def __init__(self, tracer: Tracer, name: str, attributes: dict[str, Value], **how: Any) -> None:
        self._method = name
        self._span = tracer.start_span(name, attributes=_checked(attributes), **how)

    def __enter__(self) -> Self:
        from opentelemetry import context, trace

        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from opentelemetry import context

        if kind is not None:
            self._failed(f"{kind.__module__}.{kind.__qualname__}")
        context.detach(self._token)
        self._span.end()

    def note(self, **attributes: Value) -> None:
        self._span.set_attributes(_checked(attributes))

    def answered(self, endpoint: str, status: int) -> None:
        self._span.update_name(f"{self._method} {endpoint}")
        self._span.set_attributes({"http.route": endpoint, "http.response.status_code": status})
        if status >= 500:
            self._failed(str(status))

    def _failed(self, kind: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))


_NO_SPAN = _NoSpan()
_tracer: Tracer | None = None
_provider: TracerProvider | None = None


def configure_tracing(endpoint: str | None, version: str) -> None:
    """Send traces from now on; without an endpoint, none.

    They leave from a thread of their own. A collector that is away, slow or wrong costs traces and lines in the log,
    never a request. What OpenTelemetry's SDK reads itself (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER,
    OTEL_EXPORTER_OTLP_HEADERS, ...) works as it says.

    Parameters
    ----------
    endpoint : str or None
        URL of a collector that takes OTLP over HTTP, such as http://localhost:4318; `/v1/traces` is added.
    version : str
        Of this package.

    Raises
    ------
    SettingsError
        It is no http or https URL.
    MissingExtra
        OpenTelemetry is not installed.
    """
    stop_tracing()
    if endpoint is None:
        return
    if not re.match(r"https?://[^/\s]", endpoint):
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: got {shown(endpoint)}, expected a URL such as http://localhost:4318"
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise MissingExtra("tracing", "OTEL_EXPORTER_OTLP_ENDPOINT") from None
    resource = Resource.create({"service.version": version})
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": _SERVICE}))
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    global _tracer, _provider
    _tracer, _provider = provider.get_tracer(_SERVICE, version), provider


def stop_tracing() -> None:
    """Send what is left, for two seconds at most, and trace no more."""
    global _tracer, _provider
    provider, _tracer, _provider = _provider, None, None
    if provider is not None:
        # The SDK's own shutdown may wait for half a minute where the collector is away.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_FLUSH_SECONDS)


def span(name: str, **attributes: Value) -> Span:
    """Time a step, as a part of whatever step surrounds it.

    >>> with span("cache", items=3) as step:
    ...     step.note(hits=2)
    """
    return _NO_SPAN if _tracer is None else _RealSpan(_tracer, name, attributes)


def request_span(method: str, traceparent: str | None = None, tracestate: str | None = None) -> Span:
    """Time a request, as a part of the trace that the client's headers name (W3C Trace Context), if any.

    Parameters
    ----------
    method : str
        One of the usual, or `other`.
    traceparent, tracestate : str or None
        The client's headers; what is not well-formed is as if it was not there.
    """
    if _tracer is None:
        return _NO_SPAN
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {"traceparent": traceparent or "", "tracestate": tracestate or ""}
    outer = TraceContextTextMapPropagator().extract(carrier, context=Context())
    real = _RealSpan(_tracer, method, {}, context=outer, kind=SpanKind.SERVER)
    real._span.set_attribute("http.request.method", method)
    return real


def here() -> Context | None:
    """Return the step that we are in, for `ended` in another task; None without a collector."""
    if _tracer is None:
        return None
    from opentelemetry import context

    return context.get_current()


def ended(name: str, seconds: float, parent: Context | None = None, **attributes: Value) -> None:
    """Add a step that ends now and began `seconds` ago.

    Parameters
    ----------
    name : str
    seconds : float
    parent : Context or None
        From `here`; None: the step that we are in.
    **attributes : bool, int, float or a lower-case word
    """
    if _tracer is None:
        return
    now = time.time_ns()
    began = now - int(seconds * 1e9)
    _tracer.start_span(name, parent, attributes=_checked(attributes), start_time=began).end(now)


def trace_of_record(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add `trace_id` to a log record that belongs to a trace; a processor of structlog."""
    if _tracer is not None:
        from opentelemetry import trace

        inside = trace.get_current_span().get_span_context()
        if inside.is_valid:
            event["trace_id"] = trace.format_trace_id(inside.trace_id)
    return event


def _checked(attributes: dict[str, Value]) -> dict[str, Value]:
    return {f"olfactory.{name}": _harmless(value) for name, value in attributes.items()}


def _harmless(value: Value) -> Value:
    if isinstance(value, bool | int | float):
        return value
    return value if isinstance(value, str) and _WORD.fullmatch(value) else "withheld"
