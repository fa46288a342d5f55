"""Profiles of blends by kernel regression (a Gaussian process's mean), in NumPy.

A blend is like another as far as its components, weighted by their share, are the same molecules, or molecules close
by on the odour map, at similar dilutions: the distance of two blends is that of the means of their components
in the space of the kernel (maximum mean discrepancy). What is alike smells alike. How much a molecule counts beside
others, its potency, is a line on the embedding; it is learned from the ratings, as the kernels are.
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
    weights,
)

# What a kernel is, in the order of its numbers: power of the volume fraction in the shares; how fast likeness decays by
# dilution (per power of ten) and by distance on the odour map; what the same molecule is liker than its equal; how fast
# likeness decays by the distance of stimuli; weight.
KERNEL = ("power", "by_dilution", "by_distance", "same", "decay", "weight")
WORDS_POWER = 0.15
ROOT = 0.75  # ratings are learned to this power: most are near 0, few are large


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
    words_centre, words_spread : ndarray (C,)
    potency : ndarray (H, E)
        By each kernel: log of how much a molecule counts, per unit of the standardised embedding.
    kernels : ndarray (H, 6)
        See `KERNEL`.
    by_words : ndarray (2,)
        Decay and weight of the kernel on words.
    coefficients : ndarray (R, W)
    mean : ndarray (W,)
        Of the profiles of blends, to the power `ROOT`.
    """

    key: Integers
    embedding: Floats
    words: Floats
    molecule: Integers
    log_dilution: Floats
    present: npt.NDArray[np.bool_]
    centre: Floats
    spread: Floats
    words_centre: Floats
    words_spread: Floats
    potency: Floats
    kernels: Floats
    by_words: Floats
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

    def standard(self, components: Components) -> Floats:
        """Return the embeddings (U, E) with the training's centre and spread taken out."""
        return (components.embedding - self.centre) / self.spread

    def standard_words(self, components: Components, mixtures: Mixtures) -> Floats:
        """Return each word's largest probability over the components, (S, C), standardised."""
        return (largest_words(components, mixtures, WORDS_POWER) - self.words_centre) / self.words_spread

    def kernel(self, components: Components, mixtures: Mixtures) -> Floats:
        """Return the similarity (S, R), 0-1, of stimuli to the rated ones."""
        to_rated, among = self._apart(components, self.components), self._apart(components, components)
        decay, weight = self.by_words
        by_words = squared_distances(self.standard_words(components, mixtures), self._rated_words)
        total = weight * np.exp(-decay * np.sqrt(by_words))
        for number, (_, by_dilution, _, _, decay, weight) in enumerate(self.kernels):
            share, (theirs, rated_share) = self._shares(number, components, mixtures), self._rated[number]
            shares = (share, rated_share)
            cross = inner(self._alike(number, to_rated), mixtures, self.mixtures, shares, by_dilution)
            own = own_inner(self._alike(number, among), mixtures, share, by_dilution)
            squared = np.maximum(own[:, None] + theirs[None] - 2 * cross, 0)
            total += weight * np.exp(-decay * np.sqrt(squared))
        return total  # type: ignore[no-any-return]

    def _apart(self, a: Components, b: Components) -> Floats:
        """Return distances on the odour map, (U, V); -1 for the same molecule."""
        apart = np.sqrt(squared_distances(self.standard(a), self.standard(b)))
        return np.where(a.key[:, None] == b.key[None], -1.0, apart)

    def _alike(self, number: int, apart: Floats) -> Floats:
        _, _, by_distance, same, _, _ = self.kernels[number]
        return np.where(apart < 0, 1 + same, np.exp(-by_distance * apart))  # type: ignore[no-any-return]

    def _shares(self, number: int, components: Components, mixtures: Mixtures) -> Floats:
        return weights(mixtures, self.kernels[number, 0], self.standard(components) @ self.potency[number])

    # Kept, since they are the same for every block of stimuli.

    @cached_property
    def _rated(self) -> list[tuple[Floats, Floats]]:
        """By each kernel: inner products of the rated stimuli with themselves (R,), and their shares (R, K)."""
        among, found = self._apart(self.components, self.components), []
        for number, kernel in enumerate(self.kernels):
            share = self._shares(number, self.components, self.mixtures)
            found.append((own_inner(self._alike(number, among), self.mixtures, share, kernel[1]), share))
        return found

    @cached_property
    def _rated_words(self) -> Floats:
        return self.standard_words(self.components, self.mixtures)

    def predict(self, components: Components, mixtures: Mixtures) -> Floats:
        """Return profiles (S, W) in the units of the training file; ratings below 0 are raised to 0."""
        found = np.zeros((len(mixtures), len(self.mean)))
        for rows, some, (stimuli,) in blocks(components, mixtures):
            found[rows] = np.maximum(self.mean + self.kernel(some, stimuli) @ self.coefficients, 0)
        return found ** (1 / ROOT)
