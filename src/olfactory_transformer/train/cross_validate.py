"""Five-fold cross-validation: what the shipped recipe scores on molecules it has not seen.

Each fold's network is trained for a fixed number of epochs on the other folds, without looking at the held-out
one, so the figures are not those of the best epoch. A fold holds all stereoisomers of a molecule, over all data
sources. The same predictions choose the temperature and the thresholds of the shipped model.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.core.cpu import cpu_limit
from olfactory_transformer.train.decisions import Decisions, decide, f1, fit_thresholds, sigmoid
from olfactory_transformer.train.finetune import DEFAULTS, finetune, predict
from olfactory_transformer.train.fit import FitConfig
from olfactory_transformer.train.metrics import (
    LabelScores,
    expected_calibration_error,
    label_scores,
    pearson,
    r_squared,
)
from olfactory_transformer.train.progress import hide_bars
from olfactory_transformer.train.read import FOLDS
from olfactory_transformer.train.tasks import MODEL_TASKS, Task, TrainingSet

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

    def run(self) -> tuple[int, dict[str, Floats]]:
        """Return the fold's number and each task's predictions for its held-out rows."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
            hide_bars()
        network, _ = finetune(
            self.data,
            self.folder / f"fold-{self.held_out}",
            trunk=self.trunk,
            model=self.model,
            config=replace(self.config, seed=self.config.seed + self.held_out),
            hold_out=self.held_out,
        )
        found = {}
        for task in map(self.data.task, MODEL_TASKS):
            rows = _rows(self.data, task, self.held_out)
            dilution = None if task.log_dilution is None else task.log_dilution[rows]
            found[task.name] = predict(network, self.data, task.molecule[rows], dilution)[task.name]
        return self.held_out, found


def _run(fold: _Fold) -> tuple[int, dict[str, Floats]]:
    return fold.run()


def _rows(data: TrainingSet, task: Task, fold: int) -> npt.NDArray[np.int64]:
    return np.flatnonzero(data.fold[task.molecule] == fold)


def out_of_fold(
    data: TrainingSet,
    folder: Path,
    trunk: Path | None,
    model: ModelConfig,
    config: FitConfig = DEFAULTS,
    jobs: int = 1,
    tell: Callable[[str], None] = lambda line: None,
) -> OutOfFold:
    """Train one network a fold (below `folder`, resumable) and predict what each had not seen.

    Parameters
    ----------
    jobs : int
        Folds at a time, each with its share of the processors. Networks of this size keep one core busy but
        not two, so on a CPU a job a core is fastest.
    """
    tasks = [data.task(name) for name in MODEL_TASKS]
    predictions = {task.name: np.full(task.values.shape, np.nan, np.float32) for task in tasks}
    threads = None if jobs == 1 else max(1, cpu_limit() // jobs)
    folds = [_Fold(data, folder, trunk, model, config, k, threads) for k in range(FOLDS)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) if jobs > 1 else nullcontext() as pool:
        for held_out, found in pool.map(_run, folds) if pool else map(_run, folds):
            for task in tasks:
                predictions[task.name][_rows(data, task, held_out)] = found[task.name]
            tell(f"fold {held_out}: macro AUROC {fitted_score(data, predictions, held_out):.4f}")
    return OutOfFold(predictions, {task.name: data.fold[task.molecule] for task in tasks})


def fitted_score(data: TrainingSet, predictions: dict[str, Floats], fold: int) -> float:
    """Return the macro AUROC of one held-out fold."""
    task = data.task("words")
    rows = _rows(data, task, fold)
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
        Temperature and thresholds, chosen on all folds.
    calibration_error : float
        Expected calibration error of the pooled words, after the temperature.
    micro_f1, macro_f1 : float
        Of the primary notes, each fold with thresholds chosen on the others.
    confidence : tuple of (str, int, float, float)
        Band, molecules, mean stated confidence, share of the notes that were right.
    ratings : dict of str to float
        Pearson r over (molecule, dilution) rows of each rating.
    threshold_r2, odorless_auroc : float
    """

    folds: tuple[LabelScores, ...]
    pooled: LabelScores
    decisions: Decisions
    calibration_error: float
    micro_f1: float
    macro_f1: float
    confidence: tuple[tuple[str, int, float, float], ...]
    ratings: dict[str, float]
    threshold_r2: float
    odorless_auroc: float

    def mean_of_folds(self, pick: Callable[[LabelScores], float]) -> tuple[float, float]:
        """Return mean and standard deviation over the folds."""
        values = [pick(scores) for scores in self.folds]
        return float(np.mean(values)), float(np.std(values))


def score(data: TrainingSet, oof: OutOfFold, samples: int = 1000) -> CrossValidated:
    """Score out-of-fold predictions."""
    words = data.task("words")
    truth, logits, fold = words.values.astype(np.float64), oof.predictions["words"], oof.fold["words"]
    decisions = decide(truth, logits)
    probability = sigmoid(logits / decisions.temperature)
    chosen = np.zeros(truth.shape, bool)
    for held_out in range(FOLDS):
        inside = fold == held_out
        chosen[inside] = probability[inside] >= np.array(fit_thresholds(truth[~inside], probability[~inside]))
    hits = (truth * chosen).sum()
    ratings, threshold, odorless = (data.task(name) for name in ("ratings", "threshold", "odorless"))
    return CrossValidated(
        folds=tuple(
            label_scores(words.columns, truth[fold == k], logits[fold == k], samples, seed=k)
            for k in range(FOLDS)
        ),
        pooled=label_scores(words.columns, truth, logits, samples),
        decisions=decisions,
        calibration_error=expected_calibration_error(truth, probability),
        micro_f1=float(2 * hits / (truth.sum() + chosen.sum())),
        macro_f1=float(f1(truth, chosen).mean()),
        confidence=_confidence(truth, probability, chosen),
        ratings={
            name: pearson(ratings.values[:, i], oof.predictions["ratings"][:, i])
            for i, name in enumerate(ratings.columns)
        },
        threshold_r2=r_squared(threshold.values[:, 0], oof.predictions["threshold"][:, 0]),
        odorless_auroc=label_scores(
            odorless.columns, odorless.values, oof.predictions["odorless"], 0
        ).macro_auroc.value,
    )


def _confidence(
    truth: npt.NDArray[np.float64], probability: npt.NDArray[np.float64], chosen: npt.NDArray[np.bool_]
) -> tuple[tuple[str, int, float, float], ...]:
    """Compare the stated confidence of the primary notes with the share of them that is right, in bands."""
    named = chosen.any(1)
    count = chosen[named].sum(1)
    stated = (probability * chosen)[named].sum(1) / count
    right = (truth * chosen)[named].sum(1) / count
    edges = [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0]
    bands = []
    for low, high in pairwise(edges):
        inside = (stated >= low) & (stated < high)
        if inside.any():
            bands.append(
                (
                    f"{low:.1f}-{high:.1f}",
                    int(inside.sum()),
                    float(stated[inside].mean()),
                    float(right[inside].mean()),
                )
            )
    return tuple(bands)
