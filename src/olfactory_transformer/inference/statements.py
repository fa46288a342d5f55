"""From the words' logits to what is said of a molecule: the code that serves and that the folds measure."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Decided(Protocol):
    """What was chosen on held-out molecules, as `ModelConfig` and `train.decisions.Decisions` have it."""

    @property
    def temperature(self) -> float: ...  # noqa: D102
    @property
    def offsets(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def thresholds(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def share_90(self) -> float: ...  # noqa: D102
    @property
    def confidence_stated(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def confidence_right(self) -> tuple[float, ...]: ...  # noqa: D102


def sigmoid(x: Floats) -> Doubles:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x, np.float64) / 2)), np.float64)


def log_odds(chances: Floats, margin: float = 1e-12) -> Doubles:
    """Return log(p / (1 - p)), the inverse of `sigmoid`; finite, for p is kept `margin` off 0 and 1.

    >>> print(log_odds(np.array([0.5, 0.75, 1.0])).round(2))
    [ 0.    1.1  27.63]
    """
    inside = np.asarray(chances, np.float64).clip(margin, 1 - margin)
    return np.asarray(np.log(inside) - np.log1p(-inside), np.float64)


def probabilities(decided: Decided, logits: Floats) -> Doubles:
    """Return the words' calibrated probabilities, (..., words) -> (..., words)."""
    return sigmoid(logits.astype(np.float64) / decided.temperature + np.array(decided.offsets or 0.0))


def notes(decided: Decided, chances: Doubles) -> Bools:
    """Tell which words are primary notes: those whose probability reaches their own threshold."""
    return np.asarray(chances >= np.array(decided.thresholds or 0.5), np.bool_)


def share(chances: Doubles) -> Doubles:
    """Return each word's share of the number of words that a molecule can be expected to have."""
    return np.asarray(chances / np.maximum(chances.sum(-1, keepdims=True), 1e-12), np.float64)


def notes_90(decided: Decided, chances: Doubles) -> Bools:
    """Tell which words are in the set that has 90 % of the reference's words; none without its threshold."""
    return np.asarray((share(chances) >= decided.share_90) & (decided.share_90 > 0), np.bool_)


def named(chances: Doubles, chosen: Bools) -> Bools:
    """Tell which words stand for a molecule: the chosen notes, or the most probable word if there are none.

    >>> chances = np.array([[0.7, 0.6, 0.1], [0.2, 0.1, 0.1]])
    >>> print(named(chances, chances > 0.5))
    [[ True  True False]
     [ True False False]]
    """
    best = chances == chances.max(-1, keepdims=True)
    return np.asarray(np.where(chosen.any(-1, keepdims=True), chosen, best), np.bool_)


def confidence(decided: Decided, chances: Doubles, chosen: Bools) -> Doubles:
    """Return the expected share of the chosen notes (of the most probable word, without any) that is right.

    Parameters
    ----------
    chances, chosen : ndarray (..., words)

    Returns
    -------
    ndarray (...)
    """
    words = named(chances, chosen)
    stated = (chances * words).sum(-1) / words.sum(-1)
    if decided.confidence_stated:
        stated = np.interp(stated, decided.confidence_stated, decided.confidence_right)
    return np.asarray(stated, np.float64)
