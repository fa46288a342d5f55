"""The teachers: estimators on descriptors, fingerprints and MiniMol that a student network learns to answer like.

Several dense networks over all tasks at once, on different fingerprints so that their errors differ; extra trees a
task; and for what panels rated the mean of a Gaussian process on the networks' last layers. They are good on few
molecules but slow to ask (the descriptors alone take milliseconds), so they answer for unlabelled structures once, and
the network that ships learns from those soft labels beside the real ones (Hinton et al. 2015, arXiv:1503.02531).
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
from olfactory_transformer.train.gaussian_process import SETTINGS as PROCESS_SETTINGS
from olfactory_transformer.train.gaussian_process import fit_process
from olfactory_transformer.train.tasks import Task, TrainingSet, known_mean

Floats = npt.NDArray[np.float32]
# What each network sees beside the descriptors.
NETWORKS = (
    ("morgan",),
    ("minimol", "morgan"),
    ("roles", "pairs"),
    ("minimol", "keys"),
    ("minimol", "roles", "pairs"),
)
_TREES = ("minimol", "morgan")  # what they see beside the descriptors
_WIDTHS = (1024, 512)
_ODDS_FLOOR = 0.003  # trees say 0 and 1
_WITHOUT_MINIMOL = ("volatility",)  # answered by the networks that do not see it: they tell it better
# The shares of trees and process in the answer (networks: the rest), chosen on folds 0 and 1.
SHARES = {
    "words": {"trees": 0.3},
    "isomeric": {"trees": 0.3},
    "ratings": {"trees": 0.2, "process": 0.4},
    "profile": {"trees": 0.1, "process": 0.75},
    "atlas": {"process": 0.75},
    "threshold": {"trees": 0.3},
    "odorless": {"trees": 0.5},
}


DEFAULTS = DenseConfig(epochs=30)
# All by which the answers of one teacher could differ from those of another, beside what it sees.
SETTINGS = (
    NETWORKS,
    _TREES,
    _WITHOUT_MINIMOL,
    SHARES,
    _WIDTHS,
    _ODDS_FLOOR,
    *PROCESS_SETTINGS,
)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What teachers see of M molecules.

    Parameters
    ----------
    descriptors : ndarray of float32, (M, 217)
        As normal quantiles.
    others : dict of str to ndarray of float32, (M, F)
        `minimol`, its embedding, standardised, and log(1 + count) of the kinds of fingerprint (`Features.logs`).
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
    layers = []
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
            if (asks := _networks_for(task.name))[number]:
                by_networks[task.name] += network.answer(task) / sum(asks)
        layers.append(network.last_layer())
    learned = {task.name: task for task in data.tasks}
    described = inputs.of(_TREES)
    by_trees = {
        task.name: _trees(learned[task.name], task, described, molecules, config.seed)
        for task in asked
        if "trees" in SHARES.get(task.name, {})
    }
    joint = np.hstack(layers)
    by_process = {
        task.name: _process(learned[task.name], task, joint, molecules)
        for task in asked
        if "process" in SHARES.get(task.name, {})
    }
    return Answers(by_networks, by_trees, by_process)


def _networks_for(name: str) -> list[bool]:
    """Return which of the dense networks answer a task."""
    return [name not in _WITHOUT_MINIMOL or "minimol" not in kinds for kinds in NETWORKS]


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


def _process(task: Task, asked: Task, features: Floats, molecules: npt.NDArray[np.int64]) -> Floats:
    """Return the answers of a Gaussian process, (R, C), in the targets' units; 0 where no row is learned from."""
    rows = np.flatnonzero(np.isin(task.molecule, molecules))
    if not len(rows):
        return np.zeros((len(asked.molecule), len(task.columns)), np.float32)
    dilution = np.zeros(len(asked.molecule), np.float32) if asked.log_dilution is None else asked.log_dilution
    found = fit_process(task, rows, features)(
        torch.from_numpy(features[asked.molecule]), torch.from_numpy(dilution)
    )
    return np.asarray(found.numpy())
