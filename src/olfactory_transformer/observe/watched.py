"""Metrics that are read when somebody asks: each from a callable that the server hands over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from olfactory_transformer.observe.memory import resident_bytes

logger = logging.getLogger(__name__)

BREAKER_STATES = ("closed", "half-open", "open")
RATE_LIMIT_STATES = ("off", "local", "shared")


class EngineLoad(Protocol):
    """What is asked of an engine's load; `engine.contract.EngineLoad` has it."""

    @property
    def queued(self) -> int: ...  # noqa: D102
    @property
    def limit(self) -> int: ...  # noqa: D102
    @property
    def workers(self) -> int: ...  # noqa: D102
    @property
    def ready(self) -> int: ...  # noqa: D102


class ModelInfo(Protocol):
    """What is asked of a model; `engine.contract.ModelInfo` has it, and may have `accuracy`, a float or None."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def hash(self) -> str: ...  # noqa: D102


class TierStats(Protocol):
    """What is asked of a tier of the cache; `utils.stores.contract.StoreStats` has it."""

    @property
    def entries(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def hits(self) -> int: ...  # noqa: D102
    @property
    def misses(self) -> int: ...  # noqa: D102
    @property
    def errors(self) -> int: ...  # noqa: D102
    @property
    def evictions(self) -> int: ...  # noqa: D102
    @property
    def available(self) -> bool: ...  # noqa: D102


_Answer = tuple[EngineLoad, str, ModelInfo] | Exception
_answer: ContextVar[_Answer | None] = ContextVar("answer of the engine", default=None)


class Watched:
    """A collector of the registry. A callable that fails costs its own metrics and a line in the log, no more."""

    def __init__(self) -> None:
        self.engine: tuple[Callable[[], EngineLoad], Callable[[], str], Callable[[], ModelInfo]] | None = None
        self.tiers: Callable[[], Mapping[str, TierStats]] | None = None
        self.breakers: dict[str, Callable[[], str]] = {}
        self.rate_limit: Callable[[], str] | None = None
        self.pids: Callable[[], Collection[int]] = lambda: ()
        self.gpu: Callable[[], float] | None = None
        self._failing: set[str] = set()

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering asks no callable."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask every callable."""
        for part in (self._engine, self._cache, self._breakers, self._rate_limit, self._memory, self._gpu):
            name = part.__name__.removeprefix("_")
            try:
                found = list(part())
            except Exception:  # whatever it is, the other metrics are still true
                if name not in self._failing:
                    logger.warning("the metrics of %s cannot be read", name, exc_info=True)
                self._failing.add(name)
            else:
                self._failing.discard(name)
                yield from found

    def ask_engine(self) -> None:
        """Ask the engine now, for a `collect` that follows in this context, in whatever thread."""
        _answer.set(self._ask_engine())

    def _ask_engine(self) -> _Answer | None:
        if self.engine is None:
            return None
        load, state, info = self.engine
        try:
            return load(), state(), info()
        except Exception as error:  # told of by `collect`
            return error

    def _engine(self) -> Iterator[Metric]:
        answer = _answer.get() or self._ask_engine()
        if answer is None:
            return
        if isinstance(answer, Exception):
            raise answer
        load, state, info = answer
        yield _gauge("olfactory_engine_ready", "1 while the engine can predict", state == "ready")
        yield _gauge("olfactory_queue_depth", "Molecules that wait for the model", load.queued)
        yield _gauge("olfactory_queue_limit", "Molecules that may wait for the model", load.limit)
        yield _gauge("olfactory_workers_ready", "Model processes that are warm and answer", load.ready)
        yield _gauge("olfactory_workers_wanted", "Model processes that there should be", load.workers)
        model = GaugeMetricFamily(
            "olfactory_model_info", "1, with what is served", labels=["name", "version", "hash"]
        )
        model.add_metric([info.name, info.version, info.hash], 1)
        yield model
        accuracy = getattr(info, "accuracy", None)
        if accuracy is not None:
            yield _gauge(
                "olfactory_model_accuracy", "Macro AUROC of the model's words, cross-validated", accuracy
            )

    def _cache(self) -> Iterator[Metric]:
        if self.tiers is None:
            return
        tiers = self.tiers()
        for name, text, read in _COUNTERS:
            counter = CounterMetricFamily(name, text, labels=["tier"])
            for tier, stats in tiers.items():
                counter.add_metric([tier], read(stats))
            yield counter
        for name, text, read in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=["tier"])
            for tier, stats in tiers.items():
                if tier != "redis" or name not in _HELD:
                    gauge.add_metric([tier], read(stats))
            yield gauge
        yield _gauge(
            "olfactory_cache_hit_rate",
            "Share of look-ups since the start that any tier answered; NaN before the first",
            hit_rate(list(tiers.values())),
        )

    def _breakers(self) -> Iterator[Metric]:
        if self.breakers:
            gauge = GaugeMetricFamily(
                "olfactory_breaker_state",
                "1 for the state that a circuit breaker is in: closed, half-open or open",
                labels=["name", "state"],
            )
            for name, ask in self.breakers.items():
                now = ask()
                for state in BREAKER_STATES:
                    gauge.add_metric([name, state], state == now)
            yield gauge

    def _rate_limit(self) -> Iterator[Metric]:
        if self.rate_limit is not None:
            now = self.rate_limit()
            gauge = GaugeMetricFamily(
                "olfactory_rate_limit_state",
                "1 for where rate limits are counted: off, local (this server alone) or shared (Redis)",
                labels=["state"],
            )
            for state in RATE_LIMIT_STATES:
                gauge.add_metric([state], state == now)
            yield gauge

    def _memory(self) -> Iterator[Metric]:
        text = "Resident memory of the server: this process and its model processes"
        yield _gauge("olfactory_memory_usage_bytes", text, resident_bytes(self.pids()))

    def _gpu(self) -> Iterator[Metric]:
        if self.gpu is not None:
            text = "Time of the last moment in which the GPU was busy, in percent"
            yield _gauge("olfactory_gpu_utilization_percent", text, self.gpu())


