"""From settings to an engine."""

from __future__ import annotations

from olfactory_transformer.engine.pool import PoolEngine
from olfactory_transformer.engine.recall import Recall
from olfactory_transformer.engine.slot import Pace
from olfactory_transformer.settings import Settings


def build_engine(settings: Settings, recall: Recall | None = None) -> PoolEngine:
    """Return the engine that the settings describe; ModelError if its model cannot be used."""
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
        recall=recall,
    )
