"""The teachers: estimators on descriptors and fingerprints that a student network learns to answer like.

Several dense networks over all tasks at once, and extra trees a task. They are good on few molecules but slow
to ask (the descriptors alone take milliseconds), so they answer for unlabelled structures once, and the network
that ships learns from those soft labels beside the real ones (Hinton et al. 2015, arXiv:1503.02531).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from olfactory_transformer.train.fit import FitConfig, Run
from olfactory_transformer.train.learner import MultiTask, new_head
from olfactory_transformer.train.tasks import Task, TrainingSet

Floats = npt.NDArray[np.float32]
DEFAULTS = FitConfig(epochs=30, batch_size=128, learning_rate=1e-3, weight_decay=0.01, ema=0.99)
NETWORKS = 3
_HIDDEN, _WIDTH = 1024, 512
_DROPOUT, _INPUT_DROPOUT = 0.5, 0.2
_ODDS_FLOOR = 0.003  # trees say 0 and 1
# The share of the trees in the answer; elsewhere the networks answer alone, being better. Chosen on folds 0 and 1.
_TREES_SHARE = {"words": 0.25, "isomeric": 0.25, "odorless": 0.5}
_TRANSFORMER_SHARE = 1 / 3


class DescriptorNetwork(MultiTask):
    """Two dense layers over a molecule's features, then a head a task."""

    features: Tensor

    def __init__(self, features: Floats, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.register_buffer("features", torch.from_numpy(features), persistent=False)
        self.body = nn.Sequential(
            nn.Dropout(_INPUT_DROPOUT),
            nn.Linear(features.shape[1], _HIDDEN),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_HIDDEN, _WIDTH),
            nn.GELU(),
        )
        self.heads = nn.ModuleDict({task.name: new_head(task, _WIDTH, _DROPOUT) for task in tasks})

    def head(self, name: str) -> nn.Module:
        """Return the head of a task."""
        return self.heads[name]

    def losses(
        self, data: TrainingSet, molecules: npt.NDArray[np.int64], masked_share: float = 0.0
    ) -> dict[str, Tensor]:
        """Return each task's weighted loss on a batch of molecules, (B,)."""
        return self.task_losses(
            data.tasks,
            molecules,
            self.body(self.features[torch.from_numpy(molecules).to(self.features.device)]),
        )

    @torch.inference_mode()
    def answer(self, task: Task) -> Floats:
        """Return the predictions for every row of a task, (R, C): logits, or numbers in the targets' units."""
        self.eval()
        device = self.features.device
        embedding = self.body(self.features[torch.from_numpy(task.molecule).to(device)])
        head = self.head(task.name)
        if task.log_dilution is None:
            found = head(embedding)
        else:
            found = head(embedding, torch.from_numpy(task.log_dilution).to(device))
        return np.asarray(found.cpu().numpy(), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What the teachers say of every row of some tasks, by the tasks' names: logits, or numbers in their units.

    Parameters
    ----------
    networks, trees : dict of str to ndarray (R, C)
        The dense networks and the extra trees, on descriptors and fingerprints.
    transformer : dict of str to ndarray (R, C)
        A transformer trained on the labels alone, if there is one.
    """

    networks: dict[str, Floats]
    trees: dict[str, Floats]
    transformer: dict[str, Floats] = field(default_factory=dict)

    def blended(self, name: str) -> Floats:
        """Return the weighted mean of all kinds, (R, C)."""
        found = self.networks[name]
        if name in self.trees:
            found = found + _TREES_SHARE[name] * (self.trees[name] - found)
        if name in self.transformer:
            found = found + _TRANSFORMER_SHARE * (self.transformer[name] - found)
        return found


def teach(
    data: TrainingSet,
    features: Floats,
    molecules: npt.NDArray[np.int64],
    asked: Sequence[Task],
    folder: Path,
    config: FitConfig = DEFAULTS,
    networks: int = NETWORKS,
) -> Answers:
    """Train the teachers on some molecules and let them answer every row that is asked.

    Parameters
    ----------
    data : TrainingSet
        With the labels.
    features : ndarray of float32, (M, F)
        Of the molecules of `data`, and of any others that are asked after.
    molecules : ndarray of int64
        Those of `data` whose labels may be learned from.
    asked : sequence of Task
        Rows to answer; their values do not matter.
    folder : Path
        Of the networks' runs; a run that was killed goes on from its last epoch.
    """
    by_networks = {task.name: np.zeros((len(task.molecule), len(task.columns)), np.float32) for task in asked}
    for number in range(networks):
        seed = config.seed * networks + number
        torch.manual_seed(seed)
        network = DescriptorNetwork(features, data.tasks)
        network.set_statistics(data.tasks, molecules)
        run = Run(network, replace(config, seed=seed), folder / f"network-{number}")
        run.resume()
        run.fit(data, molecules)
        for task in asked:
            by_networks[task.name] += network.answer(task) / networks
    learned = {task.name: task for task in data.tasks}
    by_trees = {
        task.name: _trees(learned[task.name], task, features, molecules, config.seed)
        for task in asked
        if task.name in _TREES_SHARE
    }
    return Answers(by_networks, by_trees)


def _trees(task: Task, asked: Task, features: Floats, molecules: npt.NDArray[np.int64], seed: int) -> Floats:
    """Fit extra trees on a yes/no task's rows of the given molecules; return their logits for `asked`, (R, C)."""
    from sklearn.ensemble import ExtraTreesRegressor

    rows = np.flatnonzero(np.isin(task.molecule, molecules))
    values = task.values[rows].astype(np.float32)
    known = np.isfinite(values)
    mean = np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1)
    values = np.where(known, values, mean)  # what is unknown pulls nowhere
    trees = ExtraTreesRegressor(
        200,
        max_features=0.1 if len(task.columns) > 1 else 0.3,
        min_samples_leaf=2,
        random_state=seed,
        n_jobs=torch.get_num_threads(),
    )
    trees.fit(features[task.molecule[rows]], values if len(task.columns) > 1 else values[:, 0])
    found = trees.predict(features[asked.molecule]).reshape(len(asked.molecule), -1).clip(0, 1)
    return np.asarray(np.log((found + _ODDS_FLOOR) / (1 - found + _ODDS_FLOOR)), np.float32)
