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
    right = words = differing = 0
    for one, other in pairs:
        gap = task.values[one].astype(np.float64) - task.values[other]
        apart = np.isfinite(gap) & (gap != 0)
        said = predicted[one].astype(np.float64) - predicted[other]
        right += int((said * gap > 0)[apart].sum())
        words += int(apart.sum())
        differing += bool(apart.any())
    return right, words, differing
