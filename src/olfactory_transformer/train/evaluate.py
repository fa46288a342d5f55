"""Score a model folder on a file with the columns of a training file."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.config import DEFAULT_DILUTION
from olfactory_transformer.core.errors import DataError, MoleculeError
from olfactory_transformer.inference.mixture_predictor import MixturePredictor
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.inference.runtime import RawOutputs
from olfactory_transformer.inference.statements import sigmoid
from olfactory_transformer.model.tokenizer import MoleculeTokens
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.evaluate_mixtures import predict_blends, predict_pairs
from olfactory_transformer.train.figures import figures, known
from olfactory_transformer.train.metrics import LabelScores, label_scores, pearson
from olfactory_transformer.train.read import Row, dilution_of, number, read_rows

Table = npt.NDArray[np.float64]
MIXTURE_HEADS = ("blend", "pair")
_KEPT = ("smiles", "dilution", "mixture", "components", "dataset", "mixture_1", "mixture_2")
_CLASSES = {"Odor": 1.0, "Odorless": 0.0, "": math.nan}  # of mayhew2022, as odorous or not


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """A kind of file that can be scored.

    Parameters
    ----------
    name : str
        As given to `--task`; that of the training file.
    head : str
        Of the network, and the task's name in training; "blend" and "pair" are those of mixtures.
    columns : tuple of str or None
        Truth and predictions; None: every column that the model's head has.
    needs : tuple of str
        Columns the file must have.
    """

    name: str
    head: str
    columns: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ("smiles",)


TASKS = {
    task.name: task
    for task in (
        EvaluationTask("gs_lf", "words"),
        EvaluationTask("gs_lf_isomeric", "isomeric"),
        EvaluationTask("keller2016", "ratings", needs=("smiles", "dilution")),
        EvaluationTask("dream2025_single", "profile", needs=("smiles", "dilution")),
        EvaluationTask("dravnieks1985", "atlas"),
        EvaluationTask("abraham2012", "threshold", ("log_inv_odt",)),
        EvaluationTask("mayhew2022", "odorless", ("odorous",)),
        EvaluationTask("dream2025_profiles", "blend", needs=("components",)),
        EvaluationTask("pairs", "pair", ("distance",), ("dataset", "mixture_1", "mixture_2")),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a model predicted for a file, and how well.

    Parameters
    ----------
    columns : tuple of str
    rows : list of dict
        The file's rows, in its order.
    predicted : ndarray (R, C)
        In the truth's units, probabilities for yes/no labels; NaN where the molecule could not be read.
    errors : dict of int to str
        Row -> why its molecule could not be read.
    labels : LabelScores or None
        For yes/no labels, where the file has the truth.
    figures : dict of str to float
        Other scores, by name.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    predicted: Table
    errors: dict[int, str]
    labels: LabelScores | None = None
    figures: dict[str, float] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the predictions as CSV, whole or not at all: what the rows name (`_KEPT`), then the columns."""
        temporary = path.with_name(path.name + ".part")
        kept = [name for name in _KEPT if self.rows and name in self.rows[0]]
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*kept, *self.columns])
            for row, values in zip(self.rows, self.predicted, strict=True):
                cells = ["" if math.isnan(v) else format(v, ".6g") for v in values]
                writer.writerow([*(row[name] for name in kept), *cells])
        temporary.replace(path)


