"""What the API asks of whatever predicts.

    API ──predict──▶ Engine ──▶ PoolEngine (the model in processes that can be killed) | FakeEngine (made up, for tests)

`tests/unit/engine/test_contract.py` runs against every engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from olfactory_transformer.core.config import DEFAULT_DILUTION, ScentPrediction
from olfactory_transformer.core.errors import EngineFault, MoleculeError
from olfactory_transformer.molecules import MoleculeLimits

Outcome = ScentPrediction | MoleculeError | EngineFault
PictureForm = Literal["svg", "png"]


class EngineState(StrEnum):
    """Where an engine stands.

    STARTING until the warm-up prediction is done; READY; FAILED when the last thing tried went wrong. Work is
    still tried in FAILED, and the first that goes well makes it READY again.
    """

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is being served.

    Parameters
    ----------
    name, version : str
    hash : str
        SHA-256 (hexadecimal) of the model's manifest, which holds the hash of every file.
    words, ratings : tuple of str
        In the order of the model's outputs.
    width, layers, heads, feedforward, embedding : int
        Size of the network; `embedding` is the number of coordinates of the odour map.
    limits : MoleculeLimits
        Of one molecule.
    accuracy : float or None
        Macro AUROC of the words on molecules held out, by the model's cross-validation; None: not measured.
    """

    name: str
    version: str
    hash: str
    words: tuple[str, ...]
    ratings: tuple[str, ...]
    width: int
    layers: int
    heads: int
    feedforward: int
    embedding: int
    limits: MoleculeLimits
    accuracy: float | None = None

    @property
    def full_version(self) -> str:
        """Name and version in one, as in `ScentPrediction.model_version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy an engine is.

    Parameters
    ----------
    queued : int
        Molecules that wait.
    limit : int
        Molecules that may wait.
    workers, ready : int
        Processes that there should be, and those that are warm and answer.
    """

    queued: int
    limit: int
    workers: int
    ready: int


class EngineObserver(Protocol):
    """Told of what an engine does."""

    def batch_done(self, items: int, tokens: int, seconds: float) -> None:
        """Note a batch that took `seconds`, reading the molecules included; `tokens` with padding, estimated."""
        ...

    def waited(self, seconds: float) -> None:
        """Note that a molecule waited in the queue before its batch began."""
        ...

    def rejected(self, reason: str) -> None:
        """Note a request that was not answered: queue-full, draining, deadline or client-gone."""
        ...

    def restarted(self, reason: str) -> None:
        """Note a process that was replaced: died, stalled (or silent) or failing (its model does not predict)."""
        ...


class Engine(Protocol):
    """Predicts, one way or another. All methods are called on the event loop and never block it."""

    @property
    def info(self) -> ModelInfo:
        """What is being served; another after `reload`."""
        ...

    @property
    def state(self) -> EngineState:
        """Where the engine stands: READY only while a process is warm and has answered in the last two seconds."""
        ...

    @property
    def load(self) -> EngineLoad:
        """How busy it is."""
        ...

    def attach(self, observer: EngineObserver) -> None:
        """Tell `observer` what happens from now on."""
        ...

    async def start(self) -> None:
        """Warm up. Never raises: a failure is logged and leaves the state FAILED, from which it recovers by itself."""
        ...

    async def stop(self) -> None:
        """Refuse new work, finish what was taken, and end the processes. Cancelled, it ends them at once."""
        ...

    async def predict(
        self, smiles: Sequence[str], dilution: float = DEFAULT_DILUTION, *, wait: bool = False
    ) -> list[Outcome]:
        """Predict molecules, in their order, each with its own outcome.

        Cancelled (the client has gone), its molecules leave the queue.

        Parameters
        ----------
        smiles : sequence of str
            Any text; what is not a molecule gets a MoleculeError in its place.
        dilution : float
            Volume fraction, 0 < dilution <= 1.
        wait : bool
            Wait for room in the queue rather than be refused: for streams, whose sender can be kept waiting.

        Returns
        -------
        list of Outcome
            As long as `smiles`. All numbers of a prediction are finite; a molecule for which the model gave
            others, or that killed or hung its process, has an EngineFault in its place.

        Raises
        ------
        EngineNotReady
            The warm-up is not done.
        EngineFailed
            No process starts. What is remembered is answered all the same.
        EngineBusy
            The queue has no room for so many, or the engine is stopping.
        DeadlineExceeded
            Not answered in time.
        EngineFault
            Nothing could be predicted.
        ValueError
            The dilution is not a volume fraction.
        """
        ...

    async def draw(self, smiles: str, form: PictureForm, word: str | None = None) -> bytes:
        """Return a molecule's picture; with `word`, its atoms coloured by what they contribute to it.

        Raises
        ------
        MoleculeError
            The SMILES is not a molecule.
        UnknownWord
            The model does not have the word.
        CannotDraw
            RDKit's drawing code does not load on this machine.
        EngineNotReady, EngineFailed, EngineBusy, DeadlineExceeded, EngineFault
            As `predict`.
        """
        ...

    async def reload(self, model: str | None = None) -> ModelInfo:
        """Serve another model: load and warm it up beside the old one, swap, then let the old one finish.

        Parameters
        ----------
        model : str or None
            A folder or the name of a bundled model; None: read again what is served now.

        Raises
        ------
        ModelError
            It cannot be used; the old one goes on.
        EngineFault
            Its warm-up failed; the old one goes on.
        """
        ...


def check_dilution(dilution: float) -> None:
    """Raise ValueError unless `dilution` is a volume fraction above 0."""
    if not 0 < dilution <= 1:
        raise ValueError(f"dilution: got {dilution}, expected a volume fraction, 0 < dilution <= 1")


def finite(outcome: Outcome) -> Outcome:
    """Return `outcome`, or an EngineFault in place of a prediction with a number that is not finite.

    JSON has no such numbers, and a prediction with one is a fault of the model, not an answer.

    >>> finite(ScentPrediction(intensity=float("nan")))
    EngineFault('the model gave a number that is not finite')
    """
    if not isinstance(outcome, ScentPrediction):
        return outcome
    try:
        threshold = outcome.threshold_ppm
    except OverflowError:
        threshold = math.inf
    single = (
        outcome.intensity,
        outcome.pleasantness,
        outcome.log_inverse_threshold,
        threshold,
        outcome.odorless_probability,
        outcome.confidence,
        *((place.distance, place.percentile) if (place := outcome.applicability) else ()),
    )
    if all(map(math.isfinite, outcome.words.values())) and all(n is None or math.isfinite(n) for n in single):
        return outcome
    return EngineFault("the model gave a number that is not finite")
