"""What a training run learns from: molecules, and tables of labels on them with gaps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from olfactory_transformer.model.tokenizer import MoleculeTokens
from olfactory_transformer.model.transformer import HEADS

Kind = Literal["binary", "regression", "dilution"]
# The tasks the shipped model has heads for; every other task trains a head that is thrown away.
MODEL_TASKS = HEADS


def known_mean(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the mean of each column's known values, (R, C) -> (C,); 0 for a column without any.

    >>> known_mean(np.array([[1.0, np.nan], [3.0, np.nan]]))
    array([2., 0.])
    """
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1))


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A table of labels.

    Parameters
    ----------
    name : str
        One of `MODEL_TASKS`, or any other for an auxiliary head.
    kind : "binary", "regression" or "dilution"
        Yes/no labels (0-1), numbers, or numbers at a dilution.
    columns : tuple of str
    molecule : ndarray of int64, (R,)
        The molecule of each row, ascending.
    values : ndarray, (R, C)
        NaN = unknown.
    log_dilution : ndarray of float32, (R,)
        log10 of the volume fraction; only for kind "dilution".
    weight : float
        Of this task in the loss.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    molecule: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32] | npt.NDArray[np.uint8]
    log_dilution: npt.NDArray[np.float32] | None = None
    weight: float = 1.0

    def rows_of(
        self, molecules: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the rows of the given molecules, and for each row the place of its molecule among them."""
        first = np.searchsorted(self.molecule, molecules, "left")
        count = np.searchsorted(self.molecule, molecules, "right") - first
        place = np.repeat(np.arange(len(molecules)), count)
        before = np.cumsum(count) - count
        rows = np.arange(count.sum()) - np.repeat(before - first, count)
        return rows, place

    def digest(self) -> bytes:
        """Return a hash of all there is in it, 32 bytes."""
        found = hashlib.sha256(json.dumps([self.name, self.kind, self.columns, self.weight]).encode())
        for array in (self.molecule, self.values, self.log_dilution):
            found.update(b"" if array is None else array.tobytes())
        return found.digest()

    def statistics(
        self, molecules: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return mean and standard deviation of each column over the rows of the given molecules, (C,) each."""
        rows, _ = self.rows_of(molecules)
        values = self.values[rows].astype(np.float64)
        known = np.isfinite(values)
        count = np.maximum(known.sum(0), 1)
        mean = known_mean(values)
        variance = (np.where(known, values - mean, 0) ** 2).sum(0) / count
        return mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-6)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Molecules with the tasks that label some of them.

    Parameters
    ----------
    smiles : list of str
        Canonical, one a molecule, without repeats.
    tokens : list of MoleculeTokens
    fold : ndarray of int64, (M,)
        0-4, or -1 for a structure that no source labels. All molecules of one connectivity (first block of the
        InChIKey) share a fold, over all sources, so that what is held out is held out everywhere.
    tasks : list of Task
    refused : list of (str, str)
        SMILES that could not be read, with the reason; their rows were left out.
    """

    smiles: list[str]
    tokens: list[MoleculeTokens]
    fold: npt.NDArray[np.int64]
    tasks: Sequence[Task] = field(default_factory=list)
    refused: Sequence[tuple[str, str]] = ()

    def task(self, name: str) -> Task:
        """Return the task of that name; KeyError if there is none."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise KeyError(name)

    def held_out(self, task: Task | str, fold: int) -> npt.NDArray[np.int64]:
        """Return the rows of a task whose molecules are in a fold: those not trained on when it is held out."""
        found = self.task(task) if isinstance(task, str) else task
        return np.flatnonzero(self.fold[found.molecule] == fold)
