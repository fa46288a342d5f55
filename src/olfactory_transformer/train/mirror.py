"""Mirror images: which molecules of a set are enantiomers, and whether their differing words are told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from olfactory_transformer.train.tasks import Task

Pair = tuple[int, int]


def _canonical(smiles: str) -> str:
    return str(Chem.CanonSmiles(smiles))  # type: ignore[no-untyped-call]


def mirrored(smiles: str) -> str:
    """Return the canonical SMILES of the mirror image.

    >>> mirrored("C[C@H](N)CC") == Chem.CanonSmiles("C[C@@H](N)CC")
    True
    """
    turned = smiles.replace("@@", "\0").replace("@", "@@").replace("\0", "@")
    return _canonical(turned)


def mirror_pairs(smiles: Sequence[str], task: Task) -> list[Pair]:
    """Return pairs of rows of `task` whose molecules are mirror images of each other.

    Parameters
    ----------
    smiles : sequence of str
        Of the molecules of the training set.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, molecule in enumerate(task.molecule):
        if "@" in smiles[molecule]:
            rows_of[_canonical(smiles[molecule])].append(row)
    images = {text: mirrored(text) for text in rows_of}
    return [
        (one, other)
        for text, image in images.items()
        if text < image  # each pair once, and no molecule that is its own image
        for one in rows_of[text]
        for other in rows_of.get(image, [])
    ]


def ordered_right(
    task: Task, predicted: npt.NDArray[np.float32], pairs: Sequence[Pair]
) -> tuple[int, int, int]:
    """Count the differing words whose probability is higher for the mirror image that has the word.

    Parameters
    ----------
    predicted : ndarray (R, C)
        For every row of `task`, by a network that has seen neither.

    Returns
    -------
    (int, int, int)
        Right, words that differ, pairs that differ in a word. Ties count as wrong.
    """
    each = _each(task, predicted, pairs)
    return int(each[:, 0].sum()), int(each.sum()), len(each)


def by_chance(
    task: Task, predicted: npt.NDArray[np.float32], pairs: Sequence[Pair], samples: int = 10_000
) -> float:
    """Return how often as many words are right if the hand of each pair is drawn (words of a pair go together).

    A word by which the network does not tell a pair apart is as wrong one way as the other.
    """
    each = _each(task, predicted, pairs)
    drawn = np.random.default_rng(0).integers(0, 2, (samples, len(each)), dtype=bool)
    right = np.where(drawn, each[:, 0], each[:, 1]).sum(1)
    return float((1 + (right >= each[:, 0].sum()).sum()) / (1 + samples))


def _each(task: Task, predicted: npt.NDArray[np.float32], pairs: Sequence[Pair]) -> npt.NDArray[np.int64]:
    """Return for each pair that differs its words that are told right, wrong, and not apart."""
    found = []
    for one, other in pairs:
        gap = task.values[one].astype(np.float64) - task.values[other]
        apart = np.isfinite(gap) & (gap != 0)
        said = (predicted[one].astype(np.float64) - predicted[other])[apart] * gap[apart]
        if apart.any():
            found.append([(said > 0).sum(), (said < 0).sum(), (said == 0).sum()])
    return np.array(found, np.int64).reshape(-1, 3)
