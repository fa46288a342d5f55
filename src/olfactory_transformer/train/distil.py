"""Soft labels: what teachers say of unlabelled structures, kept on disk and added to a training set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.inference.statements import sigmoid
from olfactory_transformer.model.tokenizer import MoleculeTokenizer
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.archive import BROKEN_ARCHIVE, save_arrays
from olfactory_transformer.train.dense import DenseConfig
from olfactory_transformer.train.features import read_features
from olfactory_transformer.train.minimol import read_embeddings
from olfactory_transformer.train.pool import Pool
from olfactory_transformer.train.read import FOLDS
from olfactory_transformer.train.tasks import MODEL_TASKS, Task, TrainingSet
from olfactory_transformer.train.teacher import DEFAULTS, SETTINGS, Inputs, teach

# Dilutions the teachers are asked at (log10 of the volume fraction), as the training files have them.
_LOG_DILUTIONS = {"ratings": (-1.0, -2.0, -3.0, -5.0), "profile": (-0.4, -1.0, -2.0, -3.0)}


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
        "networks/TASK", "trees/TASK", "process/TASK" and "blend/TASK" -> logits or numbers for held-out rows,
        in its order; to score the teachers by.
    made_from : str
        What they were made from (see `digest`).
    """

    smiles: list[str]
    values: dict[str, npt.NDArray[np.float32]]
    log_dilution: dict[str, npt.NDArray[np.float32]]
    held_out: dict[str, npt.NDArray[np.float32]]
    made_from: str = ""

    def save(self, path: Path) -> None:
        """Write a NumPy archive, whole or not at all."""
        arrays: dict[str, Any] = {
            f"values/{name}": table.astype(np.float16) for name, table in self.values.items()
        }
        arrays |= {f"log_dilution/{name}": column for name, column in self.log_dilution.items()}
        arrays |= {f"held_out/{name}": table for name, table in self.held_out.items()}
        arrays |= {"smiles": np.array(self.smiles), "made_from": np.array(self.made_from)}
        save_arrays(path, arrays)

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
                    if "/" in key:
                        group, name = key.split("/", 1)
                        found[group][name] = stored[key].astype(np.float32)
                smiles, made_from = [str(s) for s in stored["smiles"]], str(stored["made_from"])
                return cls(smiles, made_from=made_from, **found)
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


def read_inputs(data: TrainingSet, pool: Pool, folder: Path) -> Inputs:
    """Return what teachers see of the molecules of `data`, then of the pool.

    Parameters
    ----------
    folder : Path
        Where features.npz and minimol.npz are kept.
    """
    known = len(data.smiles)
    smiles = [*data.smiles, *pool.smiles]
    minimol = read_embeddings(smiles, folder / "minimol.npz")
    features = read_features(smiles, folder / "features.npz")
    others = {kind: features.logs(known, kind) for kind in features.counts}
    others["minimol"] = (minimol - minimol.mean(0)) / (minimol.std(0) + 1e-6)
    return Inputs(features.quantiles(), others)


def digest(data: TrainingSet, pool: Pool, config: DenseConfig) -> str:
    """Return a hash of all that soft labels are made from: labels, folds, structures and settings."""
    found = hashlib.sha256(json.dumps([data.smiles, pool.smiles, asdict(config), SETTINGS]).encode())
    found.update(data.fold.tobytes() + pool.fold.tobytes())
    for task in data.tasks:
        found.update(task.digest())
    return found.hexdigest()


def soft_labels(
    data: TrainingSet,
    pool: Pool,
    inputs: Inputs,
    folder: Path,
    held_out: int | None,
    config: DenseConfig = DEFAULTS,
    made_from: str = "",
) -> SoftLabels:
    """Train teachers on all folds but one and let them label the pool.

    Parameters
    ----------
    data : TrainingSet
    pool : Pool
        Analogues of molecules of the held-out fold are left out.
    inputs : Inputs
        Of the molecules of `data`, then of the pool.
    folder : Path
        Of the teachers.
    held_out : int or None
        Fold no label of which is learned from.
    made_from : str
        Written beside the answers.
    """
    fold = FOLDS if held_out is None else held_out
    rng = np.random.default_rng(config.seed)
    shown = pool.outside(fold)
    asked, rows = [], {}
    for task in map(data.task, MODEL_TASKS):
        rows[task.name] = data.held_out(task, fold)
        asked.append(_asked(task, rows[task.name], len(data.smiles) + shown, rng))
    taught = replace(config, seed=config.seed * (FOLDS + 1) + fold)
    answers = teach(data, inputs, np.flatnonzero(data.fold != fold), asked, folder, taught)
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
            "process": answers.process,
            "blend": {task.name: blend},
        }
        scored |= {
            f"{k}/{task.name}": found[task.name][:first] for k, found in kinds.items() if task.name in found
        }
    return SoftLabels([pool.smiles[i] for i in shown], values, dilutions, scored, made_from)


def kept_soft_labels(
    path: Path,
    data: TrainingSet,
    pool: Pool,
    inputs: Inputs,
    held_out: int | None,
    config: DenseConfig,
) -> SoftLabels:
    """Return the soft labels in `path`, or make and keep them there; see `soft_labels`.

    Raises
    ------
    DataError
        Those in `path` were made from something else, or it is damaged.
    """
    made_from = digest(data, pool, config)
    if not path.is_file():
        soft_labels(data, pool, inputs, path.with_suffix(""), held_out, config, made_from).save(path)
    soft = SoftLabels.load(path)
    if soft.made_from != made_from:
        raise DataError(f"{path}: from other data, structures or options; delete it, or name another folder")
    return soft


def _asked(
    task: Task, rows: npt.NDArray[np.int64], molecules: npt.NDArray[np.int64], rng: np.random.Generator
) -> Task:
    """Return the rows to ask teachers: the held-out ones, then one for each of some other molecules."""
    dilution = None
    if task.log_dilution is not None:
        chosen = rng.choice(_LOG_DILUTIONS[task.name], len(molecules)).astype(np.float32)
        dilution = np.concatenate([task.log_dilution[rows], chosen])
    return replace(task, molecule=np.concatenate([task.molecule[rows], molecules]), log_dilution=dilution)
