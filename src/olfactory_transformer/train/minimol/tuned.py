"""MiniMol fine-tuned on all labelled sets together: a teacher."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from olfactory_transformer.train.fit import FitConfig, Run, mixed_precision
from olfactory_transformer.train.learner import MultiTask, new_head
from olfactory_transformer.train.minimol.graphs import Graph, batched, read_graph
from olfactory_transformer.train.minimol.network import WIDTH, MiniMol
from olfactory_transformer.train.tasks import Task, TrainingSet

Floats = npt.NDArray[np.float32]
DEFAULTS = FitConfig(epochs=12, batch_size=128, learning_rate=3e-4, weight_decay=0.05, ema=0.99)
_DROPOUT, _LAYER_DROPOUT = 0.3, 0.1
_AT_ONCE = 256  # molecules


class TunedMiniMol(MultiTask):
    """MiniMol with a head a task.

    Parameters
    ----------
    tasks : sequence of Task
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.network = MiniMol(_LAYER_DROPOUT)
        self.norm = nn.LayerNorm(2 * WIDTH)
        self.heads = nn.ModuleDict({task.name: new_head(task, 2 * WIDTH, _DROPOUT) for task in tasks})
        self.graphs: dict[str, Graph] = {}  # of molecules trained on, which come every epoch

    def head(self, name: str) -> nn.Module:
        """Return the head of a task."""
        return self.heads[name]

    def losses(
        self, data: TrainingSet, molecules: npt.NDArray[np.int64], masked_share: float = 0.0
    ) -> dict[str, Tensor]:
        """Return each task's weighted loss on a batch of molecules, (B,)."""
        for smiles in (data.smiles[i] for i in molecules):
            if smiles not in self.graphs:
                self.graphs[smiles] = read_graph(smiles)
        embedding = self._embedded([self.graphs[data.smiles[i]] for i in molecules])
        return self.task_losses(data.tasks, molecules, embedding)

    def _embedded(self, graphs: Sequence[Graph]) -> Tensor:
        batch = batched(graphs, self.norm.weight.device)
        found: Tensor = self.norm(self.network(batch.flipped() if self.training else batch))
        return found

    @torch.inference_mode()
    def answers(self, asked: Sequence[Task], smiles: Sequence[str]) -> dict[str, Floats]:
        """Return the predictions for every row of some tasks, (R, C): logits, or numbers in the targets' units.

        Parameters
        ----------
        asked : sequence of Task
        smiles : sequence of str
            Of the molecules that their rows name.
        """
        self.eval()
        device = self.norm.weight.device
        molecules = np.unique(np.concatenate([task.molecule for task in asked]))
        parts = np.array_split(molecules, max(1, len(molecules) // _AT_ONCE))
        with mixed_precision(device):
            rows = [self._embedded([read_graph(smiles[i]) for i in part]) for part in parts]
        embedding = torch.cat(rows).float()
        found = {}
        for task in asked:
            inputs = [embedding[torch.from_numpy(np.searchsorted(molecules, task.molecule)).to(device)]]
            if task.log_dilution is not None:
                inputs.append(torch.from_numpy(task.log_dilution).to(device))
            found[task.name] = np.asarray(self.head(task.name)(*inputs).cpu().numpy(), np.float32)
        return found


def tuned(
    data: TrainingSet, molecules: npt.NDArray[np.int64], folder: Path, config: FitConfig = DEFAULTS
) -> TunedMiniMol:
    """Return MiniMol fine-tuned on some molecules of `data`.

    Parameters
    ----------
    folder : Path
        Each run has a folder of its own in it, by what it learns from; a run that was killed goes on from its last
        epoch, to the same result.
    """
    made_from = hashlib.sha256(json.dumps([data.smiles, molecules.tolist(), asdict(config)]).encode())
    for task in data.tasks:
        made_from.update(task.digest())
    torch.manual_seed(config.seed)
    network = TunedMiniMol(data.tasks)
    network.set_statistics(data.tasks, molecules)
    run = Run(network, config, folder / made_from.hexdigest()[:12])
    run.resume()
    run.fit(data, molecules)
    return network.eval()
