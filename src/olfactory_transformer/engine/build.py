"""From settings to an engine."""

from __future__ import annotations

from olfactory_transformer.engine.pool import PoolEngine
from olfactory_transformer.engine.recall import Recall
from olfactory_transformer.engine.slot import Pace
from olfactory_transformer.settings import Settings
from olfactory_transformer.utils.stores.tiers import Tiers, open_tiers

_MIB = 2**20
_FEWEST_TEXTS = 1000


def build_tiers(settings: Settings) -> Tiers:
    """Return the cache that the settings describe, as the server and `olfactory cache` use it.

    Raises
    ------
    MissingExtra
        REDIS_URL is set, and redis-py is not installed.
    """
    return open_tiers(
        memory_entries=settings.cache_size,
        folder=settings.cache_dir,
        disk_bytes=settings.cache_size_mb * _MIB,
        redis_url=None if settings.redis_url is None else settings.redis_url.get_secret_value(),
        redis_timeout=settings.redis_timeout_ms / 1000,
        ttl=settings.cache_ttl_hours * 3600,
    )


def build_engine(settings: Settings) -> PoolEngine:
    """Return the engine that the settings describe.

    Raises
    ------
    ModelError
        Its model cannot be used.
    MissingExtra
        See `build_tiers`.
    """
    pace = Pace(
        items=settings.batch_size,
        tokens=settings.batch_tokens,
        delay=settings.batch_delay_ms / 1000,
        stall=settings.stall_timeout,
    )
    return PoolEngine(
        settings.model_path,
        tokenizer=settings.tokenizer_path,
        workers=settings.max_workers,
        device=settings.device,
        memory_mb=settings.worker_memory_mb,
        pace=pace,
        limit=settings.max_queue_items,
        timeout=settings.inference_timeout,
        recall=Recall(build_tiers(settings), texts=max(_FEWEST_TEXTS, 2 * settings.cache_size)),
    )
