"""A made-up engine for tests: it keeps the contract without a model, and fails when told to."""

from __future__ import annotations

import hashlib
import math
import struct
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePath
from xml.sax.saxutils import escape

import anyio

from olfactory_transformer.core.applicability import Applicability
from olfactory_transformer.core.config import DEFAULT_DILUTION, ScentPrediction
from olfactory_transformer.core.errors import (
    DeadlineExceeded,
    EngineBusy,
    EngineFault,
    EngineNotReady,
    ModelNotFound,
    MoleculeError,
    UnknownWord,
    shown,
)
from olfactory_transformer.engine.contract import (
    EngineLoad,
    EngineObserver,
    EngineState,
    ModelInfo,
    Outcome,
    PictureForm,
    check_dilution,
    finite,
)
from olfactory_transformer.molecules import DEFAULT_LIMITS, read_molecule

WORDS = ("floral", "fruity", "musk", "sweet", "vanilla", "woody")
MODELS = ("made-up", "other")


class FakeEngine:
    """Predicts from a checksum of the canonical SMILES: the same molecule always smells the same.

    Every parameter but `held` and `limit` is an attribute that may be changed at any time.

    Parameters
    ----------
    broken : bool
        Every prediction, the warm-up and that of a reload too, is an EngineFault.
    held : bool
        A warm-up does not end before `release()`.
    busy : str or None
        Work is refused with EngineBusy for this reason; `wait=True` waits until it is None again.
    retry_after : float
        Seconds that an EngineBusy asks to wait.
    late : bool
        Every prediction is a DeadlineExceeded.
    seconds : float
        How long a call to `predict` or `draw` takes.
    not_finite : str or None
        A canonical SMILES for which the model gives NaN.
    raises : Exception or None
        A bug: `predict` and `draw` raise this.
    limit : int
        Molecules that may be in work at a time; more are refused as `queue-full`.

    Attributes
    ----------
    calls : int
        Calls to `predict`.
    most : int
        Molecules that were in work at a time, at most.
    gone : int
        Molecules of calls that were cancelled.

    Examples
    --------
    >>> engine = FakeEngine(busy="queue-full", retry_after=2.0)
    >>> anyio.run(engine.start)
    >>> anyio.run(engine.predict, ["CCO"])
    Traceback (most recent call last):
    ...
    olfactory_transformer.core.errors.EngineBusy: no more work is taken now (queue-full); ask again in 2 s
    """

    def __init__(
        self,
        *,
        broken: bool = False,
        held: bool = False,
        busy: str | None = None,
        retry_after: float = 1.0,
        late: bool = False,
        seconds: float = 0.0,
        not_finite: str | None = None,
        raises: Exception | None = None,
        limit: int = 10_000,
    ) -> None:
        self.broken, self.busy, self.retry_after, self.late = broken, busy, retry_after, late
        self.seconds, self.raises, self.not_finite = seconds, raises, not_finite
        self.calls = self.most = self.gone = 0
        self._limit, self._in_work, self._stopping = limit, 0, False
        self._released = anyio.Event()
        if not held:
            self._released.set()
        self._state = EngineState.STARTING
        self._observer: EngineObserver | None = None
        self._info = _made_up("made-up", 1)
        self._loaded = 1

    def hold(self) -> None:
        """Let no warm-up end from now on."""
        self._released = anyio.Event()

    def release(self) -> None:
        """Let held warm-ups end."""
        self._released.set()

    @property
    def info(self) -> ModelInfo:
        """What is being served."""
        return self._info

    @property
    def state(self) -> EngineState:
        """Where the engine stands."""
        if self._state is EngineState.STARTING:
            return self._state
        return EngineState.FAILED if self.broken else EngineState.READY

    @property
    def load(self) -> EngineLoad:
        """How busy it is."""
        return EngineLoad(self._in_work, self._limit, 1, int(self.state is EngineState.READY))

    def attach(self, observer: EngineObserver) -> None:
        """Tell `observer` what happens from now on."""
        self._observer = observer

    async def start(self) -> None:
        """Warm up: wait to be released."""
        await self._released.wait()
        self._state = EngineState.READY

    async def stop(self) -> None:
        """Refuse new work and finish what was taken."""
        self._stopping = True
        await self._until(lambda: not self._in_work)

    async def predict(
        self, smiles: Sequence[str], dilution: float = DEFAULT_DILUTION, *, wait: bool = False
    ) -> list[Outcome]:
        """Make up predictions; see `Engine.predict`."""
        check_dilution(dilution)
        async with self._work(len(smiles), wait):
            self.calls += 1
            began = time.perf_counter()
            outcomes = [finite(self._outcome(text, dilution)) for text in smiles]
            if self._observer is not None and outcomes:
                tokens = len(outcomes) * max(map(len, smiles))
                self._observer.waited(0.0)
                self._observer.batch_done(len(outcomes), tokens, time.perf_counter() - began)
            return outcomes

    async def draw(self, smiles: str, form: PictureForm, word: str | None = None) -> bytes:
        """Return a picture of a single pixel; SVG has the canonical SMILES and the word as its title."""
        async with self._work(1, wait=False):
            molecule = read_molecule(smiles, self._info.limits)
            if word is not None and word not in WORDS:
                raise UnknownWord(f"got {shown(word)}, expected one of the model's words")
            if form == "png":
                return _PIXEL
            title = escape(molecule.smiles if word is None else f"{word}: {molecule.smiles}")
            return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><title>{title}</title></svg>'.encode()

    async def reload(self, model: str | None = None) -> ModelInfo:
        """Serve another of `MODELS`, by its name or a folder of that name."""
        name = self._info.name if model is None else PurePath(model).name
        if name not in MODELS:
            raise ModelNotFound(f"no model {shown(name)}")
        await self._released.wait()
        if self.broken:
            raise EngineFault("the warm-up of the new model failed")
        self._loaded += 1
        self._info = _made_up(name, self._loaded)
        return self._info

    @asynccontextmanager
    async def _work(self, items: int, wait: bool) -> AsyncIterator[None]:
        """Take `items` into work for as long as it lasts, or raise what the engine was told to."""
        if self._state is EngineState.STARTING:
            raise EngineNotReady("the model is warming up")
        if wait:
            await self._until(lambda: self._stopping or self._has_room(items))
        if self._stopping:
            raise self._refused("draining")
        if not self._has_room(items):
            raise self._refused(self.busy or "queue-full")
        self._in_work += items
        self.most = max(self.most, self._in_work)
        try:
            if self.seconds:
                await anyio.sleep(self.seconds)
            self._misbehave()
            yield
        except anyio.get_cancelled_exc_class():
            self.gone += items
            if self._observer is not None:
                self._observer.rejected("client-gone")
            raise
        finally:
            self._in_work -= items

    def _has_room(self, items: int) -> bool:
        return self.busy is None and self._in_work + items <= self._limit

    def _misbehave(self) -> None:
        if self.raises is not None:
            raise self.raises
        if self.late:
            if self._observer is not None:
                self._observer.rejected("deadline")
            raise DeadlineExceeded("no answer in the time allowed")
        if self.broken:
            raise EngineFault("the model failed")

    def _refused(self, reason: str) -> EngineBusy:
        if self._observer is not None:
            self._observer.rejected(reason)
        return EngineBusy(reason, self.retry_after)

    @staticmethod
    async def _until(condition: Callable[[], bool]) -> None:
        while not condition():
            await anyio.sleep(0.005)

    def _outcome(self, text: str, dilution: float) -> Outcome:
        try:
            molecule = read_molecule(text, self._info.limits)
        except MoleculeError as error:
            return error
        seeds = [zlib.crc32(f"{word} {molecule.smiles}".encode()) for word in WORDS]
        words = {word: seed / 2**32 for word, seed in zip(WORDS, seeds, strict=True)}
        notes = sorted((word for word in WORDS if words[word] >= 0.5), key=lambda word: -words[word])
        strength = math.nan if molecule.smiles == self.not_finite else max(0.0, 10 + math.log10(dilution))
        return ScentPrediction(
            primary_notes=tuple(notes),
            intensity=strength,
            smiles=text,
            canonical_smiles=molecule.smiles,
            words=words,
            dilution=dilution,
            pleasantness=5.0,
            log_inverse_threshold=3.0,
            odorless_probability=0.1,
            confidence=max(words.values()),
            warnings=tuple(warning.message for warning in molecule.warnings),
            model_version=self._info.full_version,
            applicability=Applicability(False, 0.5, 99.0, ("made up",)),
            notes_90=tuple(sorted(WORDS, key=lambda word: -words[word])[:4]),
        )


def _made_up(name: str, version: int) -> ModelInfo:
    return ModelInfo(
        name=name,
        version=str(version),
        hash=hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
        words=WORDS,
        ratings=("intensity", "valence"),
        width=8,
        layers=1,
        heads=2,
        feedforward=16,
        embedding=4,
        limits=DEFAULT_LIMITS,
    )


def _png_of_one_pixel() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)  # 1 x 1, 8 bits of grey
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00\xff")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


_PIXEL = _png_of_one_pixel()