def evaluate(
    predictor: ScentPredictor | MixturePredictor,
    data: Path,
    task: str = "gs_lf",
    fold: int | None = None,
    samples: int = 1000,
    mixtures: Path | None = None,
) -> Evaluation:
    """Predict every row of a file and score what has a truth.

    Parameters
    ----------
    predictor : ScentPredictor or MixturePredictor
        The second for blends and pairs.
    data : Path
        CSV with the columns of the task's training file; without truth columns, it is only predicted.
    task : str
        One of `TASKS`.
    fold : int or None
        Only the rows with this value in the `fold` column.
    samples : int
        Bootstrap samples.
    mixtures : Path or None
        For pairs: the components of the mixtures; None: mixtures.csv beside `data`.

    Raises
    ------
    DataError
        The file lacks a column, or has no row of that fold; or the task is unknown.
    """
    if task not in TASKS:
        raise DataError(f"task: got {task!r}, expected one of {', '.join(TASKS)}")
    kind = TASKS[task]
    rows = read_rows(data, [*kind.needs, *(["fold"] if fold is not None else [])])
    if fold is not None:
        rows = [row for row in rows if row["fold"] == str(fold)]
    if not rows:
        raise DataError(f"{data}: no rows" + (f" of fold {fold}" if fold is not None else ""))
    if isinstance(predictor, MixturePredictor) != (kind.head in MIXTURE_HEADS):
        expected = "MixturePredictor" if kind.head in MIXTURE_HEADS else "ScentPredictor"
        raise TypeError(f"task {task}: got a {type(predictor).__name__}, expected a {expected}")
    columns = kind.columns or _shared_columns(predictor, rows[0], kind)
    if isinstance(predictor, ScentPredictor):
        predicted, errors = _predict(predictor, rows, kind, columns)
    elif kind.head == "blend":
        predicted, errors = predict_blends(predictor, rows, columns)
    else:
        predicted, errors = predict_pairs(predictor, rows, mixtures or data.with_name("mixtures.csv"))
    result = Evaluation(columns, rows, predicted, errors)
    truth = _truth(rows, task, columns)
    if truth is None:
        return result
    readable = np.isfinite(predicted[:, 0])
    return _scored(result, kind, truth[readable], predicted[readable], samples)


def _shared_columns(
    predictor: ScentPredictor | MixturePredictor, row: Row, task: EvaluationTask
) -> tuple[str, ...]:
    """Return the file's columns that the model predicts, or all of the model's if the file has no truth."""
    known = (
        predictor.columns if isinstance(predictor, MixturePredictor) else getattr(predictor.config, task.head)
    )
    if not known:
        raise DataError(f"task {task.name}: the model has no head for it")
    return tuple(name for name in row if name in known) or known


def _predict(
    predictor: ScentPredictor, rows: list[Row], task: EvaluationTask, columns: Sequence[str]
) -> tuple[Table, dict[int, str]]:
    tokens: list[MoleculeTokens] = []
    where: list[int] = []
    errors: dict[int, str] = {}
    for index, row in enumerate(rows):
        try:
            tokens.append(predictor.tokenizer(read_molecule(row["smiles"], predictor.limits)))
            where.append(index)
        except MoleculeError as error:
            errors[index] = str(error)
    dilution = [
        dilution_of(rows[i], f"row {i + 1}") if "dilution" in task.needs else DEFAULT_DILUTION for i in where
    ]
    raw = predictor.runtime.run(tokens, np.log10(np.array(dilution, np.float32)))
    table = np.full((len(rows), len(columns)), np.nan)
    table[where] = _columns_of(predictor, raw, task, columns)
    return table, errors


def _columns_of(
    predictor: ScentPredictor, raw: RawOutputs, task: EvaluationTask, columns: Sequence[str]
) -> Table:
    found = getattr(raw, task.head).astype(np.float64)
    if task.head == "odorless":
        return np.asarray(sigmoid(-found), np.float64)  # odorous
    if task.columns is not None:
        return np.asarray(found, np.float64)
    if task.head == "words":
        found = predictor.probabilities(raw)
    elif task.head == "isomeric":
        found = sigmoid(found)
    known = getattr(predictor.config, task.head)
    return np.asarray(found[:, [known.index(name) for name in columns]], np.float64)


def _truth(rows: list[Row], task: str, columns: Sequence[str]) -> Table | None:
    if task == "mayhew2022":
        if "odor.class" not in rows[0]:
            return None
        for index, row in enumerate(rows):
            if row["odor.class"] not in _CLASSES:
                got = f"got {row['odor.class']!r}, expected Odor, Odorless or nothing"
                raise DataError(f"row {index + 1}, column odor.class: {got}")
        return np.array([[_CLASSES[row["odor.class"]]] for row in rows])
    if any(name not in rows[0] for name in columns):
        return None
    return np.array(
        [[number(row[name], f"row {i + 1}, column {name}") for name in columns] for i, row in enumerate(rows)]
    )


def _scored(
    result: Evaluation, task: EvaluationTask, truth: Table, predicted: Table, samples: int
) -> Evaluation:
    if task.head in ("words", "isomeric", "odorless"):
        return replace(result, labels=label_scores(result.columns, truth, predicted, samples))
    rs = [pearson(*known(truth[:, i], predicted[:, i])) for i in range(len(result.columns))]
    each = {"r": rs[0]} if len(rs) == 1 else dict(zip(result.columns, rs, strict=True))
    return replace(result, figures={**each, **figures(task.head, result.columns, truth, predicted)})
