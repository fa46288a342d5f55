"""The sensor transformer: a token a channel and a token a pair of channels, one readout token.

    features ▸ numbers as waves ▸ tokens ▸ transformer ▸ embedding ▸ smells

Tokens have no order, and a board without some of the channels simply has fewer of them. Each number is first spread
over waves of learned frequencies (Gorishniy et al. 2022, "On embeddings for numerical features in tabular deep
learning"), without which a network sees small differences between levels far worse than trees do.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.sensors.features import CHANNEL_FEATURES, PAIR_FEATURES

WAVES = 8
WAVE_SPREAD = 0.3  # standard deviation of the first frequencies, in waves a standard deviation of the number
NUMBER_WIDTH = 6
SCALE = 8.0  # embeddings have length 1; logits need more
_CLIP = 5.0  # standard deviations


class Statistics(NamedTuple):
    """Mean and standard deviation of each feature over the training windows: (P, 11) and (C, 14)."""

    pair_mean: Tensor
    pair_deviation: Tensor
    channel_mean: Tensor
    channel_deviation: Tensor


class Waves(nn.Module):
    """Spreads each number of each token over waves, and makes the token of them."""

    def __init__(self, tokens: int, numbers: int, width: int) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.randn(tokens, numbers, WAVES) * WAVE_SPREAD)
        self.weight = nn.Parameter(
            torch.randn(tokens, numbers, 2 * WAVES + 1, NUMBER_WIDTH) / math.sqrt(2 * WAVES)
        )
        self.bias = nn.Parameter(torch.zeros(tokens, numbers, NUMBER_WIDTH))
        self.out = nn.Parameter(
            torch.randn(tokens, numbers * NUMBER_WIDTH, width) / math.sqrt(numbers * NUMBER_WIDTH)
        )
        self.register_buffer("mean", torch.zeros(tokens, numbers))
        self.register_buffer("deviation", torch.ones(tokens, numbers))

    def forward(self, numbers: Tensor) -> Tensor:
        """(B, tokens, numbers) to (B, tokens, width)."""
        x = ((numbers - self.mean) / self.deviation).clamp(-_CLIP, _CLIP)[..., None]  # type: ignore[operator]
        angle = 2 * math.pi * x * self.frequency
        waves = torch.cat([angle.sin(), angle.cos(), x], -1)  # (B, tokens, numbers, 2 waves + 1)
        each = F.gelu(torch.einsum("bnfk,nfkd->bnfd", waves, self.weight) + self.bias)
        return torch.einsum("bnf,nfw->bnw", each.flatten(2), self.out)


class NoseMember(nn.Module):
    """One network; see `NoseNetwork`."""

    def __init__(self, config: NoseConfig) -> None:
        super().__init__()
        channels, width = len(config.channels), config.width
        pairs = config.pairs
        self.register_buffer("first", torch.tensor([i for i, _ in pairs]), persistent=False)
        self.register_buffer("second", torch.tensor([j for _, j in pairs]), persistent=False)
        self.pairs = Waves(len(pairs), PAIR_FEATURES, width)
        self.channels = Waves(channels, CHANNEL_FEATURES, width)
        self.identity = nn.Parameter(torch.randn(1 + len(pairs) + channels, width) * 0.02)
        self.drop = nn.Dropout(config.dropout)
        layer = nn.TransformerEncoderLayer(
            width, config.heads, 2 * width, config.dropout / 2, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.read = nn.Sequential(
            nn.Linear(2 * width, 2 * width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * width, config.embedding),
        )
        self.smells = nn.Linear(config.embedding, len(config.smells))

    def forward(self, pairs: Tensor, channels: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, smells) and embeddings (B, embedding) of length 1."""
        batch = present.shape[0]
        said = self.drop(torch.cat([self.pairs(pairs), self.channels(channels)], 1)) + self.identity[1:]
        tokens = torch.cat([self.identity[:1].expand(batch, 1, -1), said], 1)  # (B, 1 + P + C, W)
        both = present[:, self.first] * present[:, self.second]  # type: ignore[index]
        there = torch.cat([torch.ones_like(present[:, :1]), both, present], 1)
        hidden = self.norm(self.encoder(tokens, src_key_padding_mask=there < 0.5))
        weight = there[:, 1:, None]
        mean = (hidden[:, 1:] * weight).sum(1) / weight.sum(1).clamp_min(1.0)
        embedding = F.normalize(self.read(torch.cat([hidden[:, 0], mean], -1)), dim=-1)
        return self.smells(self.drop(embedding) * SCALE), embedding

    def measure(self, statistics: Statistics) -> None:
        """Take on the training windows' mean and deviation of each feature."""
        for waves, mean, deviation in (
            (self.pairs, statistics.pair_mean, statistics.pair_deviation),
            (self.channels, statistics.channel_mean, statistics.channel_deviation),
        ):
            cast(Tensor, waves.mean).copy_(mean)
            cast(Tensor, waves.deviation).copy_(deviation + 0.01)


class NoseNetwork(nn.Module):
    """Networks trained apart: the mean of their probabilities, and their embeddings side by side.

    Parameters
    ----------
    config : NoseConfig
    """

    def __init__(self, config: NoseConfig) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(NoseMember(config) for _ in range(config.members))

    def forward(self, pairs: Tensor, channels: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Read the features of B windows.

        Parameters
        ----------
        pairs : Tensor (B, P, 11)
        channels : Tensor (B, C, 14)
        present : Tensor (B, C)
            1 or 0; at least one.

        Returns
        -------
        Tensor (B, smells)
            Log probabilities.
        Tensor (B, members x embedding)
            Of length 1.
        """
        said = [member(pairs, channels, present) for member in self.members]
        mean = torch.stack([torch.softmax(logits, -1) for logits, _ in said]).mean(0)
        side_by_side = torch.cat([embedding for _, embedding in said], -1) / math.sqrt(len(said))
        return mean.clamp_min(1e-6).log(), side_by_side


def export_nose(network: NoseNetwork, path: Path) -> None:
    """Write the network as ONNX: inputs `pairs`, `channels`, `present`, outputs `smells`, `embedding`."""
    from olfactory_transformer.model.onnx_export import write_graph

    config = network.config
    pairs, channels = len(config.pairs), len(config.channels)
    example = (
        torch.zeros(3, pairs, PAIR_FEATURES),
        torch.zeros(3, channels, CHANNEL_FEATURES),
        torch.ones(3, channels),
    )
    names = ("pairs", "channels", "present")
    batch = torch.export.Dim("batch", min=1, max=65536)
    # The fused kernel of the encoder has no counterpart in ONNX.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        write_graph(
            copy.deepcopy(network).cpu().eval(),
            example,
            path,
            names,
            ("smells", "embedding_out"),
            {name: {0: batch} for name in names},
        )
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
