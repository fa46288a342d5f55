"""The model in this process, run in worker threads so that the event loop stays free."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from olfactory_transformer.core.config import DEFAULT_DILUTION
from olfactory_transformer.core.errors import EngineFault, EngineNotReady, OlfactoryError
from olfactory_transformer.engine.contract import (
    BatchObserver,
    EngineState,
    ModelInfo,
    Outcome,
    check_dilution,
    finite,
)
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.inference.predictor import ScentPredictor

logger = logging.getLogger(__name__)

# ONNX Runtime uses all processors for one batch; a second thread reads molecules (which holds the interpreter
# lock) while the first is in the network (which does not). More would only share out the same processors.
_THREADS = 2
_WARM_UP = "COc1cc(C=O)ccc1O"  # vanillin


class DirectEngine:
    """An engine over a `ScentPredictor`.

    Parameters
    ----------
    predictor : ScentPredictor
    batch_size : int
        Molecules in one turn of a worker thread. Requests take turns between batches, so that a long list
        does not keep a single molecule waiting.

    Examples
    --------
    >>> engine = DirectEngine.load()
    >>> engine.info.name, engine.state
    ('olfactory-base-v1', <EngineState.STARTING: 'starting'>)
    """

    def __init__(self, predictor: ScentPredictor, batch_size: int = 32) -> None:
        self._predictor, self._batch_size = predictor, batch_size
        self._state = EngineState.STARTING
        self._observer: BatchObserver | None = None
        self._threads = anyio.CapacityLimiter(_THREADS)
        config = predictor.config
        self._info = ModelInfo(
            name=config.name,
            version=config.version,
            hash=predictor.model_hash,
            words=config.words,
            ratings=config.ratings,
            width=config.width,
            layers=config.layers,
            heads=config.heads,
            feedforward=config.feedforward,
            embedding=config.embedding,
            limits=predictor.limits,
        )

    @classmethod
    def load(
        cls,
        model: str | Path = DEFAULT_MODEL,
        *,
        tokenizer: str | Path | None = None,
        batch_size: int = 32,
    ) -> DirectEngine:
        """Load a model folder, or a bundled model by its name; ModelError if it cannot be used."""
        return cls(ScentPredictor.from_pretrained(model, tokenizer=tokenizer), batch_size)

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
        """Warm up with a real prediction; a failure is logged and leaves the state FAILED."""
        try:
            outcome = (await self._run([_WARM_UP], DEFAULT_DILUTION))[0]
            if isinstance(outcome, Exception):
                raise outcome
        except OlfactoryError:
            logger.exception("the warm-up prediction failed")
            self._state = EngineState.FAILED

    async def check(self) -> EngineState:
        """Return the state, having tried a prediction if the last one failed."""
        if self._state is EngineState.FAILED:
            await self.start()
        return self._state

    async def predict(self, smiles: Sequence[str], dilution: float = DEFAULT_DILUTION) -> list[Outcome]:
        """Predict molecules in their order; see `Engine.predict`."""
        check_dilution(dilution)
        if self._state is EngineState.STARTING:
            raise EngineNotReady("the model is warming up")
        outcomes: list[Outcome] = []
        for start in range(0, len(smiles), self._batch_size):
            outcomes += await self._run(smiles[start : start + self._batch_size], dilution)
        return outcomes

    async def _run(self, smiles: Sequence[str], dilution: float) -> list[Outcome]:
        """Predict one batch in a worker thread, and note how that went; EngineFault for any failure."""
        try:
            outcomes, seconds = await anyio.to_thread.run_sync(
                self._batch, smiles, dilution, limiter=self._threads
            )
        except Exception as error:  # whatever it is, the server goes on
            self._state = EngineState.FAILED
            raise EngineFault("the model failed") from error
        self._state = EngineState.READY
        if self._observer is not None:
            self._observer.batch_done(len(smiles), seconds)
        return outcomes

    def _batch(self, smiles: Sequence[str], dilution: float) -> tuple[list[Outcome], float]:
        began = time.perf_counter()
        outcomes = self._predictor.predict(smiles, dilution, errors="return")
        return [finite(outcome) for outcome in outcomes], time.perf_counter() - began
