"""Extra trees on mixtures, in the folds that the network's models of mixtures are scored on.

A blend is the mean of its components' descriptors and counts, weighted by dilution, and their maximum; a pair is how
far apart its sides are in both, the mean of the sides, and the share of components that they have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from olfactory_transformer.inference.mixture_parts import Components, Embed, Mixtures, weights
from olfactory_transformer.inference.pairs import shared_components
from olfactory_transformer.train.features import read_features
from olfactory_transformer.train.mixture_data import Blends, Pairs, read_blends, read_pairs
from olfactory_transformer.train.mixtures import score_blends, score_pairs
from olfactory_transformer.train.tasks import known_mean
from olfactory_transformer.train.teacher import extra_trees

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def described(cache: Path) -> Embed:
    """Return what gives molecules their descriptors and counts in the place of an embedding."""

    def embed(smiles: Sequence[str]) -> tuple[Floats, Floats]:
        table = read_features(list(smiles), cache).table(len(smiles)).astype(np.float64)
        return table, np.zeros((len(smiles), 1))

    return embed


def _summary(components: Components, mixtures: Mixtures, power: float) -> tuple[Floats, Floats]:
    """Return weighted mean and maximum over the components, (S, F) each."""
    share = weights(mixtures, power)
    each = components.embedding[mixtures.molecule]  # (S, K, F)
    largest = np.where(mixtures.present[..., None], each, -np.inf).max(1)
    return np.einsum("sk,skf->sf", share, each), largest


def _fitted(inputs: Floats, values: Floats, learned: Ints, asked: Ints) -> Floats:
    trees = extra_trees(seed=0)
    truth = values[learned]
    filled = np.where(np.isfinite(truth), truth, known_mean(truth))
    trees.fit(inputs[learned].astype(np.float32), filled)
    return np.asarray(trees.predict(inputs[asked].astype(np.float32)))


def scores(data: Path, folder: Path, seed: int) -> dict[str, dict[str, float]]:
    """Return the figures of both tasks, as `score_blends` and `score_pairs` do, in the folds of a seed."""
    blends = read_blends(data, described(folder / "blend-features.npz"))
    of_blends = _blend_inputs(blends)
    pairs = read_pairs(data, described(folder / "pair-features.npz"))
    of_pairs = _pair_inputs(pairs)
    return {
        "dream2025_profiles": score_blends(
            blends, lambda data, learned, asked: _fitted(of_blends, data.values, learned, asked), seed
        ),
        "pairs": score_pairs(
            pairs, lambda data, learned, asked: _fitted(of_pairs, data.values, learned, asked), seed
        ),
    }


def _blend_inputs(data: Blends) -> Floats:
    dilution = np.where(data.mixtures.present, data.mixtures.log_dilution, np.nan)
    strength = np.stack([np.nanmax(dilution, 1), np.nanmean(dilution, 1), data.mixtures.present.sum(1)], 1)
    return np.hstack([*_summary(data.components, data.mixtures, 1.0), strength])


def _pair_inputs(data: Pairs) -> Floats:
    (mean_a, most_a), (mean_b, most_b) = (
        _summary(data.components, m, 0.0) for m in (data.first, data.second)
    )
    members = [m.membership(len(data.components.key)) for m in (data.first, data.second)]
    apart, together = [np.abs(mean_a - mean_b), np.abs(most_a - most_b)], [mean_a + mean_b]
    return np.hstack([*apart, *together, shared_components(*members)])
