"""A made-up engine for tests: it keeps the contract without a model, and fails when told to."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Sequence

import anyio

from olfactory_transformer.core.applicability import Applicability
from olfactory_transformer.core.config import DEFAULT_DILUTION, ScentPrediction
from olfactory_transformer.core.errors import EngineFault, EngineNotReady, MoleculeError
from olfactory_transformer.engine.contract import (
    BatchObserver,
    EngineState,
    ModelInfo,
    Outcome,
    check_dilution,
    finite,
)
from olfactory_transformer.molecules import DEFAULT_LIMITS, read_molecule

WORDS = ("floral", "fruity", "musk", "sweet", "vanilla", "woody")


class FakeEngine:
    """Predicts from a checksum of the canonical SMILES: the same molecule always smells the same.

    Parameters
    ----------
    broken : bool
        Every prediction, the warm-up too, is an EngineFault; may be changed at any time.
    held : bool
        The warm-up does not end before `release()`.
    not_finite : str or None
        A canonical SMILES for which the model gives NaN.
    raises : Exception or None
        A bug: `predict` raises this.
    """

    def __init__(
        self,
        *,
        broken: bool = False,
        held: bool = False,
        not_finite: str | None = None,
        raises: Exception | None = None,
    ) -> None:
        self.broken, self.raises, self._not_finite = broken, raises, not_finite
        self._state = EngineState.STARTING
        self._observer: BatchObserver | None = None
        self._released = anyio.Event()
        if not held:
            self._released.set()
        self._info = ModelInfo(
            name="made-up",
            version="1",
            hash="0" * 64,
            words=WORDS,
            ratings=("intensity", "valence"),
            width=8,
            layers=1,
            heads=2,
            feedforward=16,
            embedding=4,
            limits=DEFAULT_LIMITS,
        )

    def release(self) -> None:
        """Let a held warm-up end."""
        self._released.set()

    @property
    def info(self) -> ModelInfo:
        """What is being served."""
        return self._info

    @property
    def state(self) -> EngineState:
        """Where the engine stands."""
        return self._state

    def attach(self, observer: BatchObserver) -> None:
        """Tell `observer` of every batch from now on."""
        self._observer = observer

    async def start(self) -> None:
        """Warm up: wait to be released."""
        await self._released.wait()
        self._state = EngineState.FAILED if self.broken else EngineState.READY

    async def check(self) -> EngineState:
        """Return the state, having tried again if the last prediction failed."""
        if self._state is EngineState.FAILED:
            await self.start()
        return self._state

    async def predict(self, smiles: Sequence[str], dilution: float = DEFAULT_DILUTION) -> list[Outcome]:
        """Make up predictions; see `Engine.predict`."""
        check_dilution(dilution)
        if self._state is EngineState.STARTING:
            raise EngineNotReady("the model is warming up")
        if self.raises is not None:
            raise self.raises
        if self.broken:
            self._state = EngineState.FAILED
            raise EngineFault("the model failed")
        self._state = EngineState.READY
        began = time.perf_counter()
        outcomes = [finite(self._outcome(text, dilution)) for text in smiles]
        if self._observer is not None and outcomes:
            self._observer.batch_done(len(outcomes), time.perf_counter() - began)
        return outcomes

    def _outcome(self, text: str, dilution: float) -> Outcome:
        try:
            molecule = read_molecule(text, self._info.limits)
        except MoleculeError as error:
            return error
        seeds = [zlib.crc32(f"{word} {molecule.smiles}".encode()) for word in WORDS]
        words = {word: seed / 2**32 for word, seed in zip(WORDS, seeds, strict=True)}
        notes = sorted((word for word in WORDS if words[word] >= 0.5), key=lambda word: -words[word])
        strength = math.nan if molecule.smiles == self._not_finite else max(0.0, 10 + math.log10(dilution))
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
