"""Five-fold cross-validation: what the shipped recipe scores on molecules it has not seen.

Each fold's network is trained for a fixed number of epochs on the other folds, without looking at the held-out
one, so the figures are not those of the best epoch. A fold holds all stereoisomers of a molecule, over all data
sources. The same predictions choose the calibration and the thresholds of the shipped model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.core.cpu import cpu_limit
from olfactory_transformer.train.certainty import Certainty, certainty
from olfactory_transformer.train.decisions import Decisions, decide
from olfactory_transformer.train.distil import SoftLabels
from olfactory_transformer.train.figures import figures
from olfactory_transformer.train.finetune import DEFAULTS, finetune, held_out_predictions
from olfactory_transformer.train.fit import FitConfig
from olfactory_transformer.train.metrics import LabelScores, label_scores
from olfactory_transformer.train.progress import hide_bars
from olfactory_transformer.train.read import FOLDS
from olfactory_transformer.train.tasks import MODEL_TASKS, TrainingSet

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Predictions for every labelled row by the network that had not seen its molecule.

    Parameters
    ----------
    predictions : dict of str to ndarray
        Task -> (R, C), in the order of the task's rows; logits for yes/no labels.
    fold : dict of str to ndarray
        Task -> (R,).
    """

    predictions: dict[str, Floats]
    fold: dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    """Everything a worker needs to train and predict one fold."""

    data: TrainingSet
    folder: Path
    trunk: Path | None
    model: ModelConfig
    config: FitConfig
    held_out: int
    threads: int | None
    teachers: Path | None

    def run(self) -> tuple[int, dict[str, Floats]]:
        """Return the fold's number and each task's predictions for its held-out rows."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
            hide_bars()
        data = self.data
        if self.teachers is not None:
            data = SoftLabels.load(self.teachers / f"fold-{self.held_out}.npz").added_to(data)
        network, _ = finetune(
            data,
            self.folder / f"fold-{self.held_out}",
            trunk=self.trunk,
            model=self.model,
            config=replace(self.config, seed=self.config.seed + self.held_out),
            hold_out=self.held_out,
        )
        return self.held_out, held_out_predictions(network, self.data, self.held_out)


def _run(fold: _Fold) -> tuple[int, dict[str, Floats]]:
    return fold.run()


def out_of_fold(
    data: TrainingSet,
    folder: Path,
    trunk: Path | None,
    model: ModelConfig,
    config: FitConfig = DEFAULTS,
    jobs: int = 1,
    teachers: Path | None = None,
    held_out: Sequence[int] = range(FOLDS),
    tell: Callable[[str], None] = lambda line: None,
) -> OutOfFold:
    """Train one network a fold (below `folder`, resumable) and predict what each had not seen.

    Parameters
    ----------
    jobs : int
        Folds at a time, each with its share of the processors. Networks of this size keep one core busy but
        not two, so on a CPU a job a core is fastest.
    teachers : Path or None
        Folder written by `olfactory teach`; every fold's network learns from the teachers of that fold, too.
    held_out : sequence of int
        Folds to do; the rows of others stay NaN.
    """
    tasks = [data.task(name) for name in MODEL_TASKS]
    predictions = {task.name: np.full(task.values.shape, np.nan, np.float32) for task in tasks}
    threads = None if jobs == 1 else max(1, cpu_limit() // jobs)
    folds = [_Fold(data, folder, trunk, model, config, k, threads, teachers) for k in held_out]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) if jobs > 1 else nullcontext() as pool:
        for fold, found in pool.map(_run, folds) if pool else map(_run, folds):
            for task in tasks:
                predictions[task.name][data.held_out(task, fold)] = found[task.name]
            tell(f"fold {fold}: macro AUROC {fitted_score(data, predictions, fold):.4f}")
    return OutOfFold(predictions, {task.name: data.fold[task.molecule] for task in tasks})


def fitted_score(data: TrainingSet, predictions: dict[str, Floats], fold: int) -> float:
    """Return the macro AUROC of one held-out fold."""
    task = data.task("words")
    rows = data.held_out(task, fold)
    return label_scores(task.columns, task.values[rows], predictions["words"][rows], 0).macro_auroc.value


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """All scores of a cross-validation.

    Parameters
    ----------
    folds : tuple of LabelScores
        The 138 words on each held-out fold.
    pooled : LabelScores
        The same over all molecules at once (scores of five networks mixed), for every word.
    decisions : Decisions
        Calibration and thresholds, chosen on all folds.
    certainty : Certainty
        Of probabilities, notes, sets and confidence, each fold by what was decided on the others.
    held_out : tuple of int
        The folds that were done.
    parts : tuple of str
        What the certainty was measured on in turn: the folds, or, with a few folds alone, fifths of their rows.
    heads : dict of (str, str) to (float, float)
        Task and figure (see `figures`) -> mean and standard deviation over the folds.
    """

    folds: tuple[LabelScores, ...]
    pooled: LabelScores
    decisions: Decisions
    certainty: Certainty
    held_out: tuple[int, ...]
    parts: tuple[str, ...]
    heads: dict[tuple[str, str], tuple[float, float]]

    def mean_of_folds(self, pick: Callable[[LabelScores], float]) -> tuple[float, float]:
        """Return mean and standard deviation over the folds."""
        values = [pick(scores) for scores in self.folds]
        return float(np.mean(values)), float(np.std(values))


def score(data: TrainingSet, oof: OutOfFold, samples: int = 1000) -> CrossValidated:
    """Score out-of-fold predictions; rows of a fold that was not done are left out."""
    words = data.task("words")
    done = np.isfinite(oof.predictions["words"][:, 0])
    truth, logits = words.values[done].astype(np.float64), oof.predictions["words"][done]
    fold = oof.fold["words"][done]
    held_out = tuple(int(k) for k in np.unique(fold))
    # What is decided is judged on rows it was not chosen on: other folds, or, with a few folds alone, other parts.
    whole = len(held_out) == FOLDS
    part = fold if whole else np.random.default_rng(0).permutation(np.arange(len(fold)) % FOLDS)
    folds = tuple(
        label_scores(words.columns, truth[fold == k], logits[fold == k], samples, seed=k) for k in held_out
    )
    auroc = round(float(np.mean([each.macro_auroc.value for each in folds])), 4)
    return CrossValidated(
        folds=folds,
        pooled=label_scores(words.columns, truth, logits, samples),
        decisions=replace(decide(truth, logits, part), auroc=auroc if auroc > 0 else 0.0),
        certainty=certainty(truth, logits, part),
        held_out=held_out,
        parts=tuple(f"{'fold' if whole else 'part'} {k}" for k in range(FOLDS)),
        heads=_heads(data, oof, held_out),
    )


def _heads(
    data: TrainingSet, oof: OutOfFold, held_out: tuple[int, ...]
) -> dict[tuple[str, str], tuple[float, float]]:
    each: dict[tuple[str, str], list[float]] = {}
    for name, predicted in oof.predictions.items():
        task = data.task(name)
        for k in held_out:
            rows = data.held_out(task, k)
            found = figures(name, task.columns, task.values[rows].astype(np.float32), predicted[rows])
            for figure, value in found.items():
                each.setdefault((name, figure), []).append(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a figure that no fold has stays NaN
        return {key: (float(np.nanmean(values)), float(np.nanstd(values))) for key, values in each.items()}
