"""Unlabelled structures like odorants, on which teachers tell a student what they would say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.analogues import analogues, neighbourhoods
from olfactory_transformer.train.odorants import like_odorant
from olfactory_transformer.train.progress import track
from olfactory_transformer.train.read import FOLDS, connectivity
from olfactory_transformer.train.tasks import TrainingSet

LISTED, ANALOGUES = 24_000, 30_000


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Unlabelled structures.

    Parameters
    ----------
    smiles : list of str, P
        Canonical; none has the connectivity of a labelled molecule: what a fold holds out, its student must not meet,
        not even as the teacher sees it.
    fold : ndarray of int64, (P,)
        Of the labelled molecules that an analogue is made of, which all are of one fold; -1 for a listed structure.
    """

    smiles: list[str]
    fold: npt.NDArray[np.int64]

    def outside(self, fold: int) -> npt.NDArray[np.int64]:
        """Return the places of those that nothing of a fold went into."""
        return np.flatnonzero(self.fold != fold)


def read_pool(
    structures: Sequence[str],
    labelled: TrainingSet,
    listed: int = LISTED,
    made: int = ANALOGUES,
    seed: int = 0,
) -> Pool:
    """Return up to `listed` of some structures, in random order, then analogues of molecules with words.

    Parameters
    ----------
    structures : sequence of str
        SMILES; those unlike odorants, or of the connectivity of a labelled molecule, are left out.
    made : int
        Analogues, up to as many of each fold; rounded up to a multiple of 5.
    """
    taken = {connectivity(read_molecule(smiles)) for smiles in labelled.smiles}
    smiles = _listed(structures, taken, listed, seed)
    known = set().union(*(neighbourhoods(read_molecule(text).rdmol) for text in smiles))
    fold = [-1] * len(smiles)
    named = np.union1d(labelled.task("words").molecule, labelled.task("isomeric").molecule)
    for number in track(range(FOLDS), FOLDS, "making analogues"):
        parents = [labelled.smiles[i] for i in named if labelled.fold[i] == number]
        found = analogues(parents, known, taken, -(-made // FOLDS), seed * FOLDS + number)
        smiles += found
        fold += [number] * len(found)
    return Pool(smiles, np.array(fold, np.int64))


def _listed(structures: Sequence[str], taken: set[str], size: int, seed: int) -> list[str]:
    found: list[str] = []
    for index in np.random.default_rng(seed).permutation(len(structures)):
        if len(found) == size:
            break
        try:
            molecule = read_molecule(structures[index])
        except MoleculeError:
            continue
        if like_odorant(molecule) and (key := connectivity(molecule)) not in taken:
            taken.add(key)
            found.append(molecule.smiles)
    return found
