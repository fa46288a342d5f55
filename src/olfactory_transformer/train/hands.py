"""The layer that tells mirror images apart: a ridge regression, since few hundred labelled molecules have a hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from olfactory_transformer.model.tokenizer import collate
from olfactory_transformer.model.transformer import HANDED, OlfactoryTransformer, unit_hands
from olfactory_transformer.train.tasks import Task, TrainingSet, known_mean

Floats = npt.NDArray[np.float64]
# By the folds: ridges of 1 to 30 order 169 to 174 of 293 differing words of held-out mirror images right; the gain,
# from differences of labels to those of log odds, is the likeliest.
_RIDGE, _GAIN = 3.0, 3.0


def fit_hands(model: OlfactoryTransformer, data: TrainingSet, molecules: npt.NDArray[np.int64]) -> None:
    """Train the layers of `model` that see which hand a molecule is.

    A word is told by w . x, where x are signed features of length 1 and w minimises the sum over molecules with a hand
    of (label - share of the label - w . x)^2 + ridge |w|^2: a word that one of two mirror images has makes the
    features of that one speak for it, in whatever molecule they are. Then words lend each other as much as they
    go together, so that a rare one goes with those that it resembles.

    Parameters
    ----------
    molecules : ndarray of int64
        Those to learn from.
    """
    task = data.task("isomeric")
    # Teachers do not see which hand a molecule is: what they say of one is nothing to learn from.
    real = data.fold[task.molecule] >= 0
    rows = np.flatnonzero(np.isin(task.molecule, molecules) & real)
    if not len(rows):
        return  # the layers stay zero
    features = signed_features(data, task.molecule[rows])
    handed = features.any(1)
    weight = _GAIN * ridge(features[handed], task, rows[handed]) @ together(task, rows)  # (H, isomeric)
    column = {word: i for i, word in enumerate(task.columns)}
    for name in HANDED:
        words = getattr(model.config, name)
        table = np.zeros((len(words), weight.shape[0]), np.float32)
        for row, word in enumerate(words):
            if word in column:
                table[row] = weight[:, column[word]]
        model.hands[name].load_state_dict({"weight": torch.from_numpy(table)})


def signed_features(data: TrainingSet, molecules: npt.NDArray[np.int64]) -> Floats:
    """Return the signed features of some molecules as the network sees them, (R, H)."""
    hands = collate([data.tokens[i] for i in molecules]).hands
    return np.asarray(unit_hands(torch.from_numpy(hands).double()).numpy())


def ridge(features: Floats, task: Task, rows: npt.NDArray[np.int64]) -> Floats:
    """Return weights (H, C) of signed features (R, H) for the labels of some rows; unknown ones pull nowhere."""
    apart = _from_mean(task, rows)
    inner = features @ features.T + _RIDGE * np.eye(len(rows))
    return np.asarray(features.T @ np.linalg.solve(inner, apart))


def together(task: Task, rows: npt.NDArray[np.int64]) -> Floats:
    """Return how the labels of some rows correlate, (C, C); 0 for a label that none has."""
    apart = _from_mean(task, rows)
    length = np.sqrt((apart**2).sum(0)) + 1e-12
    return np.asarray(apart.T @ apart / np.outer(length, length))


def _from_mean(task: Task, rows: npt.NDArray[np.int64]) -> Floats:
    """Return labels less their share among the rows, 0 where unknown."""
    values = task.values[rows].astype(np.float64)
    return np.nan_to_num(values - known_mean(values))
