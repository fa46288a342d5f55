"""Figures of what networks said of recordings that they had not heard, and the numbers that calibrate them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.evidence import (
    mean_probabilities,
    probabilities_of,
    sharpened,
    strangeness,
)
from olfactory_transformer.train.nose.data import FOLDS
from olfactory_transformer.train.nose.held_out import Heard

PRIOR_UNKNOWN = 0.2  # share of smells that none of a model's names fits, before anything is heard
OTHER_SESSION = 1 / 3  # share of recordings that are of another session, as far as a shift of 1
Floats = NDArray[np.float64]


def top(heard: Sequence[Heard], count: int = 1) -> float:
    """Return the share of recordings whose smell is among the first `count`."""
    return float(np.mean([_rank(mean_probabilities(each.logits), each.place) < count for each in heard]))


def window_top(heard: Sequence[Heard], count: int = 1) -> float:
    """Return the share of single windows whose smell is among the first `count`."""
    return float(np.mean([_rank(row, each.place) < count for each in heard for row in each.logits]))


def after(heard: Sequence[Heard], seconds: float, config: NoseConfig) -> float:
    """Return the share of recordings whose smell is first when only so many seconds were listened to."""
    windows = max(int((seconds - config.window) // config.hop) + 1, 1)
    return float(
        np.mean([_rank(mean_probabilities(each.logits[:windows]), each.place) < 1 for each in heard])
    )


def fit_sharpness(heard: Sequence[Heard]) -> tuple[float, float, float, float]:
    """Return the sharpness under which held-out recordings, whole and in part, are most probable, for `NoseConfig`.

    As in `fit_unknown`, a third of what is fitted to is of made-up sessions.
    """
    heard, counts = _parts(heard)
    shifted = np.array([each.shift > 0 for each in heard])
    weight = _of_sessions(shifted, np.ones(len(heard), bool), 1.0)
    right = (np.arange(len(heard)), [each.place for each in heard])
    found: list[float] = []
    for logits in ([each.logits for each in heard], [each.alone for each in heard]):
        means = np.stack(
            [mean_probabilities(rows[:count]) for rows, count in zip(logits, counts, strict=True)]
        )
        tried = list(
            product(np.arange(0.2, 2.6, 0.1).round(1).tolist(), np.arange(0.0, 0.8, 0.1).round(1).tolist())
        )
        losses = [-(weight * np.log(sharpened(means, counts, each)[right] + 1e-9)).sum() for each in tried]
        found += tried[int(np.argmin(losses))]
    return found[0], found[1], found[2], found[3]


def _parts(heard: Sequence[Heard]) -> tuple[list[Heard], NDArray[np.int64]]:
    """Return every recording three times, and how many of its windows to take: all, a third, and the first."""
    counts = [count for each in heard for count in (len(each.logits), max(len(each.logits) // 3, 1), 1)]
    return [each for each in heard for _ in range(3)], np.array(counts)


def _of_sessions(shifted: NDArray[np.bool_], among: NDArray[np.bool_], total: float) -> Floats:
    """Return weights of this sum, 0 but for those `among`; a third for what is of other sessions, if any is."""
    weight = np.zeros(len(shifted))
    for of, share in ((shifted & among, OTHER_SESSION), (~shifted & among, 1 - OTHER_SESSION)):
        weight[of] = share / max(of.sum(), 1)
    return np.asarray(weight * total / weight.sum())


def fit_unknown(heard: Sequence[Heard]) -> tuple[float, float, float, float]:
    """Return bias and slope of the log odds of none of the smells, by strangeness, for `NoseConfig.unknown`.

    Another session makes everything stranger. So that it does not make all smells unknown, a third of what is fitted
    to is of made-up sessions. As an answer is given from the first window on, parts of recordings count, too.
    """
    heard, counts = _parts(heard)
    y = np.array([each.place < 0 for each in heard], float)
    shifted = np.array([each.shift > 0 for each in heard])
    weight = _of_sessions(shifted, y > 0, PRIOR_UNKNOWN) + _of_sessions(shifted, y == 0, 1 - PRIOR_UNKNOWN)
    neither = np.array([np.nan])
    parts = list(zip(heard, counts, strict=True))
    both = np.array([strangeness(each.logits, each.agreement[:count])[0] for each, count in parts])
    alone = np.array([strangeness(each.alone[:count], neither)[0] for each, count in parts])
    return *_logistic(both, y, weight), *_logistic(alone, y, weight)


def _logistic(x: Floats, y: Floats, weight: Floats) -> tuple[float, float]:
    """Return bias and slope of a weighted logistic regression, by Newton's method."""
    at = np.zeros(2)
    design = np.stack([np.ones_like(x), x], 1)
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ at))
        gradient = design.T @ (weight * (p - y))
        curve = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        at = at - np.linalg.solve(curve, gradient)
    return round(float(at[0]), 3), round(float(at[1]), 3)


