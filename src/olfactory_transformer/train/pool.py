"""Unlabelled structures like odorants, on which teachers tell a student what they would say."""

from __future__ import annotations

from collections import Counter

import numpy as np
from rdkit import Chem

from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.molecules import Molecule, read_molecule
from olfactory_transformer.train.read import connectivity
from olfactory_transformer.train.tasks import TrainingSet

SIZE = 24_000
_ATOMS = range(3, 23)  # heavy; larger molecules are seldom volatile
_MOST = {"N": 2, "O": 5, "S": 3, "halogen": 2}
_HALOGENS = {"F", "Cl", "Br"}


def like_odorant(molecule: Molecule) -> bool:
    """Tell whether a structure could be an odorant by its size and elements.

    >>> [like_odorant(read_molecule(s)) for s in ("CCCCCC=O", "O", "OCC(O)C(O)C(O)C(O)C(O)C=O")]
    [True, False, False]
    """
    count = Counter(atom.GetSymbol() for atom in molecule.rdmol.GetAtoms())
    halogens = sum(count.pop(symbol, 0) for symbol in _HALOGENS)
    return (
        molecule.rdmol.GetNumHeavyAtoms() in _ATOMS
        and count.keys() <= {"C", "H", "N", "O", "S"}
        and count["C"] > 0
        and halogens <= _MOST["halogen"]
        and all(count[symbol] <= most for symbol, most in _MOST.items() if symbol != "halogen")
        and not Chem.GetFormalCharge(molecule.rdmol)
    )


def odorant_like(structures: list[str], labelled: TrainingSet, size: int = SIZE, seed: int = 0) -> list[str]:
    """Return up to `size` canonical SMILES of structures like odorants, in random order.

    No structure with the connectivity of a labelled molecule is among them: what a fold holds out, its student
    must not meet, not even as the teacher sees it.
    """
    taken = {connectivity(read_molecule(smiles)) for smiles in labelled.smiles}
    found: list[str] = []
    for index in np.random.default_rng(seed).permutation(len(structures)):
        try:
            molecule = read_molecule(structures[index])
        except MoleculeError:
            continue
        if not like_odorant(molecule) or (key := connectivity(molecule)) in taken:
            continue
        taken.add(key)
        found.append(molecule.smiles)
        if len(found) == size:
            break
    return found
