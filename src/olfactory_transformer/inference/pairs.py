"""Perceptual distance of two mixtures: kernel regression and small attention networks, averaged, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from olfactory_transformer.inference.mixture_parts import (
    Components,
    Floats,
    Integers,
    Mixtures,
    blocks,
    squared_distances,
)
from olfactory_transformer.inference.statements import log_odds
from olfactory_transformer.model.arrays import Array

# Weight of each kernel on the features of the same name, and its length, in medians of their distance.
KERNELS = {"scalars": (1.0, 3.0), "apart": (1.5, 3.0), "product": (1.5, 3.0), "molecules": (3.5, 1.0)}
NETWORK_SHARE = 0.5
_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class PairModel:
    """Pairs that were rated, and what was learned from them; arrays by name.

    Parameters
    ----------
    arrays : dict of str to ndarray
        `key` (U,) of the molecules known; `centre.*`, `spread.*` of embeddings, logits and features;
        `anchor.*` (R, ...) standardised features of the rated pairs; `median.*`; `study` (R,);
        `coefficients` (R, 2) without and with the study told, `mean` (1,);
        `net.*` (N, ...) the weights of N networks.
    studies : tuple of str
        Names of the data sets, whose scales differ.
    """

    arrays: dict[str, Array]
    studies: tuple[str, ...]

    def standard(self, name: str, values: Floats) -> Floats:
        """Return values with the training's centre and spread taken out."""
        return (values - self.arrays[f"centre.{name}"]) / self.arrays[f"spread.{name}"]

    def features(self, components: Components, a: Mixtures, b: Mixtures) -> dict[str, Floats]:
        """Return what the kernels compare, not standardised: name -> (P, d)."""
        embedding = self.standard("embedding", components.embedding)
        logits = self.standard("logits", word_logits(components.words))
        first, second = (m.membership(len(components.key)) for m in (a, b))
        p, q = first / first.sum(1, keepdims=True), second / second.sum(1, keepdims=True)
        tables = [(p @ x, q @ x) for x in (embedding, components.words, logits)]
        largest = tuple(components.words[m.molecule] * m.present[..., None] for m in (a, b))
        tables.append((largest[0].max(1), largest[1].max(1)))
        known = components.key[:, None] == self.arrays["key"][None]  # (U, known)
        strange = ((p - q) ** 2) @ ~known.any(1)  # how far apart by molecules that are in no rated pair
        return {
            "scalars": np.hstack(
                [
                    shared_components(first, second),
                    np.stack([_cosine(x, y) for x, y in tables], 1),
                    np.stack([np.sqrt(((x - y) ** 2).sum(1)) for x, y in tables], 1),
                ]
            ),
            "apart": np.abs(tables[0][0] - tables[0][1]),
            "product": np.hstack([np.abs(tables[0][0] - tables[0][1]), tables[0][0] * tables[0][1]]),
            "molecules": (p - q) @ known,
            "strange": strange[:, None],
        }

    def study_of(self, names: Sequence[str]) -> Integers:
        """Return the numbers of the studies, -1 for one that is not known."""
        return np.array([self.studies.index(n) if n in self.studies else -1 for n in names], np.int64)

    def kernel(self, features: dict[str, Floats]) -> Floats:
        """Return the similarity (P, R), 0-1, of pairs to the rated ones.

        Pairs are alike by how far apart their sides are, and where the same molecules make the difference.
        """
        total = np.zeros((len(features["strange"]), len(self.arrays["study"])))
        for name, (weight, length) in KERNELS.items():
            values, anchor = self.standard(name, features[name]), self.arrays[f"anchor.{name}"]
            squared = squared_distances(values, anchor)
            if name == "molecules":  # the sign turns when the sides are swapped: the nearer of both
                squared = np.minimum(squared, squared_distances(values, -anchor)) + features["strange"]
            total += weight * np.exp(-np.sqrt(squared / self.arrays[f"median.{name}"]) / length)
        return total / sum(weight for weight, _ in KERNELS.values())

    def same_study(self, study: Integers) -> npt.NDArray[np.bool_]:
        """Return (P, R): whether a pair is of the study of a rated one."""
        return study[:, None] == self.arrays["study"][None]  # type: ignore[no-any-return]

    def network_inputs(
        self, components: Components, a: Mixtures, b: Mixtures, study: Integers
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return molecules (U, F), memberships (P, U) twice, and what is known of the pair (P, X)."""
        molecules = np.hstack(
            [
                self.standard("embedding", components.embedding),
                self.standard("logits", word_logits(components.words)),
            ]
        )
        first, second = (m.membership(len(components.key)) for m in (a, b))
        shared = self.standard("shared", shared_components(first, second))
        one_hot = (study[:, None] == np.arange(len(self.studies))[None]).astype(np.float64)
        return molecules, first, second, np.hstack([shared, one_hot])

    def predict(
        self, components: Components, a: Mixtures, b: Mixtures, study: Sequence[str] | None = None
    ) -> Floats:
        """Return perceptual distances (P,), 0 = the same, 1 = far.

        Parameters
        ----------
        components : Components
            Of both sides.
        a, b : Mixtures, of P stimuli each
            Dilutions are not used: the training data has none.
        study : sequence of str or None
            The `dataset` of each pair, whose scale the answer is then on.
        """
        numbers = self.study_of(study if study is not None else [""] * len(a))
        found = np.zeros(len(a))
        for rows, some, (first, second) in blocks(components, a, b):
            found[rows] = self._predict(some, first, second, numbers[rows])
        return found

    def _predict(self, components: Components, a: Mixtures, b: Mixtures, study: Integers) -> Floats:
        near = self.kernel(self.features(components, a, b))
        untold, told = self.arrays["coefficients"].T
        within = (near * (1 + self.same_study(study))) @ told
        smooth = self.arrays["mean"][0] + np.where(study < 0, near @ untold, within)
        inputs = self.network_inputs(components, a, b, study)
        weights = {n[4:]: v for n, v in self.arrays.items() if n.startswith("net.")}
        members = len(next(iter(weights.values()), ()))
        if not members:
            return np.clip(smooth, 0, 1)  # type: ignore[no-any-return]
        voices = [distance(*inputs, {n: v[i] for n, v in weights.items()}) for i in range(members)]
        return np.clip(NETWORK_SHARE * np.mean(voices, 0) + (1 - NETWORK_SHARE) * smooth, 0, 1)  # type: ignore[no-any-return]


def word_logits(probability: Floats) -> Floats:
    """Return log odds, with probabilities kept 1e-6 off 0 and 1; training and serving need the same margin."""
    return log_odds(probability, margin=1e-6)


def shared_components(first: Floats, second: Floats) -> Floats:
    """Return what two sets of molecules share, (P, U) and (P, U) -> (P, 5), the same for either order.

    Shared over all, shared over the smaller set, log of the smaller and of the larger size, their difference.
    """
    both, a, b = (first * second).sum(1), first.sum(1), second.sum(1)
    small, large = np.minimum(a, b), np.maximum(a, b)
    return np.stack(
        [both / (a + b - both), both / small, np.log(small), np.log(large), np.log(large / small)], 1
    )


def distance(molecules: Floats, first: Floats, second: Floats, known: Floats, w: dict[str, Array]) -> Floats:
    """Return the answer of one network, (P,); `model.mixture.PairNetwork` in NumPy, weights by its names."""

    def linear(name: str, x: Floats) -> Floats:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    hidden = _silu(linear("inputs", molecules))  # (U, H)
    heads = w["attention.weight"].shape[0]
    value = linear("value", hidden).reshape(len(hidden), heads, -1)  # (U, heads, H/heads)
    attention = np.exp(np.clip(linear("attention", hidden), -4, 4))  # (U, heads)
    counted = (value * attention[..., None]).reshape(len(hidden), -1)  # (U, H)

    def pooled(member: Floats) -> Floats:
        mixed = (member @ counted).reshape(len(member), heads, -1)
        mean = (mixed / (member @ attention)[..., None]).reshape(len(member), -1)
        return linear("output", _silu(mean))

    angle = 1 - _cosine(pooled(first), pooled(second))
    score = (w["scale"] + linear("slope", known)[:, 0]) * angle + linear("known", known)[:, 0]
    return 1 / (1 + np.exp(-score))


def _silu(x: Floats) -> Floats:
    return x / (1 + np.exp(-x))  # type: ignore[no-any-return]


def _cosine(a: Floats, b: Floats) -> Floats:
    return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1) + _TINY)  # type: ignore[no-any-return]
