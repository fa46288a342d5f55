"""Training members of the sensor transformer, each on random windows of recordings under made-up sessions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.model.nose import NoseMember, NoseNetwork, Statistics
from olfactory_transformer.sensors.features import Features, features_of
from olfactory_transformer.train.nose.data import FLOORS, GAS, Labelled, smells_of
from olfactory_transformer.train.nose.shifts import GAIN, OFFSET, draw

_GRADIENT = 2.0
_WARM_UP = 100  # steps
_MEASURED = 8  # batches for the features' mean and deviation


@dataclass(frozen=True, slots=True)
class NoseRecipe:
    """How a member is trained.

    Parameters
    ----------
    steps, batch : int
    rate, decay : float
        Largest learning rate, and weight decay (AdamW).
    lengths : tuple of int
        Seconds of the windows, one drawn a batch.
    shifted : float
        Share of windows under a made-up session, of a size drawn from 0 to `largest_shift`.
    largest_shift : float
        See `shifts`.
    masked : float
        Share of channels left out, in half of the windows.
    noise : float
        Standard deviation of each channel's log gain in every window.
    smoothing : float
        Of the labels.
    average : float
        The weights kept are a running mean with this decay.
    """

    steps: int = 1500
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.05
    lengths: tuple[int, ...] = (60, 100, 100, 200, 300, 500)
    shifted: float = 0.4
    largest_shift: float = 2.0
    masked: float = 0.15
    noise: float = 0.01
    smoothing: float = 0.05
    average: float = 0.995


Report = Callable[[int, float], None]


def config_for(recordings: Sequence[Labelled], base: NoseConfig | None = None) -> NoseConfig:
    """Return the config of a network for these recordings' substances, with the usual counts of each."""
    smells = smells_of(list(recordings))
    levels = np.stack([np.log(each.gas.mean(0) + FLOORS) for each in recordings])
    own = np.array([smells.index(each.substance) for each in recordings])
    usual = np.stack([levels[own == smell].mean(0) for smell in range(len(smells))])
    spread = np.sqrt(np.square(levels - usual[own]).sum(0) / max(len(recordings) - len(smells), 1))
    return replace(
        base or NoseConfig((), ()),
        channels=GAS,
        floors=FLOORS,
        smells=smells,
        levels=tuple((np.exp(usual) - FLOORS).round(2).ravel().tolist()),
        level_spread=tuple(spread.round(4).tolist()),
        session_gain=tuple(GAIN.tolist()),
        session_offset=tuple(OFFSET.tolist()),
    )


def fit_member(
    recordings: Sequence[Labelled],
    config: NoseConfig,
    recipe: NoseRecipe,
    seed: int,
    report: Report = lambda step, loss: None,
) -> NoseMember:
    """Train one member.

    Parameters
    ----------
    recordings : sequence of Labelled
        Windows are no longer than the shortest of them.
    config : NoseConfig
        With the recordings' substances as its smells.
    recipe : NoseRecipe
    seed : int
        Of all randomness.
    report : callable
        Told the step and the loss now and then.
    """
    torch.manual_seed(seed)
    windows = _Windows(recordings, config, recipe, seed)
    member, kept = NoseMember(config), NoseMember(config)
    member.measure(windows.statistics())
    kept.load_state_dict(member.state_dict())
    optimiser = torch.optim.AdamW(member.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / _WARM_UP)
            group["lr"] = recipe.rate * warm * (0.5 + 0.5 * math.cos(math.pi * step / recipe.steps))
        said, smells = windows.draw()
        member.train()
        logits, _ = member(*_tensors(said))
        loss = F.cross_entropy(logits, smells, label_smoothing=recipe.smoothing)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(member.parameters(), _GRADIENT)
        optimiser.step()
        with torch.no_grad():
            share = 1 - min(recipe.average, (step + 1) / (step + 10))
            for mean, now in zip(kept.parameters(), member.parameters(), strict=True):
                mean.lerp_(now, share)
        if (step + 1) % 50 == 0 or step + 1 == recipe.steps:
            report(step + 1, float(loss.detach()))
    return kept.eval()


def together(members: Sequence[NoseMember], config: NoseConfig) -> NoseNetwork:
    """Return the network of these members."""
    network = NoseNetwork(replace(config, members=len(members)))
    for place, member in enumerate(members):
        network.members[place].load_state_dict(member.state_dict())
    return network.eval()


@torch.no_grad()
def run(network: NoseNetwork, said: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return log probabilities and embeddings of windows."""
    logits, embeddings = network(*_tensors(said))
    return logits.numpy(), embeddings.numpy()


class _Windows:
    """Draws batches of windows of one length."""

    def __init__(
        self, recordings: Sequence[Labelled], config: NoseConfig, recipe: NoseRecipe, seed: int
    ) -> None:
        self._gas = [each.gas for each in recordings]
        self._smells = np.array([config.smells.index(each.substance) for each in recordings])
        self._recipe, self._floors = recipe, np.array(config.floors)
        self._longest = min(map(len, self._gas))
        self._random = np.random.default_rng(seed)

    def draw(self) -> tuple[Features, Tensor]:
        """Return features of a batch, and the place of each window's smell."""
        recipe, random = self._recipe, self._random
        length = min(int(random.choice(recipe.lengths)), self._longest)
        chosen = random.integers(len(self._gas), size=recipe.batch)
        windows = np.stack([self._crop(self._gas[i], length) for i in chosen])
        sizes = random.uniform(0, recipe.largest_shift, recipe.batch) * (
            random.random(recipe.batch) < recipe.shifted
        )
        shifted = draw(sizes, recipe.batch, random).apply(windows)
        shape = (recipe.batch, 1, shifted.shape[2])
        noisy = shifted * np.exp(recipe.noise * random.standard_normal(shape)) + random.uniform(
            -0.5, 0.5, shape
        )
        left_out = (random.random(shape) < recipe.masked) & (random.random((recipe.batch, 1, 1)) < 0.5)
        left_out &= (~left_out).sum(2, keepdims=True) >= 2
        return (
            features_of(np.where(left_out, np.nan, np.maximum(noisy, 0)), self._floors),
            torch.from_numpy(self._smells[chosen]),
        )

    def statistics(self) -> Statistics:
        """Measure the features, over windows without missing channels."""
        said = []
        keep, self._recipe = self._recipe, replace(self._recipe, masked=0.0)
        for _ in range(_MEASURED):
            said.append(self.draw()[0])
        self._recipe = keep
        pairs = torch.from_numpy(np.concatenate([each.pairs for each in said]))
        channels = torch.from_numpy(np.concatenate([each.channels for each in said]))
        return Statistics(pairs.mean(0), pairs.std(0), channels.mean(0), channels.std(0))

    def _crop(self, gas: NDArray[np.float32], length: int) -> NDArray[np.float32]:
        start = int(self._random.integers(len(gas) - length + 1))
        return gas[start : start + length]


def _tensors(said: Features) -> tuple[Tensor, Tensor, Tensor]:
    return torch.from_numpy(said.pairs), torch.from_numpy(said.channels), torch.from_numpy(said.present)
