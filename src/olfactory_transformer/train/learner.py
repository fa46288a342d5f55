"""The network with all heads that a run trains it by, and the loss over tasks with missing labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olfactory_transformer.inference.statements import log_odds
from olfactory_transformer.model import vocabulary as voc
from olfactory_transformer.model.heads import BinaryHead, DilutionHead, RegressionHead
from olfactory_transformer.model.tokenizer import collate
from olfactory_transformer.model.transformer import Encoder
from olfactory_transformer.train.tasks import Task, TrainingSet

_HEADS = {"binary": BinaryHead, "regression": RegressionHead, "dilution": DilutionHead}
_MASKED_SHARE = 0.15  # of a masked molecule's atoms
_BINARY_CEILING = {"fingerprint": 3.0}  # counts up to this become soft labels 0-1


def new_head(task: Task, inputs: int, dropout: float, *, deep: bool = True) -> nn.Module:
    """Return a fresh head for a task."""
    return _HEADS[task.kind](inputs, len(task.columns), dropout, deep=deep)


class MultiTask(nn.Module, ABC):
    """Heads over an embedding, and the loss over tasks with missing labels; a subclass makes the embedding."""

    @abstractmethod
    def head(self, name: str) -> nn.Module:
        """Return the head of a task."""

    @abstractmethod
    def losses(
        self, data: TrainingSet, molecules: npt.NDArray[np.int64], masked_share: float
    ) -> dict[str, Tensor]:
        """Return each task's weighted loss on a batch of molecules, (B,)."""

    def set_statistics(self, tasks: Sequence[Task], molecules: npt.NDArray[np.int64]) -> None:
        """Start every head at what is known without looking at a molecule.

        Regression heads get the mean and scale of their training targets, yes/no heads their labels' log odds:
        with the usual start at one half, the first epochs would go into learning that most words are rare.
        """
        for task in tasks:
            head = self.head(task.name)
            mean, scale = task.statistics(molecules)
            if isinstance(head, BinaryHead):
                share = mean / _BINARY_CEILING.get(task.name, 1.0)
                with torch.no_grad():
                    head.out.bias.copy_(torch.from_numpy(log_odds(share, 1e-3)))
            elif isinstance(head, RegressionHead):
                head.mean.copy_(torch.from_numpy(mean))
                head.scale.copy_(torch.from_numpy(scale))

    def task_losses(
        self, tasks: Sequence[Task], molecules: npt.NDArray[np.int64], embedding: Tensor
    ) -> dict[str, Tensor]:
        """Return each task's weighted loss on a batch.

        A row counts the same whether its batch has many or few rows of its task: sums are divided by the number
        of molecules, and by the number of columns.

        Parameters
        ----------
        molecules : ndarray of int64, (B,)
        embedding : Tensor, (B, E)
        """
        return {
            task.name: loss * task.weight / len(molecules)
            for task in tasks
            if (loss := self._task_loss(task, molecules, embedding)) is not None
        }

    def _task_loss(self, task: Task, molecules: npt.NDArray[np.int64], embedding: Tensor) -> Tensor | None:
        rows, place = task.rows_of(molecules)
        if not len(rows):
            return None
        device = embedding.device
        inputs = embedding[torch.from_numpy(place).to(device)]
        target = torch.from_numpy(task.values[rows].astype(np.float32)).to(device)
        known = torch.isfinite(target)
        target = torch.where(known, target, 0.0)
        head = self.head(task.name)
        if task.kind == "binary":
            target = target / _BINARY_CEILING.get(task.name, 1.0)
            each = F.binary_cross_entropy_with_logits(head(inputs), target, reduction="none")
        else:
            assert isinstance(head, RegressionHead)
            if task.kind == "dilution":
                assert isinstance(head, DilutionHead) and task.log_dilution is not None
                predicted = head.standard(inputs, torch.from_numpy(task.log_dilution[rows]).to(device))
            else:
                predicted = head.standard(inputs)
            each = F.smooth_l1_loss(predicted, (target - head.mean) / head.scale, reduction="none")
        return torch.where(known, each, 0.0).sum() / len(task.columns)


class Learner(MultiTask):
    """An encoder, and heads to train it by."""

    def __init__(self, encoder: Encoder, tasks: Sequence[Task], masked: bool) -> None:
        super().__init__()
        self.encoder = encoder
        config = encoder.config
        self.heads = nn.ModuleDict(
            {task.name: new_head(task, config.embedding, config.dropout) for task in tasks}
        )
        self.atoms = nn.Linear(config.width, voc.atom_codes()) if masked else None

    def head(self, name: str) -> nn.Module:
        """Return the head of a task."""
        return self.heads[name]

    def losses(
        self, data: TrainingSet, molecules: npt.NDArray[np.int64], masked_share: float
    ) -> dict[str, Tensor]:
        """Return each task's weighted loss on a batch.

        Parameters
        ----------
        molecules : ndarray of int64, (B,)
        masked_share : float
            Share of the molecules of which some atoms are hidden; needs the atoms head.
        """
        device = self.encoder.readout.device
        batch = collate([data.tokens[i] for i in molecules])
        atoms = torch.from_numpy(batch.atoms).to(device)
        relations = torch.from_numpy(batch.relations).to(device)
        hidden = None
        if masked_share and self.atoms is not None:
            chosen = torch.rand(atoms.shape[0], 1, device=device) < masked_share
            hidden = (
                (torch.rand(atoms.shape[:2], device=device) < _MASKED_SHARE)
                & chosen
                & (atoms[..., 0] != voc.PAD)
            )
        shown = atoms if hidden is None else atoms.masked_fill(hidden[..., None], voc.MASK)
        embedding, states = self.encoder(shown, relations)
        losses = self.task_losses(data.tasks, molecules, embedding)
        if hidden is not None and self.atoms is not None and bool(hidden.any()):
            losses["atoms"] = _atom_loss(self.atoms(states[hidden]), atoms[hidden].long())
        return losses


def _atom_loss(logits: Tensor, codes: Tensor) -> Tensor:
    """Cross entropy of every feature of the hidden atoms, logits (M, codes), codes (M, F)."""
    total = logits.new_zeros(())
    offsets = voc.atom_offsets()
    for column, (name, values) in enumerate(voc.ATOM_FEATURES.items()):
        start, stop = offsets[name], offsets[name] + len(values) + 1
        total = total + F.cross_entropy(logits[:, start:stop], codes[:, column] - start)
    return total / len(offsets) * 0.3
