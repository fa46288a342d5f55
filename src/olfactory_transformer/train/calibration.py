"""From logits to probabilities: one temperature for all words, and an offset a word.

A word's offset leans to the mean of all: a rare word has twenty positives, which tell its own offset from chance
only when it is large.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression, minimize, minimize_scalar

from olfactory_transformer.inference.statements import sigmoid

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Folds = npt.NDArray[np.integer]
_LEAN = (
    30.0  # strength of the lean; of 10, 30 and 100 the one with the least held-out cross entropy and error
)
_GROUP = 50  # molecules whose share of right notes is taken together


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


def fit_offsets(truth: Floats, logits: Floats, lean: float = _LEAN) -> tuple[float, tuple[float, ...]]:
    """Return temperature and offsets with the least cross entropy plus the cost of offsets that differ.

    Parameters
    ----------
    truth, logits : ndarray (R, C)
    lean : float
        Half of it is the cost of an offset that lies 1 from the mean of all.
    """

    def cost(x: Doubles) -> tuple[float, Doubles]:
        scaled = x[0] * logits + x[1:]
        excess = sigmoid(scaled) - truth
        apart = x[1:] - x[1:].mean()
        total = (np.logaddexp(0, scaled) - truth * scaled).sum() + lean / 2 * apart @ apart
        return float(total), np.r_[(excess * logits).sum(), excess.sum(0) + lean * apart]

    words = truth.shape[1]
    bounds = [(0.25, 4.0), *[(-5.0, 5.0)] * words]
    found = minimize(cost, np.r_[1.0, np.zeros(words)], jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-8)
    return float(1 / found.x[0]), tuple(round(float(b), 4) for b in found.x[1:])


def splits(fold: Folds) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield for each fold which rows are in it."""
    for k in np.unique(fold):
        yield fold == k


def fit_monotone(stated: Floats, right: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the knots of a rising line from what was stated to what was right, both (R,).

    Rows are grouped by what they state, a group's share of right ones is taken, and groups out of order are joined;
    so are knots that would be stored as the same number, since a line has one value at each.
    """
    groups = np.array_split(np.argsort(stated, kind="stable"), max(1, len(stated) // _GROUP))
    means = isotonic_regression([right[g].mean() for g in groups], weights=[len(g) for g in groups]).x
    knots = [
        np.concatenate([g for g, m in zip(groups, means, strict=True) if m == v]) for v in np.unique(means)
    ]
    stored: dict[float, list[npt.NDArray[np.intp]]] = {}
    for rows in knots:
        stored.setdefault(round(float(stated[rows].mean()), 4), []).append(rows)
    return tuple(stored), tuple(round(float(right[np.concatenate(j)].mean()), 4) for j in stored.values())
