"""Two opinions of a window: the sensor transformer's, and that of a forest of extra trees on the same numbers.

In the session that both learned from the forest errs elsewhere than the network does; in another session it is lost,
and its trees vote for all sorts of smells. So it counts by the square of the share of its trees that agree. That costs
a little there (`docs/results/sensors.md`). How probable it is that network and forest mean the same smell tells smells
that they know from others, in the session that they learned from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.model.forest import Forest
from olfactory_transformer.sensors.features import Features

_LEAST = 1e-6  # of a probability


def join(
    logits: NDArray[np.floating], said: Features, forest: Forest | None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return what both say of windows, and how far they agree.

    Parameters
    ----------
    logits : array (N, smells)
        Of the network.
    said : Features
        Of the windows. The forest is not asked where a channel is missing.
    forest : Forest or None
        None where it should not be asked, as of windows shorter than those that it learned from.

    Returns
    -------
    array (N, smells), float32
        Log probabilities: the network's, and the forest's times the squared share of its first smell.
    array (N,), float64
        Probability that both mean the same smell; NaN where the forest was not asked.

    Examples
    --------
    >>> from olfactory_transformer.sensors.features import features_of
    >>> said = features_of(np.full((1, 100, 2), 40.0), np.ones(2))
    >>> always_first = Forest(np.zeros(1, np.int32), np.array([-1], np.int16), np.zeros(1, np.float32),
    ...     np.zeros(1, np.int32), smells=2)
    >>> both, agreement = join(np.log([[0.6, 0.4]]), said, always_first)
    >>> [round(float(each), 2) for each in np.exp(both[0])], agreement.tolist()
    ([0.8, 0.2], [0.6])
    """
    network = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    network /= network.sum(1, keepdims=True)
    agreement = np.full(len(network), np.nan)
    asked = np.flatnonzero(said.present.all(1))
    if forest is not None and asked.size:
        trees = forest.probabilities(said.flat[asked])
        agreement[asked] = (network[asked] * trees).sum(1)
        sure = trees.max(1, keepdims=True) ** 2
        network[asked] = (network[asked] + sure * trees) / (1 + sure)
    return np.log(np.maximum(network, _LEAST)).astype(np.float32), agreement
