"""One head a task, each from the embedding (B, E)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Ratings are asked at dilutions from 1e-7 to 1 (log10: -7 to 0); outside, the nearest of these answers.
LOG_DILUTION_RANGE = (-7.0, 0.0)
_BASIS = 8


def _hidden(inputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, inputs), nn.GELU(), nn.Dropout(dropout))


class BinaryHead(nn.Module):
    """Logits of yes/no labels: (B, E) -> (B, C)."""

    def __init__(self, inputs: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.hidden = _hidden(inputs, dropout)
        self.out = nn.Linear(inputs, labels)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return logits (B, C)."""
        return self.out(self.hidden(embedding))  # type: ignore[no-any-return]


class RegressionHead(nn.Module):
    """Numbers on the scale of the training file: (B, E) -> (B, C).

    `mean` and `scale` are the training targets' own, so that the network works near unit size.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: int, columns: int, dropout: float) -> None:
        super().__init__()
        self.hidden = _hidden(inputs, dropout)
        self.out = nn.Linear(inputs, columns)
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("scale", torch.ones(columns))

    def standard(self, embedding: Tensor) -> Tensor:
        """Return standardised predictions (B, C), which losses compare."""
        return self.out(self.hidden(embedding))  # type: ignore[no-any-return]

    def forward(self, embedding: Tensor) -> Tensor:
        """Return predictions (B, C) in the targets' units."""
        return self.standard(embedding) * self.scale + self.mean


class DilutionHead(RegressionHead):
    """Numbers at a dilution: (B, E) and log10 of the volume fraction (B,) -> (B, C)."""

    centres: Tensor

    def __init__(self, inputs: int, columns: int, dropout: float) -> None:
        super().__init__(inputs, columns, dropout)
        self.hidden = _hidden(inputs + _BASIS, dropout)
        self.out = nn.Linear(inputs + _BASIS, columns)
        self.register_buffer("centres", torch.linspace(*LOG_DILUTION_RANGE, _BASIS))

    def standard(self, embedding: Tensor, log_dilution: Tensor | None = None) -> Tensor:
        """Return standardised predictions (B, C)."""
        if log_dilution is None:
            raise TypeError("log_dilution is needed")
        clamped = log_dilution.clamp(*LOG_DILUTION_RANGE)
        basis = torch.exp(-0.5 * (clamped[:, None] - self.centres) ** 2)  # (B, basis), one step wide
        return self.out(self.hidden(torch.cat([embedding, basis], -1)))  # type: ignore[no-any-return]

    def forward(self, embedding: Tensor, log_dilution: Tensor | None = None) -> Tensor:
        """Return predictions (B, C) in the targets' units."""
        return self.standard(embedding, log_dilution) * self.scale + self.mean
