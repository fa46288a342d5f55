"""Growing the forest that stands beside the networks (Geurts, Ernst & Wehenkel 2006, "Extremely randomized trees")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.model.forest import LEAF, Forest
from olfactory_transformer.sensors.features import Features, features_of
from olfactory_transformer.train.nose.data import Labelled

# 300 trees, or more than twice as many windows, named no more rightly; 80 numbers a node cost 2 % in other sessions.
TREES = 100
LOOKED_AT = 40  # numbers a node chooses from


def fit_forest(recordings: Sequence[Labelled], config: NoseConfig, seed: int, processes: int) -> Forest:
    """Grow a forest on the windows of recordings, as they were recorded.

    Parameters
    ----------
    recordings : sequence of Labelled
    config : NoseConfig
        With the recordings' substances as its smells.
    seed : int
    processes : int
        Trees at a time.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    windows = [windows_of(each.gas, config).flat for each in recordings]
    smells = [config.smells.index(each.substance) for each in recordings]
    trees = ExtraTreesClassifier(TREES, max_features=LOOKED_AT, random_state=seed, n_jobs=processes)
    trees.fit(np.concatenate(windows), np.repeat(smells, [len(rows) for rows in windows]))
    grown = [each.tree_ for each in trees.estimators_]
    sizes = [each.node_count for each in grown]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    feature = np.concatenate([each.feature for each in grown])
    leaf = feature < 0
    # scikit-learn numbers depth first: a left child follows its parent.
    right = np.concatenate([each.children_right + root for each, root in zip(grown, roots, strict=True)])
    exact = np.concatenate([each.threshold for each in grown])
    threshold = exact.astype(np.float32)
    # Not rounded up: a number just above the threshold must not go left.
    threshold = np.where(threshold > exact, np.nextafter(threshold, np.float32(-np.inf)), threshold)
    votes = trees.classes_[np.concatenate([each.value[:, 0].argmax(1) for each in grown])]
    return Forest(
        roots,
        np.where(leaf, LEAF, feature).astype(np.int16),
        np.where(leaf, 0, threshold).astype(np.float32),
        np.where(leaf, votes, right).astype(np.int32),
        len(config.smells),
    )


def windows_of(gas: NDArray[np.floating], config: NoseConfig) -> Features:
    """Return the features of all windows (N) of a recording (seconds, channels)."""
    window, hop = round(config.window), round(config.hop)
    cut = [gas[at : at + window] for at in range(0, len(gas) - window + 1, hop)]
    return features_of(np.stack(cut), np.array(config.floors))
