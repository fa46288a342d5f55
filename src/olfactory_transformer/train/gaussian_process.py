"""Learns what `model.gaussian_process` serves: the kernel by the marginal likelihood, then coefficients.

Shapes: M molecules, R rated rows, E inputs, C columns.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from olfactory_transformer.model.gaussian_process import POWER, GaussianProcess, distances, likeness
from olfactory_transformer.model.transformer import PROCESSES, OlfactoryTransformer
from olfactory_transformer.train.readout import counts
from olfactory_transformer.train.tasks import Task, TrainingSet, known_mean

Floats = npt.NDArray[np.float64]
NOISES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # tried for a direction of the ratings
_STEPS, _LEARNING_RATE = 80, 0.08
_PRIOR = 0.2  # how much the kernel is held to its beginning
_LEAST_SPREAD = 0.1  # of the mean coordinate's
_SAME = 1e-2  # distance of two rows of one molecule, in single precision
LEAST_NOISE = 1e-3  # over the variance of the kernel, for single precision
SETTINGS = (POWER, NOISES, _STEPS, _LEARNING_RATE, _PRIOR, _LEAST_SPREAD)


def fit_processes(
    model: OlfactoryTransformer,
    embedding: npt.NDArray[np.float32],
    data: TrainingSet,
    molecules: npt.NDArray[np.int64],
) -> None:
    """Give `model` the Gaussian processes of `PROCESSES`, learned from the labels of some molecules.

    Parameters
    ----------
    model : OlfactoryTransformer
        Its configuration is told how many rows they have.
    embedding : ndarray of float32, (M, E)
        Of all molecules of `data`, by the encoder.
    molecules : ndarray of int64
        Those to learn from.
    """
    with torch.inference_mode():
        told = [
            torch.from_numpy(table).to(model.encoder.readout.device) for table in (embedding, counts(data))
        ]
        inputs = model.read("numbers", *told).cpu().numpy()
    found: dict[str, GaussianProcess] = {}
    for name in PROCESSES:
        task = data.task(name)
        # What teachers say of a structure is no rating.
        rows = np.flatnonzero(np.isin(task.molecule, molecules) & (data.fold[task.molecule] >= 0))
        if not len(rows):
            return  # without one of them the dense layers answer alone
        found[name] = fit_process(task, rows, inputs)
    model.config = replace(model.config, process_rows=tuple(len(p.points) for p in found.values()))
    model.processes = torch.nn.ModuleDict(found).to(model.encoder.readout.device)


def fit_process(task: Task, rows: npt.NDArray[np.int64], inputs: npt.NDArray[np.float32]) -> GaussianProcess:
    """Return the process of some rows of a task; a value not known counts as the column's mean."""
    rated = inputs[np.unique(task.molecule[rows])]
    spread = rated.std(0)
    # A coordinate in which those rated are all alike says nothing of how far another molecule is.
    spread = np.maximum(spread, _LEAST_SPREAD * spread.mean() + 1e-6)
    values = np.maximum(task.values[rows].astype(np.float64), 0) ** POWER
    mean = known_mean(values)
    apart = np.nan_to_num(values - mean)
    scale = apart.std(0) + 1e-6
    process = GaussianProcess(len(rows), inputs.shape[1], len(task.columns))
    process.centre, process.metric = torch.from_numpy(rated.mean(0)), torch.from_numpy(1 / spread)
    standard = process.place(torch.from_numpy(rated))
    process.metric = process.metric / _median(distances(standard, standard))
    process.points = process.place(torch.from_numpy(inputs[task.molecule[rows]]))
    if task.log_dilution is not None:
        process.log_dilution = torch.from_numpy(task.log_dilution[rows]).clone()
    between = distances(process.points, process.points)
    step = (process.log_dilution[:, None] - process.log_dilution).abs()
    process.kernel, noise = _likeliest_kernel(between, step, apart / scale)
    alike = likeness(between, step, process.kernel).double().numpy()
    found = coefficients(alike, np.full(len(rows), noise), apart / scale) * scale
    process.coefficients, process.mean = (torch.from_numpy(a.astype(np.float32)) for a in (found, mean))
    return process


def _median(between: Tensor) -> float:
    """Return the median distance of different points; 1 if there are none."""
    apart = between[between > _SAME]
    return float(apart.median()) if len(apart) else 1.0


def _likeliest_kernel(between: Tensor, step: Tensor, values: Floats) -> tuple[Tensor, float]:
    """Return the kernel (4,) under which values (R, C) are likeliest, and the variance of their noise over its own."""
    truth = torch.from_numpy(values.astype(np.float32))
    first = torch.tensor([0.0, 1.0, -1.0, -1.0])  # logarithms; of w, log odds
    free, log_noise = torch.nn.Parameter(first.clone()), torch.nn.Parameter(torch.tensor(-1.0))
    optimizer = torch.optim.Adam([free, log_noise], _LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=_STEPS)
    dilutions = bool(step.any())

    def kernel() -> Tensor:
        a, w, s, t = free[0].exp(), free[1].sigmoid(), free[2].exp(), free[3].exp()
        none = torch.zeros(())
        return torch.stack([a, w, s, t] if dilutions else [a, none + 1, none, none])

    for _ in range(_STEPS):
        noise = (log_noise.exp() + LEAST_NOISE).expand(len(truth))
        loss = unlikelihood(likeness(between, step, kernel()), noise, truth)
        loss = loss + _PRIOR * math.sqrt(truth.shape[1]) * (free - first).square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return kernel().detach(), float(log_noise.detach().exp()) + LEAST_NOISE


def unlikelihood(kernel: Tensor, noise: Tensor, values: Tensor) -> Tensor:
    """Return the negative log marginal likelihood of values (R, C), but for a constant.

    The scale of the values' variance is the likeliest one, so that it is no parameter.

    Parameters
    ----------
    kernel : Tensor, (R, R)
    noise : Tensor, (R,)
        Variance over that of the kernel.
    values : Tensor, (R, C)
    """
    root = torch.linalg.cholesky(kernel + torch.diag(noise))
    explained = (values * torch.cholesky_solve(values, root)).sum()
    columns = values.shape[1]
    found: Tensor = (
        columns * root.diagonal().log().sum() + values.numel() / 2 * explained.clamp(min=1e-9).log()
    )
    return found


def coefficients(kernel: Floats, noise: Floats, values: Floats) -> Floats:
    """Return coefficients (R, C) of a Gaussian process along the principal directions of the columns.

    What most columns say has less noise than what a single one does; see `likeliest`.
    """
    directions = np.linalg.svd(values, full_matrices=False)[2].T
    return np.asarray(likeliest(kernel, noise, values @ directions) @ directions.T)


def likeliest(kernel: Floats, noise: Floats, values: Floats) -> Floats:
    """Return coefficients (R, C) of a Gaussian process, each column with the multiple of the noise that fits it.

    Parameters
    ----------
    kernel : ndarray (R, R)
    noise : ndarray (R,)
        Variance over that of the kernel, times one of `NOISES`: the one under which the column is likeliest.
    values : ndarray (R, C)
    """
    result, least = np.zeros_like(values), np.full(values.shape[1], np.inf)
    for times in NOISES:
        inside = kernel + np.diag(times * noise)
        found = np.linalg.solve(inside, values)
        explained = np.maximum((values * found).sum(0), 1e-12)
        half = np.log(np.diag(np.linalg.cholesky(inside))).sum()
        unlikely = half + len(values) / 2 * np.log(explained)
        better = unlikely < least
        result[:, better], least[better] = found[:, better], unlikely[better]
    return result
