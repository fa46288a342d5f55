"""Sets of words with a promise of how much of the truth is in them; thresholds come from molecules not trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
_ROUNDING = 1e-9  # of the level and of the shares


def share_threshold(truth: Floats, score: Floats, level: float = 0.9) -> float:
    """Return the threshold with which a set has, on average over molecules, `level` of a molecule's true words.

    Conformal risk control of the false negative rate (Angelopoulos et al. 2022, arXiv:2208.02814): the average is
    kept for a new molecule that is exchangeable with these.

    Parameters
    ----------
    truth, score : ndarray (R, C)
        A word is in the set when its score reaches the threshold.

    Returns
    -------
    float
        0 where there are too few molecules for any promise.
    """
    lost = truth / np.maximum(
        truth.sum(1, keepdims=True), 1
    )  # of a molecule's words, when this one is left out
    true = truth > 0
    order = np.argsort(score[true], kind="stable")
    allowed = (1 - level) * (len(truth) + 1) - 1 + _ROUNDING
    left_out = int(np.searchsorted(lost[true][order].cumsum(), allowed, side="right"))
    return float(score[true][order][left_out]) if allowed >= 0 and left_out < len(order) else 0.0


def full_threshold(truth: Floats, score: Floats, level: float = 0.9) -> float:
    """Return the threshold with which a set has all true words of `level` of the molecules (split conformal)."""
    least = np.sort(np.where(truth > 0, score, np.inf).min(1))
    place = int((1 - level) * (len(least) + 1) + _ROUNDING) - 1
    return float(least[place]) if place >= 0 and np.isfinite(least[place]) else 0.0


def coverage(truth: Floats, inside: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return a set's mean share of a molecule's true words, the share of molecules with all, and its mean size."""
    held = (truth * inside).sum(1)
    of = truth.sum(1)
    return (
        float(np.mean(np.where(of > 0, held / np.maximum(of, 1), 1))),
        float(np.mean(held == of)),
        float(inside.sum(1).mean()),
    )
