"""What metrics and `/ready` are told of the engine's processes, of the cache, and of what limits callers."""

from __future__ import annotations

from olfactory_transformer.api.access.access import Access
from olfactory_transformer.api.lifecycle import Parts
from olfactory_transformer.api.ratelimit.redis import RedisLimiter
from olfactory_transformer.engine.pool import PoolEngine
from olfactory_transformer.observe.gpu import gpu_utilization
from olfactory_transformer.observe.metrics import Metrics
from olfactory_transformer.settings import Settings
from olfactory_transformer.utils.stores.contract import Store
from olfactory_transformer.utils.stores.redis import RedisStore


def watch(engine: PoolEngine, access: Access, settings: Settings, metrics: Metrics, parts: Parts) -> None:
    """Have `metrics` ask what can be told at a scrape, and `parts` what the server may be without."""
    tiers = engine.tiers
    metrics.watch_processes(lambda: engine.pids)
    metrics.watch_cache(lambda: tiers.by_tier(count={"disk"}))
    for store in tiers.stores:
        _watch_store(store, metrics, parts)
    metrics.watch_breaker("database", lambda: access.directory.breaker.state)
    if isinstance(access.limiter, RedisLimiter):
        limits = access.limiter.breaker
        metrics.watch_breaker("redis-limits", lambda: limits.state)
    if settings.device != "cpu" and (gpu := gpu_utilization()) is not None:
        metrics.watch_gpu(gpu)


def _watch_store(store: Store, metrics: Metrics, parts: Parts) -> None:
    parts.watch("redis" if store.name == "redis" else f"cache-{store.name}", lambda: store.stats().available)
    if isinstance(store, RedisStore):
        breaker = store.breaker
        metrics.watch_breaker("redis-cache", lambda: breaker.state)
