"""Molecules as MiniMol reads them: atoms, bonds, and where atoms are in the graph."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from rdkit import Chem, rdBase
from scipy.linalg import eig
from torch import Tensor

Floats = npt.NDArray[np.float32]
_EIGENVECTORS, _STEPS = 8, 16
_ELEMENTS = (
    "C", "N", "O", "S", "F", "Si", "P", "Cl", "Br", "Mg", "Na", "Ca", "Fe", "As", "Al", "I", "B", "V", "K", "Tl", "Yb",
    "Sb", "Sn", "Ag", "Pd", "Co", "Se", "Ti", "Zn", "H", "Li", "Ge", "Cu", "Au", "Ni", "Cd", "In", "Mn", "Zr", "Cr",
    "Pt", "Hg", "Pb",
)  # fmt: skip
_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)  # numbers of the elements that end the rows of the periodic table
_BONDS = (
    Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC
)  # fmt: skip
_STEREO = (
    Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY, Chem.BondStereo.STEREOZ,
    Chem.BondStereo.STEREOE, Chem.BondStereo.STEREOCIS, Chem.BondStereo.STEREOTRANS,
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """One molecule, or several put together, of A atoms and B bonds.

    Parameters
    ----------
    atoms : ndarray of float32, (A, 85)
        Element, group, row, valence, charge, ring ...
    spectrum : ndarray of float32, (A, 8, 2)
        The first eigenvalues of the Laplacian, and each atom's part of the eigenvectors; 0 where there are fewer.
    walks : ndarray of float32, (A, 16)
        How probably a random walk is back after 1 to 16 steps; a single atom is always back.
    ends : ndarray of int64, (2, 2 B)
        From and to which atom each bond leads, both ways.
    bonds : ndarray of float32, (2 B, 13)
        Order, stereo and ring of each.
    """

    atoms: Floats
    spectrum: Floats
    walks: Floats
    ends: npt.NDArray[np.int64]
    bonds: Floats


def read_graph(smiles: str) -> Graph:
    """Return the graph of one connected molecule that RDKit reads.

    Symmetric molecules have eigenvectors that are alike, among which the machine's linear algebra chooses; that moves
    the numbers that MiniMol tells of them by a few hundredths.

    >>> read_graph("CCO").atoms.shape
    (3, 85)
    """
    with rdBase.BlockLogs():
        mol = _ordered(Chem.MolFromSmiles(smiles))
    spectrum, walks = _places(mol)
    ends, bonds = _edges(mol)
    return Graph(np.array([_atom(atom) for atom in mol.GetAtoms()], np.float32), spectrum, walks, ends, bonds)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Tensors of M molecules, their atoms behind each other; see `Graph`."""

    atoms: Tensor
    spectrum: Tensor
    walks: Tensor
    ends: Tensor
    bonds: Tensor
    sizes: Tensor  # atoms of each molecule, (M,)
    molecule: Tensor  # of each atom, (A,)

    def flipped(self) -> Batch:
        """Return it with eigenvectors of random signs: which of both a molecule has is an accident."""
        signs = (
            torch.randint(0, 2, (len(self.sizes), self.spectrum.shape[1]), device=self.atoms.device) * 2.0 - 1
        )
        values, vectors = self.spectrum.unbind(-1)
        return replace(self, spectrum=torch.stack([values, vectors * signs[self.molecule]], -1))


def batched(graphs: Sequence[Graph], device: torch.device) -> Batch:
    """Put molecules together."""
    sizes = np.array([len(graph.atoms) for graph in graphs])
    first = sizes.cumsum() - sizes
    ends = np.concatenate([graph.ends + start for graph, start in zip(graphs, first, strict=True)], 1)
    found = [
        *(
            np.concatenate([getattr(graph, name) for graph in graphs])
            for name in ("atoms", "spectrum", "walks")
        ),
        ends,
        np.concatenate([graph.bonds for graph in graphs]),
        sizes,
        np.repeat(np.arange(len(graphs)), sizes),
    ]
    return Batch(*(torch.from_numpy(array).to(device) for array in found))


def _ordered(mol: Chem.Mol) -> Chem.Mol:
    """Number atoms by canonical rank, on which the signs of eigenvectors hang."""
    return Chem.RenumberAtoms(mol, np.argsort(list(Chem.CanonicalRankAtoms(mol))).tolist())


def _group(number: int) -> int:
    """Return an element's group, 19 for the 14 behind lanthanum and actinium."""
    row = bisect_left(_NOBLE, number)
    first, last = number - _NOBLE[row - 1], _NOBLE[row] - number
    if first <= 2 and last:
        return first
    return 18 - last if last < 15 or row < 6 else 3 if first == 3 else 19


def _one_of(value: object, known: Sequence[object]) -> list[float]:
    """Return a one at a value's place, or behind all where it is unknown."""
    return [float(value == other) for other in known] + [float(value not in known)]


def _atom(atom: Chem.Atom) -> list[float]:
    return [
        atom.GetTotalDegree() - 2.0,
        float(atom.GetFormalCharge()),
        float(atom.GetNumRadicalElectrons()),
        float(atom.GetIsAromatic()),
        float(atom.IsInRing()),
        *_one_of(atom.GetSymbol(), _ELEMENTS),
        *_one_of(_group(atom.GetAtomicNum()), range(1, 20)),
        *_one_of(Chem.GetPeriodicTable().GetRow(atom.GetAtomicNum()), range(1, 8)),
        *_one_of(atom.GetTotalValence(), range(7)),
    ]


def _edges(mol: Chem.Mol) -> tuple[npt.NDArray[np.int64], Floats]:
    ends: list[tuple[int, int]] = []
    kinds: list[list[float]] = []
    for bond in mol.GetBonds():
        pair = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        kind = [*_one_of(bond.GetBondType(), _BONDS), *_one_of(bond.GetStereo(), _STEREO)]
        kind.append(float(bond.IsInRing()))
        ends += [pair, pair[::-1]]
        kinds += [kind, kind]
    width = len(_BONDS) + len(_STEREO) + 3
    return np.array(ends, np.int64).reshape(-1, 2).T, np.array(kinds, np.float32).reshape(-1, width)


def _places(mol: Chem.Mol) -> tuple[Floats, Floats]:
    """Return the spectrum and the walks of `Graph`."""
    bonded = np.asarray(Chem.GetAdjacencyMatrix(mol), np.float64)
    atoms, degree = len(bonded), bonded.sum(1)
    values, vectors = eig(np.diag(degree) - bonded)
    order = values.argsort()[:_EIGENVECTORS]
    chosen = vectors[:, order]
    chosen = chosen / np.maximum(np.sqrt((chosen**2).sum(0)), 1e-4)
    spectrum = np.zeros((atoms, _EIGENVECTORS, 2), np.float32)
    spectrum[:, : len(order), 0] = values[order].real
    spectrum[:, : len(order), 1] = chosen.real
    step = bonded / degree.clip(1)[:, None]
    walk = np.eye(atoms)
    back = np.ones((atoms, _STEPS), np.float32)
    for number in range(_STEPS if atoms > 1 else 0):
        walk = walk @ step
        back[:, number] = walk.diagonal()
    return spectrum, back
