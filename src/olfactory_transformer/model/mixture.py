"""A small network for how far apart two mixtures smell: attention over components, then a scaled cosine.

After POMMix (Tom et al. 2025), in one step: each component says how much it counts. Served by
`inference.pairs.distance`, which computes the same in NumPy.

Shapes: U molecules, F features, P pairs, X facts of a pair, H hidden.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN, HEADS = 64, 4


class PairNetwork(nn.Module):
    """Distance of two mixtures.

    Parameters
    ----------
    features : int
        Of a molecule.
    facts : int
        Of a pair: what its mixtures share, and the study.
    dropout : float

    Examples
    --------
    >>> network = PairNetwork(features=5, facts=2).eval()
    >>> member = torch.tensor([[1.0, 1.0, 0.0]])
    >>> same = network(torch.randn(3, 5), member, member, torch.zeros(1, 2))
    >>> bool(0 < same < 1)
    True
    """

    def __init__(self, features: int, facts: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.inputs = nn.Linear(features, HIDDEN)
        self.value = nn.Linear(HIDDEN, HIDDEN)
        self.attention = nn.Linear(HIDDEN, HEADS)
        self.output = nn.Linear(HIDDEN, HIDDEN)
        self.known = nn.Linear(facts, 1)
        self.slope = nn.Linear(facts, 1)  # studies differ in how far their distances reach
        self.scale = nn.Parameter(torch.tensor(3.0))
        self.dropout = nn.Dropout(dropout)
        for layer in (self.known, self.slope):
            nn.init.zeros_(layer.weight)

    def forward(self, molecules: Tensor, first: Tensor, second: Tensor, known: Tensor) -> Tensor:
        """Return distances (P,), 0-1.

        Parameters
        ----------
        molecules : Tensor (U, F)
        first, second : Tensor (P, U)
            1 where the molecule is in the mixture.
        known : Tensor (P, X)
        """
        # All mixtures see one and the same dropped-out table of molecules, so equal mixtures stay equal.
        hidden = self.dropout(F.silu(self.inputs(self.dropout(molecules))))  # (U, H)
        value = self.value(hidden).view(len(hidden), HEADS, -1)  # (U, heads, H/heads)
        attention = self.attention(hidden).clamp(-4, 4).exp()  # (U, heads)
        mixed = torch.cat([first, second])  # (2P, U)
        total = mixed @ (value * attention[..., None]).flatten(1)  # (2P, H)
        mean = (total.view(len(total), HEADS, -1) / (mixed @ attention)[..., None]).flatten(1)
        a, b = self.output(F.silu(mean)).chunk(2)
        scale = self.scale + self.slope(known)[:, 0]
        score = scale * (1 - F.cosine_similarity(a, b)) + self.known(known)[:, 0]
        return score.sigmoid()  # type: ignore[no-any-return]
