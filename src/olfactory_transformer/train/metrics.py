"""Scores of predictions, with bootstrap intervals over molecules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[np.floating] | npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True, slots=True)
class WordScore:
    """One word's scores; NaN when the file has only one class of it."""

    word: str
    positives: int
    auroc: float
    average_precision: float


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Scores of yes/no labels: means over the words that have both classes, and every word."""

    molecules: int
    macro_auroc: Interval
    macro_average_precision: Interval
    words: tuple[WordScore, ...]


def weighted_curves(truth: Array, score: Array, weights: Array) -> tuple[Floats, Floats]:
    """Return AUROC and average precision under several weightings of the rows.

    AUROC is the chance that a positive is ranked above a negative (ties count half); average precision is the
    sum of precision times gain in recall over distinct scores, as in scikit-learn.

    Parameters
    ----------
    truth : ndarray (R,)
        0 or 1.
    score : ndarray (R,)
    weights : ndarray (S, R)
        One weighting a row; counts of a bootstrap sample, for instance.

    Returns
    -------
    (ndarray (S,), ndarray (S,))
        NaN where a weighting leaves one class empty.

    Examples
    --------
    >>> auroc, ap = weighted_curves(np.array([1, 0, 1, 0]), np.array([.9, .8, .7, .1]), np.ones((1, 4)))
    >>> float(auroc[0]), round(float(ap[0]), 4)
    (0.75, 0.8333)
    """
    order = np.argsort(-np.asarray(score, np.float64), kind="stable")
    ranked = np.asarray(score)[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])  # of runs of equal score
    w = np.asarray(weights, np.float64)[:, order]
    positive = np.add.reduceat(w * np.asarray(truth)[order], starts, axis=1)
    negative = np.add.reduceat(w * (1 - np.asarray(truth)[order]), starts, axis=1)
    true_positive, false_positive = positive.cumsum(1), negative.cumsum(1)
    P, N = true_positive[:, -1], false_positive[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        below = N[:, None] - false_positive + negative / 2
        auroc = (positive * below).sum(1) / (P * N)
        seen = true_positive + false_positive
        precision = np.divide(true_positive, seen, out=np.zeros_like(seen), where=seen > 0)
        average_precision = (positive * precision).sum(1) / P
    empty = (P == 0) | (N == 0)
    auroc[empty] = average_precision[empty] = np.nan
    return auroc, average_precision


def label_scores(
    words: tuple[str, ...], truth: Array, score: Array, samples: int = 1000, seed: int = 0
) -> LabelScores:
    """Score yes/no labels.

    Parameters
    ----------
    words : tuple of str, C of them
    truth : ndarray (R, C)
        0, 1 or NaN (unknown, left out).
    score : ndarray (R, C)
        Anything that ranks: probabilities or logits.
    samples : int
        Bootstrap samples of molecules.
    """
    rows = len(truth)
    if not rows:
        nothing = Interval(np.nan, np.nan, np.nan)
        return LabelScores(0, nothing, nothing, tuple(WordScore(w, 0, np.nan, np.nan) for w in words))
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(rows, np.full(rows, 1 / rows), size=samples)
    weights = np.concatenate([np.ones((1, rows), np.int64), counts])  # the first is the plain figure
    aurocs, precisions, each = [], [], []
    for column, word in enumerate(words):
        known = np.isfinite(truth[:, column])
        if not known.any():
            each.append(WordScore(word, 0, float("nan"), float("nan")))
            continue
        auroc, precision = weighted_curves(truth[known, column], score[known, column], weights[:, known])
        aurocs.append(auroc)
        precisions.append(precision)
        each.append(WordScore(word, int(truth[known, column].sum()), float(auroc[0]), float(precision[0])))
    return LabelScores(rows, _macro(aurocs), _macro(precisions), tuple(each))


def _macro(columns: list[Floats]) -> Interval:
    if not columns:
        return Interval(np.nan, np.nan, np.nan)
    table = np.array(columns)  # (C, 1 + samples)
    table = table[np.isfinite(table[:, 0])]
    if not len(table):
        return Interval(np.nan, np.nan, np.nan)
    known = np.isfinite(table)
    means = np.where(known, table, 0).sum(0)[known.any(0)] / known.sum(0)[known.any(0)]
    if len(means) == 1:
        return Interval(float(means[0]), np.nan, np.nan)
    # A sample with repeats flatters average precision (its positives come in ties of their own), so the
    # interval is shifted by the samples' bias.
    low, high = np.percentile(means[1:], [2.5, 97.5]) - (means[1:].mean() - means[0])
    return Interval(float(means[0]), float(low), float(high))


def pearson(truth: Array, predicted: Array) -> float:
    """Return Pearson's r of two columns, NaN if one of them is constant."""
    if len(truth) < 2 or np.std(truth) == 0 or np.std(predicted) == 0:
        return float("nan")
    return float(np.corrcoef(truth, predicted)[0, 1])


def r_squared(truth: Array, predicted: Array) -> float:
    """Return 1 - (squared error of the predictions) / (squared error of the mean)."""
    truth, predicted = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    return float(1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def expected_calibration_error(truth: Array, probability: Array, bins: int = 15) -> float:
    """Return the mean distance of stated and observed frequency, over equal-width bins, by size of the bin.

    Naeini et al. 2015; all words pooled.
    """
    stated_each = np.ravel(probability)
    which = np.minimum((stated_each * bins).astype(int), bins - 1)
    size = np.bincount(which, minlength=bins)
    stated = np.bincount(which, stated_each, bins)
    observed = np.bincount(which, np.ravel(truth), bins)
    return float(np.abs(stated - observed).sum() / size.sum())
