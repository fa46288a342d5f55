"""A place for one process of the engine: kept running, fed from the line, watched."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from olfactory_transformer.core.config import DEFAULT_DILUTION, ScentPrediction
from olfactory_transformer.core.errors import EngineFault, ModelCorrupt, OlfactoryError
from olfactory_transformer.engine import frames
from olfactory_transformer.engine.contract import EngineObserver, finite
from olfactory_transformer.engine.line import Entry, Line
from olfactory_transformer.engine.process import Process, ProcessGone, spawn
from olfactory_transformer.engine.worker import WorkerOptions
from olfactory_transformer.utils.codec import decode_prediction

logger = logging.getLogger(__name__)
FRESH = 2.0  # seconds since a process was last heard of, in which it counts as alive
_PING_EVERY, _PONG_WITHIN = 0.5, 1.4  # together less than FRESH
_START_WITHIN = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # between starts that fail
_WARM_UP = b"COc1cc(C=O)ccc1O"  # vanillin


@dataclass(frozen=True, slots=True)
class Pace:
    """How batches are taken and how long they may take.

    Parameters
    ----------
    items, tokens : int
        The most in a batch.
    delay : float
        Seconds that a batch which is not full waits.
    stall : float
        Seconds after which a process that has not answered is taken for hung.
    """

    items: int = 32
    tokens: int = 8192
    delay: float = 0.0
    stall: float = 5.0


class Work(Protocol):
    """What is done with a batch."""

    observer: EngineObserver

    async def exchange(self, process: Process, model_hash: str, batch: list[Entry]) -> bool:
        """Have the process answer the batch; return whether its model has to be tried out."""
        ...

    def failed(self, batch: list[Entry]) -> None:
        """Note that a process ended or hung with this batch."""
        ...


class Stalled(Exception):
    """A process did not answer in time."""


class ModelBroken(Exception):
    """A process answers, but its model does not predict a molecule that every model knows."""


_REASONS = {ProcessGone: "died", Stalled: "stalled", ModelBroken: "failing"}


class Slot:
    """Runs a process, and another one when it ends, hangs, or does not predict any more.

    Parameters
    ----------
    options : WorkerOptions
    model_hash : str
        What the process has to load.
    line : Line
    pace : Pace
    work : Work
    opened : Event
        Set when it may take work.
    """

    def __init__(
        self,
        options: WorkerOptions,
        model_hash: str,
        line: Line,
        pace: Pace,
        work: Work,
        opened: asyncio.Event,
    ) -> None:
        self._options, self._model_hash = options, model_hash
        self._line, self._pace, self._work, self._opened = line, pace, work, opened
        self._retiring = self._warm = False
        self._process: Process | None = None
        self.busy = False
        self.error: OlfactoryError | None = None  # of the last start, if that failed
        self.settled = asyncio.Event()  # the first start went well, or failed
        # In a context of its own: what it logs is not about the request that asked for a reload.
        self._task = asyncio.create_task(self._run(), context=contextvars.Context())

    @property
    def pid(self) -> int | None:
        """Number of its process."""
        return None if self._process is None else self._process.pid

    @property
    def ready(self) -> bool:
        """Whether its process is warm and was heard of lately."""
        process = self._process
        if process is None or not self._warm or process.gone:
            return False
        return asyncio.get_running_loop().time() - process.heard < FRESH

    async def retire(self) -> None:
        """Let the process finish its batch, and end it."""
        self._retiring = True
        if not self.busy:
            self._task.cancel()
        await asyncio.wait({self._task})

    async def kill(self) -> None:
        """End the process at once."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._retiring:
            process: Process | None = None
            served = False
            try:
                process = self._process = await spawn(self._options)
                await self._start(process)
                self._warm = served = True
                self.error, pause = None, _FIRST_PAUSE
                self.settled.set()
                await self._serve(process)
            except (ProcessGone, Stalled, ModelBroken, OlfactoryError, OSError) as error:
                self._lost(error, served)
            finally:
                self._warm, self._process = False, None
                if process is not None:
                    await asyncio.shield(process.end(kill=not (served and self._retiring)))
            if not served:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _start(self, process: Process) -> None:
        async with _within(_START_WITHIN):
            loaded = await process.hear()
            if isinstance(loaded, frames.Refused):
                raise frames.meant(loaded)
            if not isinstance(loaded, frames.Loaded):
                raise ModelBroken(described(loaded))
            if loaded.hash != self._model_hash:
                raise ModelCorrupt(
                    f"{self._options.model}: its files are not those that were loaded first; "
                    "put another model in a folder of its own, and reload"
                )
            await _try_out(process)

    async def _serve(self, process: Process) -> None:
        while not self._retiring:
            try:
                async with asyncio.timeout(_PING_EVERY):
                    await self._opened.wait()
                    batch = await self._line.take(self._pace.items, self._pace.tokens, self._pace.delay)
            except TimeoutError:
                async with _within(_PONG_WITHIN):
                    await process.ask(frames.Ping())
                continue
            self.busy = True
            try:
                doubtful = await self._work_off(process, batch)
            finally:
                self.busy = False
                self._line.done(batch)
            if doubtful:
                async with _within(self._pace.stall):
                    await _try_out(process)

    async def _work_off(self, process: Process, batch: list[Entry]) -> bool:
        """Have the batch answered, or tried again by another process; return whether to try the model out."""
        if process.gone:  # while it was idle: the batch has nothing to do with it
            self._line.add_again(batch)
            raise ProcessGone("it ended")
        try:
            async with _within(self._pace.stall):
                return await self._work.exchange(process, self._model_hash, batch)
        except (ProcessGone, Stalled):
            self._work.failed(batch)
            raise
        except asyncio.CancelledError:  # killed: another process does what this one was at
            self._line.add_again(batch)
            raise

    def _lost(self, error: Exception, served: bool) -> None:
        reason = _REASONS.get(type(error), "refused")
        if served:
            self._work.observer.restarted(reason)
            logger.error("a process of the engine is replaced: %s (%s)", reason, error)
            return
        self.error = error if isinstance(error, OlfactoryError) else EngineFault(f"{reason}: {error}")
        self.settled.set()
        logger.error("a process of the engine did not start: %s", self.error)


async def _try_out(process: Process) -> None:
    """Have it predict a molecule that every model knows; ModelBroken if that does not go well."""
    answer = await process.ask(frames.Predict([_WARM_UP], [DEFAULT_DILUTION], ask=False))
    if isinstance(answer, frames.Done) and answer.predictions:
        prediction = decode_prediction(answer.predictions[0])
        if prediction is not None and isinstance(finite(prediction), ScentPrediction):
            return
    raise ModelBroken(described(answer))


def described(answer: frames.Answer) -> str:
    """Return what a process said, for the log: of an exception its type and where, not its text.

    >>> described(frames.Failed("ValueError", "line 1", "of CCO"))
    'ValueError line 1'
    """
    if isinstance(answer, frames.Failed):
        return f"{answer.kind} {answer.where}".strip()
    return type(answer).__name__


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Stalled(f"no answer in {seconds:g} s") from None
