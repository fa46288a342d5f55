"""One head a task, each from some inputs (B, E)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Ratings are asked at dilutions from 1e-7 to 1 (log10: -7 to 0); outside, the nearest of these answers.
LOG_DILUTION_RANGE = (-7.0, 0.0)
_BASIS = 8


def _hidden(inputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, inputs), nn.GELU(), nn.Dropout(dropout))


def _narrow(inputs: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Dropout(dropout))


class BinaryHead(nn.Module):
    """Logits of yes/no labels: (B, E) -> (B, C).

    A head is `deep` (a hidden layer of its own) where nothing but itself stands between the inputs and the answer.
    """

    def __init__(self, inputs: int, labels: int, dropout: float, *, deep: bool = True) -> None:
        super().__init__()
        self.hidden = _hidden(inputs, dropout) if deep else nn.Identity()
        self.out = nn.Linear(inputs, labels)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (B, C)."""
        return self.out(self.hidden(inputs))  # type: ignore[no-any-return]


class RegressionHead(nn.Module):
    """Numbers on the scale of the training file: (B, E) -> (B, C).

    `mean` and `scale` are the training targets' own, so that the network works near unit size.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: int, columns: int, dropout: float, *, deep: bool = True) -> None:
        super().__init__()
        self.hidden = _hidden(inputs, dropout) if deep else nn.Identity()
        self.out = nn.Linear(inputs, columns)
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("scale", torch.ones(columns))

    def standard(self, inputs: Tensor) -> Tensor:
        """Return standardised predictions (B, C), which losses compare."""
        return self.out(self.hidden(inputs))  # type: ignore[no-any-return]

    def forward(self, inputs: Tensor) -> Tensor:
        """Return predictions (B, C) in the targets' units."""
        return self.standard(inputs) * self.scale + self.mean


class DilutionHead(RegressionHead):
    """Numbers at a dilution: (B, E) and log10 of the volume fraction (B,) -> (B, C)."""

    centres: Tensor

    def __init__(self, inputs: int, columns: int, dropout: float, *, deep: bool = True) -> None:
        super().__init__(inputs, columns, dropout)
        mixed, width = inputs + _BASIS, inputs + _BASIS if deep else inputs // 2
        # Where the others have no hidden layer, this one has a narrow one: the dilution has to be mixed in.
        self.hidden = _hidden(mixed, dropout) if deep else _narrow(mixed, width, dropout / 2)
        self.out = nn.Linear(width, columns)
        self.register_buffer("centres", torch.linspace(*LOG_DILUTION_RANGE, _BASIS))

    def standard(self, inputs: Tensor, log_dilution: Tensor | None = None) -> Tensor:
        """Return standardised predictions (B, C)."""
        if log_dilution is None:
            raise TypeError("log_dilution is needed")
        clamped = log_dilution.clamp(*LOG_DILUTION_RANGE)
        basis = torch.exp(-0.5 * (clamped[:, None] - self.centres) ** 2)  # (B, basis), one step wide
        return self.out(self.hidden(torch.cat([inputs, basis], -1)))  # type: ignore[no-any-return]

    def forward(self, inputs: Tensor, log_dilution: Tensor | None = None) -> Tensor:
        """Return predictions (B, C) in the targets' units."""
        return self.standard(inputs, log_dilution) * self.scale + self.mean
