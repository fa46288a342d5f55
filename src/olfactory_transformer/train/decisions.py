"""From scores to statements: calibration, each word's threshold, the set at 90 %, and the confidence.

All are chosen on out-of-fold predictions: on molecules that the network giving the prediction had not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from olfactory_transformer.inference.statements import confidence, named, notes, probabilities, share
from olfactory_transformer.train.calibration import fit_monotone, fit_offsets, splits
from olfactory_transformer.train.conformal import share_threshold

Floats = npt.NDArray[np.floating]
_GRID = np.linspace(0.05, 0.70, 66)
_PRIOR = 30.0  # positives; a word with fewer leans to the threshold that is best for all words


@dataclass(frozen=True, slots=True)
class Decisions:
    """What is chosen and known after training; each goes to the field of `ModelConfig` that has its name."""

    temperature: float
    thresholds: tuple[float, ...]
    offsets: tuple[float, ...] = ()
    share_90: float = 0.0
    confidence_stated: tuple[float, ...] = ()
    confidence_right: tuple[float, ...] = ()
    auroc: float = 0.0


def f1(truth: Floats, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return F1 of each column, (R, C) -> (C,); 0 where nothing is true or chosen."""
    hits = (truth * chosen).sum(0)
    total = truth.sum(0) + chosen.sum(0)
    scores = np.zeros(len(total))
    return np.asarray(np.divide(2 * hits, total, out=scores, where=total > 0), np.float64)


def fit_thresholds(truth: Floats, probability: Floats) -> tuple[float, ...]:
    """Return for each word the threshold with the best F1, rare words leaning to the best one for all words.

    Parameters
    ----------
    truth, probability : ndarray (R, C)
    """
    by_threshold = np.array([f1(truth, probability >= t) for t in _GRID])  # (grid, C)
    pooled_hits = [(truth * (probability >= t)).sum() for t in _GRID]
    pooled = np.array(
        [2 * h / (truth.sum() + (probability >= t).sum()) for h, t in zip(pooled_hits, _GRID, strict=True)]
    )
    positives = truth.sum(0)
    trust = positives / (positives + _PRIOR)  # (C,)
    objective = trust * by_threshold + (1 - trust) * pooled[:, None]
    return tuple(round(float(t), 3) for t in _GRID[objective.argmax(0)])


def decide(truth: Floats, logits: Floats, fold: npt.NDArray[np.integer]) -> Decisions:
    """Choose everything on out-of-fold logits.

    Parameters
    ----------
    truth, logits : ndarray (R, C)
    fold : ndarray (R,)
        What is fitted on probabilities is fitted on those whose own calibration came from the other folds.
    """
    chances = np.empty(truth.shape)
    stated, right = np.empty(len(truth)), np.empty(len(truth))
    for inside in splits(fold):
        others = _noted(truth[~inside], logits[~inside])
        chances[inside] = probabilities(others, logits[inside])
        chosen = notes(others, chances[inside])
        stated[inside] = confidence(others, chances[inside], chosen)
        right[inside] = share_right(truth[inside], chances[inside], chosen)
    knots = fit_monotone(stated, right)
    return replace(
        _noted(truth, logits),
        share_90=share_threshold(truth, share(chances)),
        confidence_stated=knots[0],
        confidence_right=knots[1],
    )


def _noted(truth: Floats, logits: Floats) -> Decisions:
    """Choose calibration and thresholds of notes."""
    temperature, offsets = fit_offsets(truth, logits)
    chances = probabilities(Decisions(temperature, (), offsets), logits)
    return Decisions(temperature, fit_thresholds(truth, chances), offsets)


def share_right(
    truth: Floats, chances: npt.NDArray[np.float64], chosen: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return what `confidence` expects: the share of the notes (or of the best word) that is true, (R,)."""
    words = named(chances, chosen)
    return np.asarray((truth * words).sum(1) / words.sum(1), np.float64)
