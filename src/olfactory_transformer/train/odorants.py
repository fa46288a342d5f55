"""Whether a structure could be an odorant."""

from __future__ import annotations

from collections import Counter

from rdkit import Chem

from olfactory_transformer.molecules import Molecule

_ATOMS = range(3, 23)  # heavy; larger molecules are seldom volatile
_MOST = {"N": 2, "O": 5, "S": 3, "halogen": 2}
_HALOGENS = {"F", "Cl", "Br"}


def like_odorant(molecule: Molecule) -> bool:
    """Tell whether a structure could be an odorant by its size and elements.

    >>> from olfactory_transformer.molecules import read_molecule
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
