"""From scores to statements: one temperature for all words, and one threshold a word.

Both are chosen on out-of-fold predictions: on molecules that the network giving the prediction had not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

Floats = npt.NDArray[np.floating]
_GRID = np.linspace(0.05, 0.70, 66)
_PRIOR = 30.0  # positives; a word with fewer leans to the threshold that is best for all words


@dataclass(frozen=True, slots=True)
class Decisions:
    """Temperature (divides logits) and thresholds (probabilities, one a word)."""

    temperature: float
    thresholds: tuple[float, ...]


def sigmoid(x: Floats) -> npt.NDArray[np.float64]:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x, np.float64) / 2)), np.float64)


def cross_entropy(truth: Floats, logits: Floats) -> float:
    """Return the mean binary cross entropy of logits."""
    return float(np.mean(np.logaddexp(0, logits) - truth * logits))


def fit_temperature(truth: Floats, logits: Floats) -> float:
    """Return the temperature with the least cross entropy (Guo et al. 2017), between 0.25 and 4."""
    found = minimize_scalar(
        lambda log_t: cross_entropy(truth, logits / np.exp(log_t)),
        bounds=(np.log(0.25), np.log(4)),
        method="bounded",
    )
    return float(np.exp(found.x))


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


def decide(truth: Floats, logits: Floats) -> Decisions:
    """Choose temperature and thresholds on out-of-fold logits, (R, C) each."""
    temperature = fit_temperature(truth, logits)
    return Decisions(temperature, fit_thresholds(truth, sigmoid(logits / temperature)))
