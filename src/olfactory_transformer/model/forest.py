"""A forest of decision trees as arrays: no pickle, no scikit-learn, all trees and windows at once.

    forest.safetensors: roots (T,)  feature (M,)  threshold (M,)  right (M,)

A node's left child is the next row. A leaf's feature is -1, and its `right` the smell that it votes for: windows of
recordings part so well that the leaves of a full-grown tree are pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from olfactory_transformer.core.errors import ModelCorrupt
from olfactory_transformer.model.arrays import check_arrays, read_arrays

LEAF = -1
MOST_TREES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """T trees of M nodes in all.

    Parameters
    ----------
    roots : array (T,), int32
        The row of each tree's first node.
    feature : array (M,), int16
        Which number a node looks at; -1: it is a leaf.
    threshold : array (M,), float32
        To the left goes what is not above it.
    right : array (M,), int32
        The row of the right child; of a leaf, the place of its smell.
    smells : int

    Examples
    --------
    >>> stump = Forest(np.zeros(1, np.int32), np.array([1, -1, -1], np.int16), np.array([0.5, 0, 0], np.float32),
    ...     np.array([2, 0, 1], np.int32), smells=2)
    >>> stump.probabilities(np.array([[9.0, 0.1], [9.0, 0.9]], np.float32)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    right: NDArray[np.int32]
    smells: int

    def probabilities(self, numbers: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the share of the trees that vote for each smell, (N, smells), of numbers (N, F)."""
        rows = np.arange(len(numbers))[:, None]
        at = np.repeat(self.roots[None].astype(np.intp), len(numbers), axis=0)  # (N, T)
        feature = self.feature[at]
        while (inside := feature != LEAF).any():
            left = numbers[rows, feature] <= self.threshold[at]
            at = np.where(inside, np.where(left, at + 1, self.right[at]), at)
            feature = self.feature[at]
        votes = (rows * self.smells + self.right[at]).ravel()
        counted = np.bincount(votes, minlength=len(numbers) * self.smells)
        return np.asarray(counted.reshape(-1, self.smells) / len(self.roots))

    def save(self, path: Path) -> None:
        """Write the arrays as safetensors."""
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _KINDS}
        path.write_bytes(save(arrays))


_KINDS: dict[str, tuple[type[np.generic], tuple[int | str, ...]]] = {
    "roots": (np.int32, ("T",)),
    "feature": (np.int16, ("M",)),
    "threshold": (np.float32, ("M",)),
    "right": (np.int32, ("M",)),
}


def read_forest(path: Path, features: int, smells: int) -> Forest:
    """Read a forest over `features` numbers that votes for one of `smells`.

    Raises
    ------
    ModelNotFound
        No such file.
    ModelCorrupt
        Not such a forest, or one in which a way down does not end at a leaf.
    """
    arrays, _ = read_arrays(path)
    check_arrays(path, arrays, _KINDS)
    forest = Forest(**arrays, smells=smells)
    roots, rows = forest.roots, np.arange(len(forest.feature))
    if not (
        0 < len(roots) <= MOST_TREES
        and roots[0] == 0
        and (np.diff(roots) > 0).all()
        and roots[-1] < len(rows)
    ):
        raise ModelCorrupt(f"{path}: the trees do not follow one another, or are not 1 to {MOST_TREES}")
    end = np.repeat(
        np.append(roots[1:], len(rows)), np.diff(np.append(roots, len(rows)))
    )  # of each node's tree
    leaf = forest.feature == LEAF
    good = np.where(
        leaf,
        (forest.right >= 0) & (forest.right < smells),
        # Children come after their parent, in its tree, so that every way down ends.
        (forest.feature >= 0) & (forest.feature < features)
        & (forest.right > rows + 1) & (forest.right < end),
    )  # fmt: skip
    if not good.all():
        raise ModelCorrupt(f"{path}: not a forest over {features} numbers and {smells} smells")
    return forest
