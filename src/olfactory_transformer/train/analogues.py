"""Analogues of odorants: unlabelled structures that need be in no list, made of pieces of labelled ones.

Two molecules are cut at a bond and joined crosswise, or one gains, loses or changes an atom or a bond, as in a
graph-based genetic algorithm (Jensen 2019, doi:10.1039/C8SC05372C), of which nothing is selected. Kept are structures
like odorants, each of whose atoms has such neighbours as an atom of a known structure has. Where a molecule is cut or
grows beside a double bond, E and Z are lost.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdChemReactions, rdFingerprintGenerator

from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.odorants import like_odorant
from olfactory_transformer.train.read import connectivity

_JOINED = 0.5  # of two; the others are changed by one of these
_CHANGES = [
    rdChemReactions.ReactionFromSmarts(text)
    for text in (
        "[*;!H0:1]>>[*:1]C",
        "[C;!H0:1]>>[C:1]O",
        "[*:1]-[C,O,S;D1]>>[*:1]",
        "[C:1]-!@[*:2]>>[C:1]C[*:2]",
        "[C:1]-!@[C:2]>>[C:1]O[C:2]",
        "[C:1]-!@[C:2]>>[C:1]S[C:2]",
        "[C;!H0:1]-!@[C;!H0:2]>>[C:1]=[C:2]",
        "[C:1]=[C:2]>>[C:1]-[C:2]",
        "[C;!H0:1]-[O;H1:2]>>[C:1]=[O:2]",
        "[C;X3:1]=[O:2]>>[C:1]-[O:2]",
    )
]
_TRIES = 40  # a structure, after which nothing new is expected
_NEIGHBOURS = rdFingerprintGenerator.GetMorganGenerator(radius=1)
_CUT = Chem.MolFromSmarts("[*]-!@[*]")


def neighbourhoods(mol: Chem.Mol) -> set[int]:
    """Return which atoms with which neighbours a molecule has, hashed (Morgan, radius 0 and 1)."""
    return set(_NEIGHBOURS.GetSparseCountFingerprint(mol).GetNonzeroElements())


def analogues(
    parents: Sequence[str], known: Set[int], taken: set[str], size: int, seed: int = 0
) -> list[str]:
    """Return up to `size` canonical SMILES of structures like odorants that are made of others.

    Parameters
    ----------
    parents : sequence of str
        What they are made of, canonical SMILES as `read_molecule` gives them, each of one fragment.
    known : set of int
        Neighbourhoods they may have beside those of their parents.
    taken : set of str
        Connectivities they may not have, so the parents' too; theirs are added.

    >>> len(analogues(["CCCCOC(C)=O", "CCC(=O)OCC"], set(), set(), 3))
    3
    """
    rng = np.random.default_rng(seed)
    mols = [Chem.MolFromSmiles(smiles) for smiles in parents]
    known = set(known).union(*map(neighbourhoods, mols))
    found: list[str] = []
    for _ in range(_TRIES * size if mols else 0):
        if len(found) == size:
            break
        one, other = (mols[i] for i in rng.integers(len(mols), size=2))
        made = _joined(one, other, rng) if rng.random() < _JOINED else _changed(one, rng)
        if made is None or not (smiles := _sound(made)):
            continue
        try:
            molecule = read_molecule(smiles)
        except MoleculeError:
            continue
        if not like_odorant(molecule) or not neighbourhoods(molecule.rdmol) <= known:
            continue
        if (key := connectivity(molecule)) not in taken:
            taken.add(key)
            found.append(molecule.smiles)
    return found


def _sound(mol: Chem.Mol) -> str:
    """Return the SMILES of a molecule with possible valences, else nothing."""
    with rdBase.BlockLogs():
        problem = Chem.SanitizeMol(mol, catchErrors=True)
    return "" if problem else Chem.MolToSmiles(mol)


def _changed(mol: Chem.Mol, rng: np.random.Generator) -> Chem.Mol | None:
    """Return a molecule with one change at a random place; None where it has no such place."""
    change = _CHANGES[rng.integers(len(_CHANGES))]
    with rdBase.BlockLogs():
        products = change.RunReactants((mol,))
    return products[rng.integers(len(products))][0] if products else None


def _joined(one: Chem.Mol, other: Chem.Mol, rng: np.random.Generator) -> Chem.Mol | None:
    """Return a piece of one molecule on a piece of another; None where one cannot be cut."""
    pieces = [_piece(one, rng), _piece(other, rng)]
    if pieces[0] is None or pieces[1] is None:
        return None
    whole = Chem.RWMol(Chem.CombineMols(*pieces))
    ends = [atom for atom in whole.GetAtoms() if atom.GetAtomicNum() == 0]
    one_end, other_end = (end.GetNeighbors()[0].GetIdx() for end in ends)
    whole.AddBond(one_end, other_end, Chem.BondType.SINGLE)
    for index in sorted((end.GetIdx() for end in ends), reverse=True):
        whole.RemoveAtom(index)
    return whole


def _piece(mol: Chem.Mol, rng: np.random.Generator) -> Chem.Mol | None:
    """Return one side of a random single bond outside rings, with a dummy atom where the other was."""
    places: Sequence[Sequence[int]] = mol.GetSubstructMatches(_CUT)
    if not places:
        return None
    bond = mol.GetBondBetweenAtoms(*places[int(rng.integers(len(places)))])
    sides: Sequence[Chem.Mol] = Chem.GetMolFrags(
        Chem.FragmentOnBonds(mol, [bond.GetIdx()], dummyLabels=[(0, 0)]), asMols=True, sanitizeFrags=False
    )
    return sides[int(rng.integers(len(sides)))]
