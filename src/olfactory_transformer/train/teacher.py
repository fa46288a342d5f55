"""The teachers: estimators on descriptors and fingerprints that a student network learns to answer like.

Several dense networks over all tasks at once, on different fingerprints so that their errors differ; extra trees a
task; and for numbers the mean of a Gaussian process. They are good on few molecules but slow to ask (the
descriptors alone take milliseconds), so they answer for unlabelled structures once, and the network that ships learns
from those soft labels beside the real ones (Hinton et al. 2015, arXiv:1503.02531).
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
from olfactory_transformer.train.tasks import Task, TrainingSet, known_mean

Floats = npt.NDArray[np.float32]
# What each network sees beside the descriptors.
NETWORKS = (
    ("morgan",),
    ("embedding", "morgan"),
    ("roles", "pairs"),
    ("keys",),
    ("embedding", "roles", "pairs"),
)
_WIDTHS = (1024, 512)
_ODDS_FLOOR = 0.003  # trees say 0 and 1
# Of the Gaussian process: noise of a rating over the variance explained, powers of ten over which a dilution
# becomes another, and how alike ratings of any two molecules are at the same.
_NOISE, _DILUTION_STEP, _ANY_MOLECULE = 0.3, 1.5, 0.5
# The shares of trees and process in the answer (networks: the rest), chosen on folds 0 and 1.
SHARES = {
    "words": {"trees": 0.3},
    "isomeric": {"trees": 0.3},
    "ratings": {"trees": 0.2, "process": 0.2},
    "profile": {"trees": 0.2, "process": 0.4},
    "atlas": {"trees": 0.2},
    "threshold": {"trees": 0.15, "process": 0.15},
    "odorless": {"trees": 0.5},
}


DEFAULTS = DenseConfig(epochs=30)
# All by which the answers of one teacher could differ from those of another, beside what it sees.
SETTINGS = (NETWORKS, SHARES, _WIDTHS, _ODDS_FLOOR, _NOISE, _DILUTION_STEP, _ANY_MOLECULE)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What teachers see of M molecules.

    Parameters
    ----------
    descriptors : ndarray of float32, (M, 217)
        As normal quantiles.
    others : dict of str to ndarray of float32, (M, F)
        `embedding`, of the pre-trained network before it has seen any smell, standardised, and log(1 + count) of the
        kinds of fingerprint (`Features.logs`).
    """

    descriptors: Floats
    others: dict[str, Floats]

    def of(self, kinds: Sequence[str]) -> Floats:
        """Return the descriptors with others behind them."""
        return np.hstack([self.descriptors, *(self.others[kind] for kind in kinds)])


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What the teachers say of every row of some tasks, by the tasks' names: logits, or numbers in their units.

    Parameters
    ----------
    networks, trees, process : dict of str to ndarray (R, C)
        The dense networks, the extra trees and the Gaussian process.
    """

    networks: dict[str, Floats]
    trees: dict[str, Floats]
    process: dict[str, Floats]

    def blended(self, name: str) -> Floats:
        """Return the weighted mean of all kinds, (R, C)."""
        found = networks = self.networks[name]
        for kind, share in SHARES.get(name, {}).items():
            found = found + share * (getattr(self, kind)[name] - networks)
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
    for number, kinds in enumerate(NETWORKS):
        network = trained(
            inputs.of(kinds),
            data.tasks,
            _WIDTHS,
            data,
            molecules,
            folder / f"network-{number}.safetensors",
            replace(config, seed=config.seed * len(NETWORKS) + number),
        )
        for task in asked:
            by_networks[task.name] += network.answer(task) / len(NETWORKS)
    learned = {task.name: task for task in data.tasks}
    described = inputs.of(["morgan"])
    by_trees = {
        task.name: _trees(learned[task.name], task, described, molecules, config.seed)
        for task in asked
        if "trees" in SHARES.get(task.name, {})
    }
    by_process = {
        task.name: process(learned[task.name], task, inputs.descriptors, molecules)
        for task in asked
        if "process" in SHARES.get(task.name, {})
    }
    return Answers(by_networks, by_trees, by_process)


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
    values = np.where(np.isfinite(values), values, known_mean(values))  # what is unknown pulls nowhere
    estimator.fit(seen(task, rows), values if len(task.columns) > 1 else values[:, 0])
    found = estimator.predict(seen(asked, slice(None))).reshape(len(asked.molecule), -1)
    return np.asarray(found, np.float32)


def _trees(task: Task, asked: Task, features: Floats, molecules: npt.NDArray[np.int64], seed: int) -> Floats:
    """Return the answers of extra trees, (R, C): logits, or numbers in the targets' units."""
    found = fitted_answers(extra_trees(seed), task, asked, features, molecules)
    if task.kind == "binary":
        found = np.log((found + _ODDS_FLOOR) / (1 - found + _ODDS_FLOOR))
    return found


def process(task: Task, asked: Task, descriptors: Floats, molecules: npt.NDArray[np.int64]) -> Floats:
    """Return the mean of a Gaussian process, (R, C), in the targets' units.

    Two ratings are alike as exp(-d^2 / median d^2), d the distance of their molecules' descriptors; of two dilutions,
    also as far as they are near, in part whatever the molecules are (Rasmussen & Williams 2006, 2.2).
    """
    rows = np.flatnonzero(np.isin(task.molecule, molecules))
    if not len(rows):
        return np.zeros((len(asked.molecule), len(task.columns)), np.float32)
    seen, new = (descriptors[of].astype(np.float64) for of in (task.molecule[rows], asked.molecule))
    squared = _squared(seen, seen)
    median = np.median(squared[squared > 0]) if squared.any() else 1.0
    inner, cross = np.exp(-squared / median), np.exp(-_squared(new, seen) / median)
    if task.log_dilution is not None and asked.log_dilution is not None:
        at, asked_at = task.log_dilution[rows], asked.log_dilution
        inner = (inner + _ANY_MOLECULE) * np.exp(-0.5 * ((at[:, None] - at[None]) / _DILUTION_STEP) ** 2)
        cross = (cross + _ANY_MOLECULE) * np.exp(
            -0.5 * ((asked_at[:, None] - at[None]) / _DILUTION_STEP) ** 2
        )
    values = task.values[rows].astype(np.float64)
    mean = known_mean(values)  # what an unknown rating counts as
    noisy = inner + _NOISE * np.diag(inner).mean() * np.eye(len(rows))
    return np.asarray(mean + cross @ np.linalg.solve(noisy, np.nan_to_num(values - mean)), np.float32)


def _squared(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T).clip(0))
