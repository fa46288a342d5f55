"""The model in processes that can be killed, behind one line.

predict ─▶ Recall (known texts) ─▶ Line ─▶ Slot ─▶ Process ─▶ worker
                                    ▲        │  (fails, hangs)
                                    └────────┘  tried again, alone
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from pathlib import Path

from olfactory_transformer.core.config import DEFAULT_DILUTION, ScentPrediction
from olfactory_transformer.core.cpu import cpu_limit
from olfactory_transformer.core.errors import (
    DeadlineExceeded,
    EngineBusy,
    EngineFailed,
    EngineFault,
    EngineNotReady,
    MoleculeError,
    OlfactoryError,
)
from olfactory_transformer.engine.contract import (
    EngineLoad,
    EngineObserver,
    EngineState,
    ModelInfo,
    Outcome,
    PictureForm,
    check_dilution,
)
from olfactory_transformer.engine.crew import Crew, located, model_info
from olfactory_transformer.engine.exchange import Exchange
from olfactory_transformer.engine.line import Answer, Entry, Line
from olfactory_transformer.engine.recall import Recall
from olfactory_transformer.engine.slot import Pace
from olfactory_transformer.engine.worker import WorkerOptions
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.observe.tracing import here
from olfactory_transformer.utils.stores.tiers import Tiers

logger = logging.getLogger(__name__)
_POLL = 0.02  # seconds, while what was taken is finished
_LONGEST_RETRY = 60.0
_POISON = "the molecule made the model's process fail a moment ago"


class PoolEngine:
    """An engine over processes of `engine.worker`.

    Parameters
    ----------
    model : str or Path
        A model folder, or the name of a bundled model.
    tokenizer : str, Path or None
        Another folder to take the tokenizer from.
    workers : int or None
        Processes; None: one a processor that affinity and the cgroup's quota allow.
    device : str
        cpu, cuda or auto.
    memory_mb : int or None
        MiB of data that one process may have.
    pace : Pace or None
        How batches are taken; None: as `Pace()`.
    limit : int
        Molecules that may wait.
    timeout : float
        Seconds from `predict` to its answer.
    recall : Recall or None
        What is remembered; None: nothing.

    Raises
    ------
    ModelError
        The model cannot be used.

    Examples
    --------
    >>> engine = PoolEngine()
    >>> engine.info.name, engine.state
    ('olfactory-base-v1', <EngineState.STARTING: 'starting'>)
    """

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        *,
        tokenizer: str | Path | None = None,
        workers: int | None = None,
        device: str = "cpu",
        memory_mb: int | None = None,
        pace: Pace | None = None,
        limit: int = 10_000,
        timeout: float = 30.0,
        recall: Recall | None = None,
    ) -> None:
        self._model, self._tokenizer = str(model), None if tokenizer is None else str(tokenizer)
        self._size = workers or cpu_limit()
        self._device, self._memory_mb = device, memory_mb
        self._pace, self._timeout = pace or Pace(), timeout
        self._recall = recall or Recall()
        self._line = Line(limit, pictures=max(1, self._size // 2))
        self._work = Exchange(self._line, self._recall)
        self._waiting: dict[tuple[str, float], Entry] = {}
        self._crew = self._new_crew(self._model)
        self._was_ready = self._stopping = self._stopped = False
        self._reloading = asyncio.Lock()
        self._tidying: asyncio.Task[None] | None = None

    def _new_crew(self, model: str) -> Crew:
        if self._device == "cuda":  # a wrong setting should stop the start, and not a process of it
            from olfactory_transformer.inference.runtime import providers

            providers(self._device)
        folder = located(model)
        info = model_info(folder)
        if self._tokenizer is not None:
            from olfactory_transformer.model.tokenizer import MoleculeTokenizer

            MoleculeTokenizer.from_pretrained(self._tokenizer)
        threads = max(1, cpu_limit() // self._size)
        options = WorkerOptions(str(folder), self._tokenizer, threads, self._device, self._memory_mb)
        return Crew(info, options, self._size)

    @property
    def info(self) -> ModelInfo:
        """What is being served."""
        return self._crew.info

    @property
    def state(self) -> EngineState:
        """Where the engine stands."""
        if self._crew.ready:
            self._was_ready = True
            return EngineState.READY
        starting = not self._was_ready and self._crew.error is None
        return EngineState.STARTING if starting else EngineState.FAILED

    @property
    def load(self) -> EngineLoad:
        """How busy it is."""
        return EngineLoad(self._line.queued, self._line.limit, self._crew.size, self._crew.ready)

    @property
    def pids(self) -> list[int]:
        """Numbers of its processes."""
        return self._crew.pids

    @property
    def tiers(self) -> Tiers:
        """The cache."""
        return self._recall.tiers

    def attach(self, observer: EngineObserver) -> None:
        """Tell `observer` what happens from now on."""
        self._work.observer = observer

    async def start(self) -> None:
        """Start the processes, and wait until each is warm or has failed once."""
        self._crew.start(self._line, self._pace, self._work)
        self._crew.open()
        self._tidying = asyncio.create_task(self._recall.tidy())
        await self._crew.settled()
        if self._crew.ready:
            self._was_ready = True

    async def stop(self) -> None:
        """Refuse new work, finish what was taken, and end the processes."""
        self._stopping = True
        if self._stopped:
            return
        try:
            while self._waiting and self._crew.ready:
                await asyncio.sleep(_POLL)
            await self._crew.retire()
        finally:
            self._stopped = True
            if self._tidying is not None:
                self._tidying.cancel()
            await asyncio.shield(self._crew.kill())
            for entry in list(self._waiting.values()):
                entry.finish(EngineBusy("draining"))
            await asyncio.shield(self._recall.close())

    async def predict(
        self, smiles: Sequence[str], dilution: float = DEFAULT_DILUTION, *, wait: bool = False
    ) -> list[Outcome]:
        """Predict molecules in their order; see `Engine.predict`."""
        check_dilution(dilution)
        self._check_taking()
        found = {text: self._known(text, dilution) for text in smiles}
        if asked := [text for text, answer in found.items() if answer is None]:
            self._check_working()
            found.update(zip(asked, await self._answers(asked, dilution, wait), strict=True))
        return [_outcome(found[text]) for text in smiles]

    async def draw(self, smiles: str, form: PictureForm, word: str | None = None) -> bytes:
        """Return a molecule's picture; see `Engine.draw`."""
        self._check_taking()
        if self._work.is_poison(smiles, picture=True):
            raise EngineFault(_POISON)
        self._check_working()
        entry = self._new(smiles, DEFAULT_DILUTION)
        entry.picture = (form, word)
        self._join([entry])
        (answer,) = await self._wait([entry], self._deadline())
        if isinstance(answer, bytes):
            return answer
        assert isinstance(answer, Exception)
        raise answer

    async def reload(self, model: str | None = None) -> ModelInfo:
        """Serve another model; see `Engine.reload`."""
        async with self._reloading:
            name = model or self._model
            crew = await asyncio.to_thread(self._new_crew, name)
            crew.start(self._line, self._pace, self._work)
            try:
                await crew.settled()
                if crew.ready < crew.size:
                    raise crew.error or EngineFault("its processes do not answer")
            except BaseException:
                await asyncio.shield(crew.kill())
                raise
            old, self._crew, self._model = self._crew, crew, name
            crew.open()
            logger.info("now serving %s, hash %s", crew.info.full_version, crew.info.hash)
            await asyncio.shield(old.retire())
            return crew.info

    def _check_taking(self) -> None:
        if self._stopping:
            raise self._busy("draining")

    def _check_working(self) -> None:
        state = self.state
        if state is EngineState.STARTING:
            raise EngineNotReady("the model is warming up")
        if state is EngineState.FAILED and self._crew.error is not None:  # and not only being replaced
            raise EngineFailed("no process of the model starts")

    def _known(self, text: str, dilution: float) -> Answer | None:
        """Return the answer if it is there without waiting."""
        if self._work.is_poison(text):
            return EngineFault(_POISON)
        return self._recall.at_once(self.info.hash, text, dilution)

    async def _answers(self, texts: Sequence[str], dilution: float, wait: bool) -> list[Answer]:
        """Let texts wait in the line, except those that are there already for another request."""
        deadline = self._deadline()
        entries, new = [], []
        for text in texts:
            entry = self._waiting.get((text, dilution))
            if entry is None:
                new.append(entry := self._new(text, dilution))
            else:
                entry.waiting += 1
            entries.append(entry)
        try:
            if wait:
                async with asyncio.timeout_at(deadline):
                    await self._line.room_for(len(new))
            self._join(new)
        except BaseException as error:
            self._leave(entries)
            if isinstance(error, TimeoutError):
                raise self._late() from None
            raise
        return await self._wait(entries, deadline)

    def _new(self, text: str, dilution: float) -> Entry:
        loop = asyncio.get_running_loop()
        return Entry(text, dilution, loop.create_future(), loop.time(), trace=here())

    def _join(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        try:
            self._line.add(entries)
        except EngineBusy:
            raise self._busy("queue-full") from None
        for entry in entries:
            if entry.picture is None:
                self._waiting[entry.text, entry.dilution] = entry

    async def _wait(self, entries: Sequence[Entry], deadline: float) -> list[Answer]:
        """Return the answers, or leave the line: at the deadline, or when the client has gone."""
        try:
            if pending := {entry.answer for entry in entries if not entry.answer.done()}:
                # Not awaited themselves: cancelling would spoil the answer for others who wait for it.
                left = deadline - asyncio.get_running_loop().time()
                _, pending = await asyncio.wait(pending, timeout=max(0.0, left))
            if pending:
                raise self._late()
            return [entry.answer.result() for entry in entries]
        except asyncio.CancelledError:
            self._work.observer.rejected("client-gone")
            raise
        finally:
            self._leave(entries)

    def _leave(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._line.leave(entry)
            key = entry.text, entry.dilution
            if (entry.answer.done() or not entry.waiting) and self._waiting.get(key) is entry:
                del self._waiting[key]

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout

    def _late(self) -> DeadlineExceeded:
        self._work.observer.rejected("deadline")
        return DeadlineExceeded(f"no answer in {self._timeout:g} s")

    def _busy(self, reason: str) -> EngineBusy:
        self._work.observer.rejected(reason)
        seconds = self._line.queued * self._work.seconds_an_item / max(1, self._crew.ready)
        return EngineBusy(reason, min(_LONGEST_RETRY, max(1.0, math.ceil(seconds))))


def _outcome(answer: Answer | None) -> Outcome:
    if isinstance(answer, ScentPrediction | MoleculeError | EngineFault):
        return answer
    if isinstance(answer, OlfactoryError):  # the engine was stopped
        raise answer
    raise TypeError(f"got {type(answer).__name__}, expected an outcome")
