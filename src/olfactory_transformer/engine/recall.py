"""What the engine remembers: predictions by molecule in a cache's tiers, and which text means which molecule."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from cachetools import LRUCache

from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.utils.codec import decode_prediction
from olfactory_transformer.utils.stored import as_asked, prediction_key
from olfactory_transformer.utils.stores.contract import Store

logger = logging.getLogger(__name__)
_LONGEST_TEXT = 2_000  # characters; longer ones are no molecules
_MOST_WRITES = 32  # that may wait for the slower tiers; a cache may forget

Meaning = tuple[str, tuple[str, ...]] | MoleculeError  # a molecule's key and its spelling's warnings


class Recall:
    """Predictions that need not be computed again.

    Parameters
    ----------
    memory : Store or None
        Asked on the event loop.
    slower : Store or None
        Disk, Redis or both; asked in threads.
    texts : int
        Spellings whose molecule is remembered, so that a known one need not be read again.
    """

    def __init__(self, memory: Store | None = None, slower: Store | None = None, texts: int = 20_000) -> None:
        self._memory, self._slower = memory, slower
        self._meanings: LRUCache[str, Meaning] = LRUCache(max(1, texts))
        self._writes: set[asyncio.Task[None]] = set()

    def at_once(self, model_hash: str, text: str, dilution: float) -> ScentPrediction | MoleculeError | None:
        """Return what is known of a text without waiting for anything."""
        meaning = self._meanings.get(text)
        if meaning is None or isinstance(meaning, MoleculeError):
            return meaning
        if self._memory is None:
            return None
        (data,) = self._memory.get_many([prediction_key(model_hash, meaning[0], dilution)])
        stored = None if data is None else decode_prediction(data)
        return None if stored is None else as_asked(stored, text, meaning[1])

    def means(self, text: str, meaning: Meaning) -> None:
        """Remember which molecule a text is, or why it is none."""
        if len(text) <= _LONGEST_TEXT:
            self._meanings[text] = meaning

    async def find(self, keys: Sequence[str]) -> dict[str, ScentPrediction]:
        """Return the predictions that any tier has, as they are stored."""
        found: dict[str, ScentPrediction] = {}
        for store in (self._memory, self._slower):
            missing = [key for key in keys if key not in found]
            if store is None or not missing:
                continue
            slow = store is self._slower
            values = await asyncio.to_thread(store.get_many, missing) if slow else store.get_many(missing)
            there = {key: value for key, value in zip(missing, values, strict=True) if value is not None}
            known = {key: p for key, value in there.items() if (p := decode_prediction(value)) is not None}
            found |= known
            if slow and self._memory is not None and known:
                self._memory.set_many({key: there[key] for key in known})
        return found

    def keep(self, predictions: Mapping[str, bytes]) -> None:
        """Keep encoded predictions; the slower tiers are written behind the answer."""
        if self._memory is not None:
            self._memory.set_many(predictions)
        if self._slower is not None and len(self._writes) < _MOST_WRITES:
            task = asyncio.create_task(asyncio.to_thread(self._slower.set_many, predictions))
            self._writes.add(task)
            task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writes.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a cache failed to write: %s", type(error).__name__)

    async def close(self) -> None:
        """Write what is to be written, and close the tiers."""
        if self._writes:
            await asyncio.wait(self._writes)
        for store in (self._memory, self._slower):
            if store is not None:
                await asyncio.to_thread(store.close)
