"""Profiles of blends by kernel regression (a Gaussian process's mean), in NumPy.

A blend is like another as far as its components, weighted by their share, are the same molecules, or molecules close
by on the odour map, at similar dilutions: the distance of two blends is that of the means of their components
in the space of the kernel (maximum mean discrepancy). What is alike smells alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from olfactory_transformer.inference.mixture_parts import (
    Components,
    Floats,
    Integers,
    Mixtures,
    blocks,
    inner,
    largest_words,
    own_inner,
    squared_distances,
)

# Power of the volume fraction, dilution scale (powers of ten), weight. A power near 0: a hundredfold dilution
# halves a component's share, much as it does its smell.
KERNELS = ((0.15, 2.0, 1.0), (0.15, np.inf, 1.0), (0.0, 2.0, 1.0), (0.3, np.inf, 1.0))
WORDS_POWER, WORDS_WEIGHT = 0.15, 0.5
_LENGTH = 2.0  # of the exponential kernels, in root median distances


@dataclass(frozen=True, eq=False)
class BlendModel:
    """Stimuli that were rated, and what was learned from them.

    Parameters
    ----------
    key, embedding, words : ndarrays (U,), (U, E), (U, C)
        `Components` of the rated stimuli.
    molecule, log_dilution, present : ndarrays (R, K)
        `Mixtures` of them.
    centre, spread : ndarray (E,)
        Of the embeddings.
    medians : ndarray (2 + kernels,)
        Median squared distances: of molecules, of stimuli by each kernel, by words.
    words_centre, words_spread : ndarray (C,)
    coefficients : ndarray (R, W)
    mean : ndarray (W,)
        Of the profiles of blends, in their units (0-5 for words).
    """

    key: Integers
    embedding: Floats
    words: Floats
    molecule: Integers
    log_dilution: Floats
    present: npt.NDArray[np.bool_]
    centre: Floats
    spread: Floats
    medians: Floats
    words_centre: Floats
    words_spread: Floats
    coefficients: Floats
    mean: Floats

    @property
    def components(self) -> Components:
        """Molecules of the rated stimuli."""
        return Components(self.key, self.embedding, self.words)

    @property
    def mixtures(self) -> Mixtures:
        """The rated stimuli."""
        return Mixtures(self.molecule, self.log_dilution, self.present)

    def alike(self, a: Components, b: Components) -> Floats:
        """Return the similarity of molecules, (U, V): 2 for the same, 1 to 0 by distance on the odour map."""
        x, y = ((c.embedding - self.centre) / self.spread for c in (a, b))
        near = np.exp(-np.sqrt(squared_distances(x, y) / self.medians[0]))
        same = a.key[:, None] == b.key[None]
        return np.where(same, 2.0, near)

    def distances(self, components: Components, mixtures: Mixtures) -> list[Floats]:
        """Return squared distances (S, R) of stimuli from the rated ones, by each kernel and by words."""
        to_rated, among = self.alike(components, self.components), self.alike(components, components)
        found = []
        for (power, scale, _), theirs in zip(KERNELS, self._rated_own, strict=True):
            cross = inner(to_rated, mixtures, self.mixtures, power, scale)
            own = own_inner(among, mixtures, power, scale)
            found.append(np.maximum(own[:, None] + theirs[None] - 2 * cross, 0))
        return [*found, squared_distances(self._standard_words(components, mixtures), self._rated_words)]

    def _standard_words(self, components: Components, mixtures: Mixtures) -> Floats:
        return (largest_words(components, mixtures, WORDS_POWER) - self.words_centre) / self.words_spread

    # Kept, since they are the same for every block of stimuli.

    @cached_property
    def _rated_own(self) -> list[Floats]:
        among = self.alike(self.components, self.components)
        return [own_inner(among, self.mixtures, power, scale) for power, scale, _ in KERNELS]

    @cached_property
    def _rated_words(self) -> Floats:
        return self._standard_words(self.components, self.mixtures)

    def kernel(self, components: Components, mixtures: Mixtures) -> Floats:
        """Return the similarity (S, R), 0-1, of stimuli to the rated ones."""
        lengths = [*(_LENGTH for _ in KERNELS), 1.0]
        shares = [*(weight for _, _, weight in KERNELS), WORDS_WEIGHT]
        total = np.zeros((len(mixtures), len(self.molecule)))
        found = self.distances(components, mixtures)
        for squared, median, length, share in zip(found, self.medians[1:], lengths, shares, strict=True):
            total += share * np.exp(-np.sqrt(squared / median) / length)
        return total / sum(shares)

    def predict(self, components: Components, mixtures: Mixtures) -> Floats:
        """Return profiles (S, W) in the units of the training file; ratings below 0 are raised to 0."""
        found = np.zeros((len(mixtures), len(self.mean)))
        for rows, some, (stimuli,) in blocks(components, mixtures):
            found[rows] = np.maximum(self.mean + self.kernel(some, stimuli) @ self.coefficients, 0)
        return found
