"""One batch: what a process is asked, what need not be computed, and who is to blame when it fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from cachetools import TTLCache

from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import EngineFault
from olfactory_transformer.engine import frames
from olfactory_transformer.engine.contract import EngineObserver, finite
from olfactory_transformer.engine.line import Entry, Line
from olfactory_transformer.engine.process import Process, ProcessGone
from olfactory_transformer.engine.recall import Recall
from olfactory_transformer.engine.slot import described
from olfactory_transformer.observe.tracing import ended
from olfactory_transformer.utils.codec import decode_prediction
from olfactory_transformer.utils.stored import as_asked, prediction_key

logger = logging.getLogger(__name__)
# Not one: the process may have been killed from outside.
_MOST_FAILURES_ALONE = 2
_POISONS, _POISON_SECONDS = 4096, 60.0
Share = tuple[Entry, frames.ReadMolecule]


class Nobody:
    """Observes nothing."""

    def batch_done(self, items: int, tokens: int, seconds: float) -> None:
        """Do nothing."""

    def waited(self, seconds: float) -> None:
        """Do nothing."""

    def rejected(self, reason: str) -> None:
        """Do nothing."""

    def restarted(self, reason: str) -> None:
        """Do nothing."""


class Exchange:
    """Answers the entries of batches, by what is remembered, by another batch, or by a process.

    An entry with which a process failed is tried alone; if it then fails alone, twice, it is a poison: it has an
    EngineFault for an answer, and is refused at once for a while.

    Parameters
    ----------
    line : Line
        Where entries go that have to be tried again.
    recall : Recall
    """

    def __init__(self, line: Line, recall: Recall) -> None:
        self._line, self._recall = line, recall
        self._computing: dict[str, list[Share]] = {}  # who else waits for what a process is at
        self._poisons: TTLCache[tuple[str, bool], None] = TTLCache(
            _POISONS, _POISON_SECONDS, timer=time.monotonic
        )
        self.observer: EngineObserver = Nobody()
        self.seconds_an_item = 0.001  # of one process; a running mean

    def is_poison(self, text: str, *, picture: bool = False) -> bool:
        """Tell whether a process failed with this text, and nothing but it, lately: predicting or drawing it."""
        return (text, picture) in self._poisons

    async def exchange(self, process: Process, model_hash: str, batch: list[Entry]) -> bool:
        """Have the process answer the batch; return whether its model has to be tried out."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for entry in batch:
            self.observer.waited(began - entry.born)
        for first in _one_a_trace(batch):
            ended("queue", began - first.born, first.trace)
        if batch[0].picture is not None:
            return await self._draw(process, batch[0])
        doubtful = await self._predict(process, model_hash, batch)
        tokens, seconds = max(entry.tokens for entry in batch) * len(batch), loop.time() - began
        self.seconds_an_item += 0.1 * (seconds / len(batch) - self.seconds_an_item)
        self.observer.batch_done(len(batch), tokens, seconds)
        for first in _one_a_trace(batch):
            ended("inference", seconds, first.trace, items=len(batch))
        return doubtful

    def failed(self, batch: Sequence[Entry]) -> None:
        """Try the entries again, each alone; one that failed alone twice is a poison."""
        if len(batch) == 1:
            (entry,) = batch
            entry.failures_alone += 1
            if entry.failures_alone >= _MOST_FAILURES_ALONE:
                self._poisons[entry.text, entry.picture is not None] = None
                entry.finish(EngineFault("the molecule makes the model's process fail"))
        self._line.add_again(batch)

    async def _draw(self, process: Process, entry: Entry) -> bool:
        assert entry.picture is not None
        answer = await process.ask(frames.Draw(frames.as_bytes(entry.text), *entry.picture))
        match answer:
            case frames.Picture():
                entry.finish(answer.data)
            case frames.Refused():
                entry.finish(frames.meant(answer))
            case _:
                return self._unexpected(answer, [entry])
        return False

    async def _predict(self, process: Process, model_hash: str, batch: list[Entry]) -> bool:
        texts, dilutions = [frames.as_bytes(e.text) for e in batch], [e.dilution for e in batch]
        answer = await process.ask(frames.Predict(texts, dilutions, ask=True))
        if not isinstance(answer, frames.Read | frames.Done):
            return self._unexpected(answer, batch)
        shares = self._read(batch, answer.items)
        keys = {entry: prediction_key(model_hash, item.key, entry.dilution) for entry, item in shares}
        if isinstance(answer, frames.Done):
            return False  # none is a molecule
        began = asyncio.get_running_loop().time()
        known = await self._recall.find(list(dict.fromkeys(keys.values())))
        for first in _one_a_trace(batch):
            seconds = asyncio.get_running_loop().time() - began
            ended("cache", seconds, first.trace, items=len(keys), hits=len(known))
        mine: dict[str, int] = {}  # key -> index of the entry that is computed for it
        try:
            for entry, item in shares:
                key = keys[entry]
                if key in known:
                    _answer(entry, item, known[key])
                elif key in self._computing:
                    self._computing[key].append((entry, item))
                else:
                    self._computing[key] = [(entry, item)]
                    mine[key] = batch.index(entry)
            answer = await process.ask(frames.Go(list(mine.values())))
            if not isinstance(answer, frames.Done):
                return self._unexpected(answer, batch)
            return self._done(list(mine), answer.predictions)
        finally:
            others = [e for key in mine for e, _ in self._computing.pop(key, []) if e not in batch]
            self._line.add_again(others)  # empty when all went well

    def _read(
        self, batch: Sequence[Entry], items: Sequence[frames.ReadMolecule | frames.ReadError]
    ) -> list[Share]:
        """Answer what is no molecule, and return the rest."""
        shares = []
        if len(items) != len(batch):
            raise ProcessGone(f"got {len(items)} items, expected {len(batch)}")
        for entry, item in zip(batch, items, strict=True):
            if isinstance(item, frames.ReadError):
                error = frames.molecule_error(item)
                self._recall.means(entry.text, error)
                entry.finish(error)
            else:
                self._recall.means(entry.text, (item.key, item.spelling))
                shares.append((entry, item))
        return shares

    def _done(self, keys: Sequence[str], predictions: Sequence[bytes]) -> bool:
        """Answer what was computed, and all who waited for it; return whether a number was not finite."""
        if len(keys) != len(predictions):
            raise ProcessGone(f"got {len(predictions)} predictions, expected {len(keys)}")
        good: dict[str, bytes] = {}
        doubtful = False
        for key, data in zip(keys, predictions, strict=True):
            stored = decode_prediction(data)
            if stored is None:
                raise ProcessGone("got bytes that are not a prediction")
            if isinstance(finite(stored), ScentPrediction):
                good[key] = data
            else:
                doubtful = True
            for entry, item in self._computing.pop(key):
                _answer(entry, item, stored)
        self._recall.keep(good)
        return doubtful

    def _unexpected(self, answer: frames.Answer, batch: Sequence[Entry]) -> bool:
        logger.error("a process of the engine failed with a batch of %d: %s", len(batch), described(answer))
        if isinstance(answer, frames.Failed):
            logger.debug("what it said: %s", answer.message)
        self.failed(batch)
        return True


def _one_a_trace(batch: Sequence[Entry]) -> list[Entry]:
    return list({id(entry.trace): entry for entry in batch if entry.trace is not None}.values())


def _answer(entry: Entry, item: frames.ReadMolecule, stored: ScentPrediction) -> None:
    entry.finish(finite(as_asked(stored, entry.text, item.spelling)))