def open_set_auroc(heard: Sequence[Heard]) -> float:
    """Return the AUROC of strangeness for telling substances left out of training from those that were not."""
    x = np.array([strangeness(each.logits, each.agreement)[0] for each in heard])
    unknown = np.array([each.place < 0 for each in heard])
    order = np.argsort(np.argsort(x, kind="stable"), kind="stable") + 1.0
    above = order[unknown].sum() - unknown.sum() * (unknown.sum() + 1) / 2
    return float(above / (unknown.sum() * (~unknown).sum()))


def enrolled_top(points: Sequence[tuple[str, int, Floats]], taught: int) -> float:
    """Return how often the nearest taught recording has the right name.

    Parameters
    ----------
    points : sequence of (str, int, array)
        Substance, fold and mean embedding of each recording.
    taught : int
        Recordings taught a substance; each fold is tested in turn, the next `taught` are taught.
    """
    right = []
    for fold in range(FOLDS):
        known = [(name, point) for name, at, point in points if 0 < (at - fold) % FOLDS <= taught]
        tests = [(name, point) for name, at, point in points if at == fold]
        nearest = np.argmax(np.stack([p for _, p in tests]) @ np.stack([p for _, p in known]).T, axis=1)
        right += [known[i][0] == name for i, (name, _) in zip(nearest, tests, strict=True)]
    return float(np.mean(right))


def apart(heard: Sequence[Heard]) -> list[list[Heard]]:
    """Return what each network said in each session, apart."""
    parts: dict[tuple[tuple[str, ...], int], list[Heard]] = {}
    for each in heard:
        parts.setdefault((each.smells, each.session), []).append(each)
    return list(parts.values())


def unknown_points(heard: Sequence[Heard]) -> list[tuple[str, int, Floats]]:
    """Return the points of substances that the network had not heard of, for `enrolled_top`."""
    return [
        (each.recording.substance, each.recording.fold, mean_point(each.embeddings))
        for each in heard
        if each.place < 0
    ]


def mean_point(embeddings: NDArray[np.floating]) -> Floats:
    """Return the direction of the mean of a recording's windows, of length 1."""
    mean = embeddings.astype(np.float64).mean(0)
    return np.asarray(mean / np.linalg.norm(mean))


def named(heard: Sequence[Heard], config: NoseConfig) -> tuple[float, float]:
    """Return the share of recordings that are named rightly, and of those that are called unknown.

    A recording whose smell is the first, but less probable than `unknown`, is not named.
    """
    right, unknown = [], []
    for each in heard:
        smells, none = probabilities_of(each.logits, each.agreement, config)
        unknown.append(none > smells.max())
        right.append(not unknown[-1] and int(smells.argmax()) == each.place)
    return float(np.mean(right)), float(np.mean(unknown))


def calibration_error(heard: Sequence[Heard], config: NoseConfig, bins: int = 10) -> float:
    """Return the expected calibration error of the first name's probability."""
    stated, right = [], []
    for each in heard:
        smells, _ = probabilities_of(each.logits, each.agreement, replace(config, unknown=()))
        stated.append(float(smells.max()))
        right.append(int(smells.argmax()) == each.place)
    which = np.minimum((np.array(stated) * bins).astype(int), bins - 1)
    gaps = [
        (which == b).mean()
        * abs(np.mean(np.array(stated)[which == b]) - np.mean(np.array(right)[which == b]))
        for b in range(bins)
        if (which == b).any()
    ]
    return float(np.sum(gaps))


def _rank(scores: NDArray[np.floating], place: int) -> int:
    return int((scores > scores[place]).sum())
