"""How far the statements can be trusted: each fold by what was decided on the others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from olfactory_transformer.inference.statements import (
    confidence,
    log_odds,
    notes,
    notes_90,
    probabilities,
    share,
    sigmoid,
)
from olfactory_transformer.train.calibration import cross_entropy, fit_temperature, splits
from olfactory_transformer.train.conformal import coverage, full_threshold
from olfactory_transformer.train.decisions import decide, f1, share_right
from olfactory_transformer.train.metrics import expected_calibration_error

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
_CONFIDENCE = [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0]
_WORDS = [i / 10 for i in range(11)]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Cross entropy; expected calibration error of all words pooled, of the mean word and of the worst."""

    cross_entropy: float
    pooled: float
    mean_word: float
    worst_word: float


@dataclass(frozen=True, slots=True)
class Band:
    """What was stated between two bounds, how often, and what was so."""

    low: float
    high: float
    count: int
    stated: float
    right: float


@dataclass(frozen=True, slots=True)
class SetScore:
    """A set on a fold: mean share of a molecule's true words, share of molecules with all of them, mean words."""

    share: float
    whole: float
    size: float


@dataclass(frozen=True, slots=True)
class Certainty:
    """All of it, over every molecule or by fold.

    Parameters
    ----------
    calibrations : dict of str to Calibration
        The logits as they are, with a temperature alone, and as shipped (the last).
    words, confidence : tuple of Band
        The words' probabilities, pooled, and the confidence.
    sets, full_sets : tuple of SetScore
        By fold: `notes_90`, and the set that is to have all true words of 90 % of the molecules.
    micro_f1, macro_f1 : float
        Of the primary notes.
    """

    calibrations: dict[str, Calibration]
    words: tuple[Band, ...]
    confidence: tuple[Band, ...]
    sets: tuple[SetScore, ...]
    full_sets: tuple[SetScore, ...]
    micro_f1: float
    macro_f1: float

    @property
    def calibration_error(self) -> float:
        """Expected calibration error of the pooled words, as shipped."""
        return list(self.calibrations.values())[-1].pooled


def certainty(truth: Floats, logits: Floats, fold: npt.NDArray[np.integer]) -> Certainty:
    """Measure it on out-of-fold logits, (R, C), of folds (R,)."""
    tempered, chances = np.empty(truth.shape), np.empty(truth.shape)
    chosen = np.zeros(truth.shape, bool)
    stated, right = np.empty(len(truth)), np.empty(len(truth))
    sets, full_sets = [], []
    for inside in splits(fold):
        decided = decide(truth[~inside], logits[~inside], fold[~inside])
        tempered[inside] = sigmoid(logits[inside] / fit_temperature(truth[~inside], logits[~inside]))
        chances[inside] = now = probabilities(decided, logits[inside])
        chosen[inside] = notes(decided, now)
        stated[inside] = confidence(decided, now, chosen[inside])
        right[inside] = share_right(truth[inside], now, chosen[inside])
        full = full_threshold(truth[~inside], share(probabilities(decided, logits[~inside])))
        sets.append(SetScore(*coverage(truth[inside], notes_90(decided, now))))
        full_sets.append(SetScore(*coverage(truth[inside], share(now) >= full)))
    stages = {
        "none": sigmoid(logits),
        "a temperature": tempered,
        "a temperature, and an offset a word": chances,
    }
    return Certainty(
        calibrations={name: _calibration(truth, p) for name, p in stages.items()},
        words=bands(chances.ravel(), truth.ravel(), _WORDS),
        confidence=bands(stated, right, _CONFIDENCE),
        sets=tuple(sets),
        full_sets=tuple(full_sets),
        micro_f1=float(2 * (truth * chosen).sum() / (truth.sum() + chosen.sum())),
        macro_f1=float(f1(truth, chosen).mean()),
    )


def _calibration(truth: Floats, chances: Doubles) -> Calibration:
    each = [expected_calibration_error(truth[:, i], chances[:, i]) for i in range(truth.shape[1])]
    return Calibration(
        cross_entropy(truth, log_odds(chances)),
        expected_calibration_error(truth, chances),
        float(np.mean(each)),
        float(np.max(each)),
    )


def bands(stated: Floats, right: Floats, edges: list[float]) -> tuple[Band, ...]:
    """Compare what was stated with what was right, both (R,), between the edges; empty bands are left out.

    >>> bands(np.array([0.1, 0.3, 0.9]), np.array([0.0, 0.5, 1.0]), [0.0, 0.5, 1.0])[0].stated
    0.2
    """
    place = np.clip(np.searchsorted(edges, stated, side="right") - 1, 0, len(edges) - 2)
    return tuple(
        Band(low, high, int(here.sum()), float(stated[here].mean()), float(right[here].mean()))
        for i, (low, high) in enumerate(pairwise(edges))
        if (here := place == i).any()
    )
