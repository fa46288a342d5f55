"""Which hand a molecule is: signed features of its stereo centres, each of which changes sign in the mirror.

Which of two mirror images a name stands for, R or S, hangs on atomic numbers, and turns over where nothing of the
shape does. So the arms of a centre are put in order by several rules at once (how large they are, how near an oxygen or
a double bond is), and a feature says whether they then go round to the left (1) or to the right (-1). A rule by which
two arms are equal says nothing. A molecule without stereo given has no features, and one that is its own mirror image
none that are left when all its centres are summed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from olfactory_transformer.model import vocabulary as voc

_TURN = {Chem.ChiralType.CHI_TETRAHEDRAL_CCW: 1, Chem.ChiralType.CHI_TETRAHEDRAL_CW: -1}
# The first thing in which two arms differ puts them in order.
RULES = (
    ("size",),
    ("hetero", "size"),
    ("hetero nearby", "size"),
    ("unsaturated nearby", "size"),
    ("hetero nearby", "unsaturated nearby", "size"),
    ("unsaturated nearby", "hetero nearby", "size"),
    ("first atom", "size"),
    ("first atom", "hetero nearby", "size"),
)
_LAST = (
    "ring"  # decides between arms that a rule cannot tell apart: the ethyl and the ring of gamma-hexalactone
)
_FAR = 1000  # bonds; more than any two atoms are apart


def handedness(mol: Chem.Mol) -> npt.NDArray[np.int16]:
    """Return the signed features of a molecule's stereo centres.

    Parameters
    ----------
    mol : Mol
        With stereo assigned.

    Returns
    -------
    ndarray of int16, (K, 2)
        Place (0 to `vocabulary.HAND_FEATURES` - 1) and value of the features that are not 0.

    Examples
    --------
    >>> left, right = (handedness(Chem.MolFromSmiles(s)) for s in ("C[C@H](O)CC", "C[C@@H](O)CC"))
    >>> bool(len(left)) and (left * [1, -1] == right).all()
    np.True_
    >>> handedness(Chem.MolFromSmiles("CC(O)CC")).shape
    (0, 2)
    """
    found: Counter[int] = Counter()
    for atom in mol.GetAtoms():
        if turn := _TURN.get(atom.GetChiralTag()):
            for name, sign in _of_centre(mol, atom).items():
                found[crc32(name.encode()) % voc.HAND_FEATURES] += turn * sign
    rows = sorted((place, max(-127, min(127, value))) for place, value in found.items() if value)
    return np.array(rows, np.int16).reshape(-1, 2)


def _of_centre(mol: Chem.Mol, atom: Chem.Atom) -> dict[str, int]:
    """Return feature -> whether the order of the arms is an even (1) or odd (-1) permutation of the bonds'."""
    centre, distance = atom.GetIdx(), Chem.GetDistanceMatrix(mol)
    arms = [_arm(mol, centre, bond, distance) for bond in atom.GetBonds()]
    ring, around = f"ring {atom.IsInRing()}", sorted(arm["first atom"] for arm in arms)
    kinds = ("", ring, f"{ring}, {atom.GetTotalNumHs()} H, {around}")
    found: dict[str, int] = {}
    for rule in RULES:
        if sign := _sign([tuple(arm[part] for part in (*rule, _LAST)) for arm in arms]):
            found |= {f"{rule} {kind}": sign for kind in kinds}
    return found


def _arm(
    mol: Chem.Mol, centre: int, bond: Chem.Bond, distance: npt.NDArray[np.float64]
) -> dict[str, tuple[int, ...]]:
    """Describe the arm that a bond leads to: the atoms that are nearer to its first atom than to the centre."""
    start = bond.GetOtherAtom(mol.GetAtomWithIdx(centre))
    atoms = np.flatnonzero(distance[start.GetIdx()] < distance[centre]).tolist()
    hetero = [i for i in atoms if mol.GetAtomWithIdx(i).GetAtomicNum() != 6]
    flat = [i for i in atoms if mol.GetAtomWithIdx(i).GetHybridization() == Chem.HybridizationType.SP2]

    def nearness(of: Sequence[int]) -> tuple[int, ...]:
        return (int(max((_FAR - distance[centre, i] for i in of), default=0)),)

    return {
        "size": (len(atoms),),
        "hetero": (len(hetero),),
        "hetero nearby": nearness(hetero),
        "unsaturated nearby": nearness(flat),
        "first atom": (start.GetAtomicNum(), start.GetDegree()),
        _LAST: (bond.IsInRing(),),
    }


def _sign(keys: Sequence[tuple[tuple[int, ...], ...]]) -> int:
    """Return 1 or -1 by the number of swaps that sort the keys downwards, 0 if two are equal."""
    swaps = 0
    for i, key in enumerate(keys):
        for other in keys[i + 1 :]:
            if key == other:
                return 0
            swaps += key < other
    return -1 if swaps % 2 else 1
