"""What the API asks of whatever predicts.

    API ──predict──▶ Engine ──▶ DirectEngine (the model in this process) | FakeEngine (made up, for tests)

`tests/unit/engine/test_contract.py` runs against every engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from olfactory_transformer.core.config import DEFAULT_DILUTION, ScentPrediction
from olfactory_transformer.core.errors import EngineFault, MoleculeError
from olfactory_transformer.molecules import MoleculeLimits

Outcome = ScentPrediction | MoleculeError | EngineFault


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

    @property
    def full_version(self) -> str:
        """Name and version in one, as in `ScentPrediction.model_version`."""
        return f"{self.name}@{self.version}"


class BatchObserver(Protocol):
    """Told of each batch that went through the model."""

    def batch_done(self, items: int, seconds: float) -> None:
        """Note a batch of `items` molecules that took `seconds`, reading the molecules included."""
        ...


class Engine(Protocol):
    """Predicts, one way or another. All methods are called on the event loop and never block it."""

    @property
    def info(self) -> ModelInfo:
        """What is being served."""
        ...

    @property
    def state(self) -> EngineState:
        """Where the engine stands, without asking it to do anything."""
        ...

    def attach(self, observer: BatchObserver) -> None:
        """Tell `observer` of every batch from now on."""
        ...

    async def start(self) -> None:
        """Warm up. Never raises: a failure is logged and leaves the state FAILED."""
        ...

    async def check(self) -> EngineState:
        """Return the state; an engine in FAILED first tries a prediction, so that it recovers by itself."""
        ...

    async def predict(self, smiles: Sequence[str], dilution: float = DEFAULT_DILUTION) -> list[Outcome]:
        """Predict molecules, in their order, each with its own outcome.

        Parameters
        ----------
        smiles : sequence of str
            Any text; what is not a molecule gets a MoleculeError in its place.
        dilution : float
            Volume fraction, 0 < dilution <= 1.

        Returns
        -------
        list of Outcome
            As long as `smiles`. All numbers of a prediction are finite; a molecule for which the model gave
            others has an EngineFault in its place.

        Raises
        ------
        EngineNotReady
            The warm-up is not done.
        EngineFault
            Nothing could be predicted.
        ValueError
            The dilution is not a volume fraction.
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
