"""Soft labels: what teachers say of unlabelled structures, kept on disk and added to a training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.inference.statements import sigmoid
from olfactory_transformer.model.tokenizer import MoleculeTokenizer
from olfactory_transformer.model.transformer import OlfactoryTransformer
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.finetune import predict
from olfactory_transformer.train.fit import FitConfig
from olfactory_transformer.train.read import FOLDS
from olfactory_transformer.train.structures import BROKEN_ARCHIVE
from olfactory_transformer.train.tasks import MODEL_TASKS, Task, TrainingSet
from olfactory_transformer.train.teacher import DEFAULTS, teach

# Dilutions the teachers are asked at (log10 of the volume fraction), as the training files have them.
_LOG_DILUTIONS = {"ratings": (-1.0, -2.0, -3.0, -5.0), "profile": (-0.4, -1.0, -2.0, -3.0)}
FeatureTable = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SoftLabels:
    """What the teachers of one fold say of P unlabelled structures, and of the molecules held out from them.

    Parameters
    ----------
    smiles : list of str, P
    values : dict of str to ndarray (P, C)
        Task -> probabilities, or numbers in the task's units.
    log_dilution : dict of str to ndarray (P,)
        For tasks at a dilution.
    held_out : dict of str to ndarray (R, C)
        "networks/TASK", "trees/TASK", "transformer/TASK" and "blend/TASK" -> logits or numbers for held-out rows,
        in its order; to score the teachers by.
    """

    smiles: list[str]
    values: dict[str, npt.NDArray[np.float32]]
    log_dilution: dict[str, npt.NDArray[np.float32]]
    held_out: dict[str, npt.NDArray[np.float32]]

    def save(self, path: Path) -> None:
        """Write a NumPy archive, whole or not at all."""
        temporary = path.with_suffix(".part.npz")
        arrays: dict[str, Any] = {
            f"values/{name}": table.astype(np.float16) for name, table in self.values.items()
        }
        arrays |= {f"log_dilution/{name}": column for name, column in self.log_dilution.items()}
        arrays |= {f"held_out/{name}": table for name, table in self.held_out.items()}
        np.savez_compressed(temporary, smiles=np.array(self.smiles), **arrays)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> SoftLabels:
        """Read what `save` wrote; DataError if it is not that."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                found: dict[str, dict[str, npt.NDArray[np.float32]]] = {
                    "values": {},
                    "log_dilution": {},
                    "held_out": {},
                }
                for key in stored.files:
                    if key != "smiles":
                        group, name = key.split("/", 1)
                        found[group][name] = stored[key].astype(np.float32)
                return cls([str(s) for s in stored["smiles"]], **found)
        except BROKEN_ARCHIVE as error:
            raise DataError(f"{path}: not soft labels written by `olfactory teach` ({error})") from None

    def added_to(self, data: TrainingSet) -> TrainingSet:
        """Return `data` with these structures (fold -1) and their soft labels behind its own."""
        molecule = np.arange(len(self.smiles)) + len(data.smiles)
        tasks = [self._extended(task, molecule) if task.name in self.values else task for task in data.tasks]
        return replace(with_structures(data, self.smiles), tasks=tasks)

    def _extended(self, task: Task, molecule: npt.NDArray[np.int64]) -> Task:
        soft = self.values[task.name]
        if soft.shape != (len(molecule), len(task.columns)):
            expected = (len(molecule), len(task.columns))
            raise DataError(f"soft labels of {task.name}: got shape {soft.shape}, expected {expected}")
        dilution = task.log_dilution
        if dilution is not None:
            dilution = np.concatenate([dilution, self.log_dilution[task.name]])
        return replace(
            task,
            molecule=np.concatenate([task.molecule, molecule]),
            values=np.concatenate([task.values.astype(np.float32), soft]),
            log_dilution=dilution,
        )


def with_structures(data: TrainingSet, smiles: Sequence[str]) -> TrainingSet:
    """Return `data` with structures (fold -1) behind its own, which nothing labels."""
    tokenizer = MoleculeTokenizer()
    tokens = [tokenizer(read_molecule(text)) for text in smiles]
    fold = np.concatenate([data.fold, np.full(len(smiles), -1)])
    return replace(data, smiles=[*data.smiles, *smiles], tokens=data.tokens + tokens, fold=fold)


def soft_labels(
    data: TrainingSet,
    pool: Sequence[str],
    features: FeatureTable,
    folder: Path,
    held_out: int | None,
    config: FitConfig = DEFAULTS,
    transformer: OlfactoryTransformer | None = None,
) -> SoftLabels:
    """Train teachers on all folds but one and let them label the pool.

    Parameters
    ----------
    data : TrainingSet
    pool : sequence of str, P of them
    features : ndarray of float32, (M + P, F)
        Of the molecules of `data`, then of the pool.
    folder : Path
        Of the teachers' runs.
    held_out : int or None
        Fold no label of which is learned from.
    transformer : OlfactoryTransformer or None
        Trained on the labels of the same folds; it teaches words, too.
    """
    fold = FOLDS if held_out is None else held_out
    rng = np.random.default_rng(config.seed)
    asked, rows = [], {}
    for task in map(data.task, MODEL_TASKS):
        rows[task.name] = np.flatnonzero(data.fold[task.molecule] == fold)
        asked.append(_asked(task, rows[task.name], len(data.smiles), len(pool), rng))
    taught = replace(config, seed=config.seed * (FOLDS + 1) + fold)
    answers = teach(data, features, np.flatnonzero(data.fold != fold), asked, folder, taught)
    if transformer is not None:
        words = next(task for task in asked if task.name == "words")
        said = predict(transformer, with_structures(data, pool), words.molecule)["words"]
        answers = replace(answers, transformer={"words": said})
    values: dict[str, npt.NDArray[np.float32]] = {}
    dilutions: dict[str, npt.NDArray[np.float32]] = {}
    scored: dict[str, npt.NDArray[np.float32]] = {}
    for task in asked:
        first, blend = len(rows[task.name]), answers.blended(task.name)
        values[task.name] = (
            sigmoid(blend[first:]).astype(np.float32) if task.kind == "binary" else blend[first:]
        )
        if task.log_dilution is not None:
            dilutions[task.name] = task.log_dilution[first:]
        kinds = {
            "networks": answers.networks,
            "trees": answers.trees,
            "transformer": answers.transformer,
            "blend": {task.name: blend},
        }
        scored |= {
            f"{k}/{task.name}": found[task.name][:first] for k, found in kinds.items() if task.name in found
        }
    return SoftLabels(list(pool), values, dilutions, scored)


def _asked(task: Task, rows: npt.NDArray[np.int64], known: int, size: int, rng: np.random.Generator) -> Task:
    """Return the rows to ask teachers: the held-out ones, then one for each structure of the pool."""
    dilution = None
    if task.log_dilution is not None:
        chosen = rng.choice(_LOG_DILUTIONS[task.name], size).astype(np.float32)
        dilution = np.concatenate([task.log_dilution[rows], chosen])
    return replace(
        task, molecule=np.concatenate([task.molecule[rows], np.arange(size) + known]), log_dilution=dilution
    )
