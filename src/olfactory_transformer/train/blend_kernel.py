"""Learns the kernel of blends from their ratings: the marginal likelihood of a Gaussian process, by gradients.

Shapes: R stimuli, U molecules, T of them at their dilutions, H kernels, P directions of the embeddings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from olfactory_transformer.inference.blends import KERNEL, BlendModel
from olfactory_transformer.inference.mixture_parts import Floats, squared_distances
from olfactory_transformer.train.gaussian_process import LEAST_NOISE, unlikelihood

_PRIOR = 10.0  # how much the likeness of molecules is held to its beginning


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """How the kernel of blends is learned.

    Parameters
    ----------
    kernels : int
        H of them beside the one on words; 1 or more.
    steps : int
    learning_rate : float
    potency_prior : float
        How much potency is held to 0.
    noise : float
        Of a blend's rating over the variance that the kernel explains, at the start.
    single_noise : float
        The same of a single molecule's, as a multiple: they come from another session.
    """

    kernels: int = 3
    steps: int = 60
    learning_rate: float = 0.1
    potency_prior: float = 5.0
    noise: float = 0.0025
    single_noise: float = 1.5


def median_distance(squared: Floats) -> float:
    """Return the root of the median of squared distances that are not 0; 1 if all are."""
    found = squared[squared > 1e-9]
    return math.sqrt(float(np.median(found))) if len(found) else 1.0


def started(model: BlendModel, config: KernelConfig) -> BlendModel:
    """Return the model with kernels to begin with: no potency, distances in units of their medians."""
    standard, words = model.standard(model.components), model.standard_words(model.components, model.mixtures)
    many = config.kernels
    weight = 1 / (many + 0.4)
    apart, by_words = (median_distance(squared_distances(x, x)) for x in (standard, words))
    numbers = {
        "power": np.linspace(0.15, 0.3, many),
        "by_dilution": np.geomspace(0.5, 0.05, many),
        "by_distance": np.full(many, 1 / apart),
        "same": np.ones(many),
        "decay": np.full(many, 0.2),
        "weight": np.full(many, weight),
    }
    return replace(
        model,
        kernels=np.stack([numbers[name] for name in KERNEL], 1),
        by_words=np.array([0.125 / by_words, 0.4 * weight]),
        potency=np.zeros((many, standard.shape[1])),
    )


class BlendKernel(torch.nn.Module):
    """`BlendModel.kernel` of the rated stimuli among themselves, with what is to be learned of it as parameters.

    Parameters
    ----------
    model : BlendModel
        With the kernels to begin with; potency is taken to be 0.
    """

    along: Tensor
    apart: Tensor
    count: Tensor
    first: Tensor
    log_dilution: Tensor
    words_apart: Tensor

    def __init__(self, model: BlendModel) -> None:
        super().__init__()
        mixtures, there = model.mixtures, model.present
        rated = np.stack([mixtures.molecule[there], mixtures.log_dilution[there]], 1)
        distinct, number = np.unique(rated, axis=0, return_inverse=True)
        count = np.zeros((len(mixtures), len(distinct)))  # (R, T)
        np.add.at(count, (np.nonzero(there)[0], number.ravel()), 1)
        standard = model.standard(model.components)
        words = model.standard_words(model.components, mixtures)
        # Potency is a line on principal directions, the largest of which has variance 1.
        left, size, right = np.linalg.svd(standard - standard.mean(0), full_matrices=False)
        scale = math.sqrt(len(standard)) / max(size[0], 1e-9)
        self.directions = right * scale  # (P, E)

        def fixed(name: str, values: Floats) -> None:
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))

        def learned(values: Floats) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.tensor(values, dtype=torch.float32))

        self.molecule = torch.from_numpy(distinct[:, 0].astype(np.int64))
        fixed("log_dilution", distinct[:, 1])
        fixed("count", count)
        fixed("along", left * size * scale)  # (U, P)
        fixed("apart", np.sqrt(squared_distances(standard, standard)))
        fixed("words_apart", np.sqrt(squared_distances(words, words)))
        power, *rest, weight = model.kernels.T
        self.power = learned(power)
        self.logs = learned(np.log(np.stack(rest)))  # by dilution, by distance, same, decay
        self.decay_by_words = learned(np.log(model.by_words[:1]))
        self.weights = learned(np.log(np.r_[weight, model.by_words[1]]))
        self.potency = learned(np.zeros((len(power), self.along.shape[1])))
        self.register_buffer("first", self.logs.detach().clone())

    def forward(self) -> Tensor:
        """Return similarities, (R, R)."""
        weights = self.weights.softmax(0)
        total = weights[-1] * torch.exp(-self.decay_by_words.exp() * self.words_apart)
        step = (self.log_dilution[:, None] - self.log_dilution[None]).abs()  # (T, T)
        apart = self.apart[self.molecule][:, self.molecule]
        same = (self.molecule[:, None] == self.molecule[None]).float()
        potency = self.along @ self.potency.T  # (U, H)
        for number, weight in enumerate(weights[:-1]):
            by_dilution, by_distance, bonus, decay = self.logs[:, number].exp()
            alike = torch.exp(-by_distance * apart) + bonus * same
            alike = alike * torch.exp(-by_dilution * step)
            log_share = self.power[number] * math.log(10) * self.log_dilution + potency[self.molecule, number]
            share = self.count * torch.exp((log_share - log_share.max()).clamp(min=-60))  # (R, T)
            share = share / share.sum(1, keepdim=True)
            between = share @ alike @ share.T
            own = between.diagonal()
            squared = own[:, None] + own[None] - 2 * between
            total = total + weight * torch.exp(-decay * squared.clamp(min=1e-6).sqrt())
        return total

    def far(self) -> Tensor:
        """Return how far the likeness of molecules is from its beginning, squared; the other numbers are free."""
        return (self.logs[1:3] - self.first[1:3]).square().sum()

    def put(self, model: BlendModel) -> BlendModel:
        """Return the model with these kernels."""
        with torch.no_grad():
            weights = self.weights.double().softmax(0).numpy()
            numbers = (self.power[None].double(), self.logs.double().exp())
            kernels = np.vstack([*(n.numpy() for n in numbers), weights[None, :-1]]).T
            by_words = np.array([float(self.decay_by_words.exp()), weights[-1]])
            potency = self.potency.double().numpy() @ self.directions
        return replace(model, kernels=kernels, by_words=by_words, potency=potency)


def learn_kernel(
    model: BlendModel, values: Floats, single: npt.NDArray[np.bool_], config: KernelConfig
) -> tuple[BlendModel, Floats]:
    """Return the model with the kernels that make the ratings likeliest, and the ratings' noise (R,).

    Parameters
    ----------
    model : BlendModel
        As `started` gives it.
    values : ndarray (R, W)
        Ratings of the words less their mean; 0 where not known.
    single : ndarray of bool, (R,)
    config : KernelConfig
    """
    kernel = BlendKernel(model)
    noise = torch.nn.Parameter(torch.tensor([config.noise, config.single_noise]).log())
    truth, alone = torch.tensor(values, dtype=torch.float32), torch.tensor(single)
    parameters = [*kernel.parameters(), noise]
    optimizer = torch.optim.Adam(parameters, config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=max(config.steps, 1)
    )

    def noises() -> Tensor:
        of_blend, times = noise.exp()
        return torch.where(alone, of_blend * times, of_blend) + LEAST_NOISE

    for _ in range(config.steps):
        loss = unlikelihood(kernel(), noises(), truth)
        loss = loss + config.potency_prior * kernel.potency.square().sum() + _PRIOR * kernel.far()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return kernel.put(model), noises().detach().double().numpy()
