"""The teachers: estimators on descriptors and fingerprints that a student network learns to answer like.

Several dense networks over all tasks at once, and extra trees a task. They are good on few molecules but slow
to ask (the descriptors alone take milliseconds), so they answer for unlabelled structures once, and the network
that ships learns from those soft labels beside the real ones (Hinton et al. 2015, arXiv:1503.02531).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from olfactory_transformer.train.dense import DenseConfig, trained
from olfactory_transformer.train.tasks import Task, TrainingSet

Floats = npt.NDArray[np.float32]
NETWORKS = 4
_WIDTHS = (1024, 512)
_ODDS_FLOOR = 0.003  # trees say 0 and 1
# The share of the trees in the answer, chosen on folds 0 and 1.
_TREES_SHARE = {
    "words": 0.35,
    "isomeric": 0.35,
    "ratings": 0.25,
    "profile": 0.4,
    "atlas": 0.25,
    "threshold": 0.25,
    "odorless": 0.5,
}


DEFAULTS = DenseConfig(epochs=30)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What teachers see of M molecules.

    Parameters
    ----------
    descriptors : ndarray of float32, (M, F)
        Descriptors and counts (`Features.table`).
    embedding : ndarray of float32, (M, E)
        Of the pre-trained network before it has seen any smell, standardised.
    """

    descriptors: Floats
    embedding: Floats

    def of(self, network: int) -> Floats:
        """Return the inputs of a network by its number: every second one sees the embedding, so their errors differ."""
        return np.hstack([self.embedding, self.descriptors]) if network % 2 else self.descriptors


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What the teachers say of every row of some tasks, by the tasks' names: logits, or numbers in their units.

    Parameters
    ----------
    networks, trees : dict of str to ndarray (R, C)
        The dense networks and the extra trees.
    """

    networks: dict[str, Floats]
    trees: dict[str, Floats]

    def blended(self, name: str) -> Floats:
        """Return the weighted mean of both kinds, (R, C)."""
        found = self.networks[name]
        if name in self.trees:
            found = found + _TREES_SHARE[name] * (self.trees[name] - found)
        return found


def teach(
    data: TrainingSet,
    inputs: Inputs,
    molecules: npt.NDArray[np.int64],
    asked: Sequence[Task],
    folder: Path,
    config: DenseConfig = DEFAULTS,
) -> Answers:
    """Train the teachers on some molecules and let them answer every row that is asked.

    Parameters
    ----------
    data : TrainingSet
        With the labels.
    inputs : Inputs
        Of the molecules of `data`, and of any others that are asked after.
    molecules : ndarray of int64
        Those of `data` whose labels may be learned from.
    asked : sequence of Task
        Rows to answer; their values do not matter.
    folder : Path
        Where each network is kept once it is trained (a minute or two), for a run that was killed.
    """
    by_networks = {task.name: np.zeros((len(task.molecule), len(task.columns)), np.float32) for task in asked}
    for number in range(NETWORKS):
        network = trained(
            inputs.of(number),
            data.tasks,
            _WIDTHS,
            data,
            molecules,
            folder / f"network-{number}.safetensors",
            replace(config, seed=config.seed * NETWORKS + number),
        )
        for task in asked:
            by_networks[task.name] += network.answer(task) / NETWORKS
    learned = {task.name: task for task in data.tasks}
    by_trees = {
        task.name: _trees(learned[task.name], task, inputs.descriptors, molecules, config.seed)
        for task in asked
        if task.name in _TREES_SHARE
    }
    return Answers(by_networks, by_trees)


def extra_trees(seed: int) -> Any:
    """Return unfitted extra trees as they teach."""
    from sklearn.ensemble import ExtraTreesRegressor

    threads = torch.get_num_threads()
    return ExtraTreesRegressor(200, max_features=0.1, min_samples_leaf=2, random_state=seed, n_jobs=threads)


def fitted_answers(
    estimator: Any, task: Task, asked: Task, features: Floats, molecules: npt.NDArray[np.int64]
) -> Floats:
    """Fit a regressor of scikit-learn on a task's rows of some molecules and return its answers.

    Parameters
    ----------
    estimator : regressor of one or many columns
    task : Task
        To learn from.
    asked : Task
        Rows to answer; their values do not matter.
    features : ndarray of float32, (M, F)
        A dilution is put behind them.
    molecules : ndarray of int64
        Those whose labels may be learned from.

    Returns
    -------
    ndarray of float32, (R, C)
        Probabilities of yes/no labels, or numbers in the targets' units.
    """

    def seen(of: Task, rows: npt.NDArray[np.int64] | slice) -> Floats:
        found = features[of.molecule[rows]]
        return found if of.log_dilution is None else np.column_stack([found, of.log_dilution[rows]])

    rows = np.flatnonzero(np.isin(task.molecule, molecules))
    values = task.values[rows].astype(np.float32)
    known = np.isfinite(values)
    mean = np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1)
    values = np.where(known, values, mean)  # what is unknown pulls nowhere
    estimator.fit(seen(task, rows), values if len(task.columns) > 1 else values[:, 0])
    found = estimator.predict(seen(asked, slice(None))).reshape(len(asked.molecule), -1)
    return np.asarray(found, np.float32)


def _trees(task: Task, asked: Task, features: Floats, molecules: npt.NDArray[np.int64], seed: int) -> Floats:
    """Return the answers of extra trees, (R, C): logits, or numbers in the targets' units."""
    found = fitted_answers(extra_trees(seed), task, asked, features, molecules)
    if task.kind == "binary":
        found = np.log((found + _ODDS_FLOOR) / (1 - found + _ODDS_FLOOR))
    return found
