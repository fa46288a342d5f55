"""What the engine remembers: predictions by molecule in a cache's tiers, and which text means which molecule."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from copy import copy
from typing import NamedTuple

from cachetools import LRUCache

from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.utils.codec import decode_prediction
from olfactory_transformer.utils.stored import as_asked, prediction_key
from olfactory_transformer.utils.stores.memory import MemoryStore
from olfactory_transformer.utils.stores.tiers import Tiers

logger = logging.getLogger(__name__)
_LONGEST_TEXT = 2_000  # characters; longer ones are no molecules
_MOST_WRITES = 32  # that may wait for the slower tiers; a cache may forget
# Decoding takes most of the time of a hit; one that is decoded takes some 10 kB.
_MOST_DECODED = 1_000
_TIDY_EVERY = 3600.0  # seconds

Meaning = tuple[str, tuple[str, ...]] | MoleculeError  # a molecule's key and its spelling's warnings


class _Decoded(NamedTuple):
    """A prediction as it was asked for, and what it was made of: if that is not what the cache has, it is stale."""

    key: str
    data: bytes
    prediction: ScentPrediction


class Recall:
    """Predictions that need not be computed again.

    Parameters
    ----------
    tiers : Tiers or None
        Memory is asked on the event loop, whatever is slower in threads. None: nothing is kept.
    texts : int
        Spellings whose molecule is remembered, so that a known one need not be read again.
    """

    def __init__(self, tiers: Tiers | None = None, texts: int = 20_000) -> None:
        self.tiers = tiers or Tiers([], ttl=1)
        self._slow = any(not isinstance(store, MemoryStore) for store in self.tiers.stores)
        self._meanings: LRUCache[str, Meaning] = LRUCache(texts)
        self._decoded: LRUCache[tuple[str, str, float], _Decoded] = LRUCache(_MOST_DECODED)
        self._writes: set[asyncio.Task[None]] = set()

    def at_once(self, model_hash: str, text: str, dilution: float) -> ScentPrediction | MoleculeError | None:
        """Return what is known of a text without waiting for anything."""
        asked = model_hash, text, dilution
        kept = self._decoded.get(asked)
        if kept is not None and self.tiers.get_fast([kept.key])[0] == kept.data:
            return kept.prediction
        meaning = self._meanings.get(text)
        if meaning is None or isinstance(meaning, MoleculeError):
            return copy(meaning)
        key = prediction_key(model_hash, meaning[0], dilution)
        (data,) = self.tiers.get_fast([key])
        stored = None if data is None else decode_prediction(data)
        if data is None or stored is None:
            return None
        prediction = as_asked(stored, text, meaning[1])
        self._decoded[asked] = _Decoded(key, data, prediction)
        return prediction

    def means(self, text: str, meaning: Meaning) -> None:
        """Remember which molecule a text is, or why it is none."""
        if len(text) <= _LONGEST_TEXT:
            # An error that is raised keeps the frames that it passed, each time more of them: remembered is another.
            self._meanings[text] = copy(meaning)

    async def find(self, keys: Sequence[str]) -> dict[str, ScentPrediction]:
        """Return the predictions that any tier has, as they are stored."""
        if not self.tiers.stores:
            return {}
        get = self.tiers.get_many
        values = await asyncio.to_thread(get, keys) if self._slow else get(keys)
        there = zip(keys, values, strict=True)
        return {
            key: p for key, data in there if data is not None and (p := decode_prediction(data)) is not None
        }

    def keep(self, predictions: Mapping[str, bytes]) -> None:
        """Keep encoded predictions; slower tiers are written behind the answer."""
        if not predictions:
            return
        if not self._slow:
            self.tiers.set_many(predictions)
        elif len(self._writes) < _MOST_WRITES:
            task = asyncio.create_task(asyncio.to_thread(self.tiers.set_many, predictions))
            self._writes.add(task)
            task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writes.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a cache failed to write: %s", type(error).__name__)

    async def tidy(self) -> None:
        """Delete what is too old now and then, until cancelled; also files that earlier versions left behind."""
        while True:
            await asyncio.to_thread(self.tiers.delete_older, self.tiers.ttl)
            await asyncio.sleep(_TIDY_EVERY)

    async def close(self) -> None:
        """Write what is to be written, and close the tiers."""
        if self._writes:
            await asyncio.wait(self._writes)
        await asyncio.to_thread(self.tiers.close)
