"""Estimators that the network is held against, in the same folds; what each answers is kept on disk, a file a fold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.ensemble import RandomForestRegressor

from olfactory_transformer.train import teacher
from olfactory_transformer.train.archive import BROKEN_ARCHIVE, save_arrays
from olfactory_transformer.train.tasks import Task, TrainingSet

Array = npt.NDArray[np.floating]
Held = dict[tuple[str, int], Array]  # (task, fold) -> predictions of the held-out rows


def extra_trees(
    data: TrainingSet, features: Array, names: Iterable[str], folds: Sequence[int], folder: Path
) -> Held:
    """Return the held-out answers of extra trees on descriptors and counts, (M, F), as they teach."""

    return _held(
        data, features, names, folds, lambda task: teacher.extra_trees(seed=0), folder / "extra-trees"
    )


def random_forest(
    data: TrainingSet, counts: npt.NDArray[np.uint8], names: Iterable[str], folds: Sequence[int], folder: Path
) -> Held:
    """Return the held-out answers of a random forest on Morgan counts, (M, 2048), the field's usual baseline.

    500 trees, otherwise as scikit-learn has them: the root of the number of inputs at a split for yes/no tasks, as
    its classifier, all of them for numbers, as its regressor, but 100 trees there, which take long enough.
    """

    def estimator(task: Task) -> Any:
        yes_no = task.kind == "binary"
        return RandomForestRegressor(  # the mean of 0 and 1 is the share of yes: a classifier of many columns
            500 if yes_no else 100,
            max_features="sqrt" if yes_no else 1.0,
            random_state=0,
            n_jobs=torch.get_num_threads(),
        )

    seen = np.flatnonzero(counts.any(0))  # a bit that no molecule has splits nothing
    return _held(data, counts[:, seen].astype(np.float32), names, folds, estimator, folder / "random-forest")


def chemprop(data: TrainingSet, folds: Sequence[int], folder: Path) -> Held:
    """Return what `chemprop_baseline.py` left of the folds, those that it did."""
    found: Held = {}
    molecule = data.task("words").molecule
    for fold in folds:
        path = folder / f"chemprop-fold-{fold}.npz"
        if not path.is_file():
            continue
        with np.load(path, allow_pickle=False) as stored:
            smiles = [data.smiles[i] for i in molecule[data.held_out("words", fold)]]
            if stored["smiles"].tolist() != smiles:
                print(f"{path}: of other molecules than fold {fold} holds out; left out")
                continue
            found["words", fold] = stored["words"]
    return found


def asked_of(task: Task, rows: npt.NDArray[np.int64]) -> Task:
    """Return some rows of a task for an estimator to answer; the values are not theirs."""
    dilution = None if task.log_dilution is None else task.log_dilution[rows]
    return replace(task, molecule=task.molecule[rows], log_dilution=dilution)


def _held(
    data: TrainingSet,
    features: Array,
    names: Iterable[str],
    folds: Sequence[int],
    estimator: Callable[[Task], Any],
    path: Path,
) -> Held:
    """Fit an estimator a task and fold, but for those whose answers to the same inputs are kept."""
    found: Held = {}
    for name in dict.fromkeys(names):
        task = data.task(name)
        for fold in folds:
            rows = data.held_out(task, fold)
            asked = asked_of(task, rows)
            learned = np.flatnonzero(data.fold != fold)
            trees = estimator(task)
            file = path.with_name(f"{path.name}-{name}-fold-{fold}.npz")
            settings = repr(sorted((k, v) for k, v in trees.get_params().items() if k != "n_jobs"))
            key = _digest(features[task.molecule], rows, task.digest(), settings.encode())
            found[name, fold] = _kept(
                file, key, partial(teacher.fitted_answers, trees, task, asked, features, learned)
            )
    return found


def _digest(*parts: npt.NDArray[Any] | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _kept(path: Path, key: str, compute: Callable[[], Array]) -> Array:
    """Return what a file holds under the same key, or compute and keep it."""
    with suppress(*BROKEN_ARCHIVE), np.load(path, allow_pickle=False) as stored:
        if str(stored["key"]) == key:
            return np.asarray(stored["values"])
    values = compute()
    save_arrays(path, {"key": key, "values": values})
    return values