_Reader = Callable[[TierStats], float]
_COUNTERS: tuple[tuple[str, str, _Reader], ...] = (
    ("olfactory_cache_hits_total", "Look-ups that a tier of the cache answered", lambda s: s.hits),
    (
        "olfactory_cache_misses_total",
        "Look-ups that a tier of the cache could not answer",
        lambda s: s.misses,
    ),
    ("olfactory_cache_errors_total", "Operations of a tier that went wrong", lambda s: s.errors),
    (
        "olfactory_cache_evictions_total",
        "Entries that a tier dropped for want of room",
        lambda s: s.evictions,
    ),
)
_GAUGES: tuple[tuple[str, str, _Reader], ...] = (
    ("olfactory_cache_entries", "Entries that a tier holds", lambda s: s.entries),
    ("olfactory_cache_size_bytes", "Bytes that a tier holds", lambda s: s.size),
    ("olfactory_cache_available", "0 while a tier is left alone after failures", lambda s: s.available),
)


# What Redis holds it tells itself; to count our part of it, it would have to go through all.
_HELD = ("olfactory_cache_entries", "olfactory_cache_size_bytes")


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def hit_rate(tiers: list[TierStats]) -> float:
    """Return the share of look-ups that any tier answered; each tier is asked for what those before it lack.

    >>> from types import SimpleNamespace as Stats
    >>> hit_rate([Stats(hits=6, misses=4), Stats(hits=2, misses=2)])
    0.8
    >>> hit_rate([])
    nan
    """
    asked = tiers[0].hits + tiers[0].misses if tiers else 0
    return sum(tier.hits for tier in tiers) / asked if asked else float("nan")
