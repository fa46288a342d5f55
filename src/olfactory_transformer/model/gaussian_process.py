"""Numbers by the mean of a Gaussian process (Rasmussen & Williams 2006, 2.2) on what a network makes of molecules.

A few hundred molecules are rated by a panel. A dense layer overfits so few, and follows dilution badly; the process
says of a molecule what was said of those near it, at dilutions near its own.

Shapes: B molecules, E inputs, R rated rows, C columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from olfactory_transformer.model.heads import LOG_DILUTION_RANGE

# Ratings are learned to this power: few are large, and those are rated with more noise.
POWER = 0.75
_CLOSEST = 1e-6  # of squared distances, whose root has no slope at 0


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Return Euclidean distances, (B, E) and (R, E) -> (B, R)."""
    squared = a.square().sum(-1)[:, None] + b.square().sum(-1)[None] - 2 * a @ b.T
    return squared.clamp(min=_CLOSEST).sqrt()


def likeness(apart: Tensor, step: Tensor, kernel: Tensor) -> Tensor:
    """Return how alike ratings are, 0-1, (B, R).

    Parameters
    ----------
    apart : Tensor, (B, R)
        Distances of their molecules.
    step : Tensor, (B, R)
        From one log10 dilution to the other, 0 or more.
    kernel : Tensor, (4,)
        a, w, s and t in w exp(-a apart - s step) + (1 - w) exp(-t step): the second part is what any two molecules
        have in common at dilutions alike. With s = t = 0 and w = 1 dilutions do not count.

    Examples
    --------
    >>> likeness(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2), torch.tensor([1.0, 1.0, 0.5, 0.5])).numpy().round(3)
    array([[1.   , 0.135]], dtype=float32)
    """
    a, w, s, t = kernel.unbind()
    return w * torch.exp(-a * apart - s * step) + (1 - w) * torch.exp(-t * step)


class GaussianProcess(nn.Module):
    """Numbers not below 0 at a dilution: (B, E) and log10 of the volume fraction (B,) -> (B, C).

    Parameters
    ----------
    rows, inputs, columns : int
        R, E, C.
    """

    centre: Tensor
    metric: Tensor
    points: Tensor
    log_dilution: Tensor
    kernel: Tensor
    coefficients: Tensor
    mean: Tensor

    def __init__(self, rows: int, inputs: int, columns: int) -> None:
        super().__init__()
        sizes = {
            "centre": (inputs,),  # near the points, so that distances lose no digits
            "metric": (inputs,),  # what a coordinate is multiplied by
            "points": (rows, inputs),  # as `place` gives them
            "log_dilution": (rows,),
            "kernel": (4,),
            "coefficients": (rows, columns),
            "mean": (columns,),
        }
        for name, size in sizes.items():
            self.register_buffer(name, torch.zeros(size))

    def place(self, inputs: Tensor) -> Tensor:
        """Return where molecules lie in the metric of the process, (B, E)."""
        return (inputs - self.centre) * self.metric

    def forward(self, inputs: Tensor, log_dilution: Tensor) -> Tensor:
        """Return numbers in the targets' units, (B, C)."""
        apart = distances(self.place(inputs), self.points)
        step = (log_dilution.clamp(*LOG_DILUTION_RANGE)[:, None] - self.log_dilution).abs()
        values = self.mean + likeness(apart, step, self.kernel) @ self.coefficients
        return values.clamp(min=0.0) ** (1 / POWER)
