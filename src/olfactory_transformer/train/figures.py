"""The figure that each task is judged by, as the field reports it; the same for every estimator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from olfactory_transformer.train.metrics import label_scores, pearson, r_squared

Array = npt.NDArray[np.floating]
INTENSITY, PLEASANTNESS = ("intensity", "Intensity"), ("valence", "Pleasantness")


def figures(name: str, columns: Sequence[str], truth: Array, predicted: Array) -> dict[str, float]:
    """Score one task's predictions.

    Parameters
    ----------
    name : str
        Of the task (see `tasks.MODEL_TASKS`), "blend" or "pair".
    columns : sequence of str, C of them
    truth, predicted : ndarray (R, C)
        NaN in the truth is left out.

    Returns
    -------
    dict of str to float
        Yes/no labels: macro AUROC and macro average precision. `ratings`: Pearson r over rows of intensity and
        pleasantness, and the words' mean r. `profile`, `blend` and `atlas`: mean over rows of the r of a row's
        words. `pair`: r and RMSE. Others: R2 of each column.

    Examples
    --------
    >>> figures("threshold", ["log_inv_odt"], np.array([[0.0], [1.0]]), np.array([[0.0], [0.5]]))
    {'R2': 0.5}
    """
    if name in ("words", "isomeric", "odorless"):
        scores = label_scores(tuple(columns), truth, predicted, samples=0)
        found = {"AUROC": scores.macro_auroc.value, "AP": scores.macro_average_precision.value}
        return found if len(columns) > 1 else {"AUROC": found["AUROC"]}
    if name == "pair":
        rmse = float(np.sqrt(np.nanmean((truth - predicted) ** 2)))
        return {"RMSE": rmse, "r": pearson(*known(truth[:, 0], predicted[:, 0]))}
    if name in ("threshold", "volatility"):
        each = [r_squared(*known(truth[:, i], predicted[:, i])) for i in range(len(columns))]
        return (
            {"R2": each[0]} if len(each) == 1 else {f"R2 {c}": r for c, r in zip(columns, each, strict=True)}
        )
    apart = {"r intensity": INTENSITY, "r pleasantness": PLEASANTNESS}
    found = {
        what: pearson(*known(truth[:, i], predicted[:, i]))
        for what, names in apart.items()
        for i, column in enumerate(columns)
        if column in names
    }
    words = [i for i, column in enumerate(columns) if column not in (*INTENSITY, *PLEASANTNESS)]
    if name == "ratings":
        rs = [pearson(*known(truth[:, i], predicted[:, i])) for i in words]
        return {**found, "mean r of words": _mean(rs)}
    rs = [pearson(*known(t, p)) for t, p in zip(truth[:, words], predicted[:, words], strict=True)]
    return {**found, "mean r of profiles": _mean(rs)}


def known(truth: Array, predicted: Array) -> tuple[Array, Array]:
    """Return both without the places where one of them is NaN."""
    both = np.isfinite(truth) & np.isfinite(predicted)
    return truth[both], predicted[both]


def _mean(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
