"""MiniMol's embedding of a molecule, which the teachers see and the trunk learns to tell.

MiniMol (Kläser et al. 2024, arXiv:2404.14986) is a graph network of 10M parameters that learned from 6 million
molecules what bioassays (PCBA), cells (L1000) and quantum chemistry (PCQM4M) say of them; no odour descriptor is among
it. Its weights are in the `minimol` package (MIT). That package's own code, on graphium (Apache-2.0), asks for
libraries that no longer install together, so the network is written anew here, after theirs. It is asked in training
only: the model that ships neither needs nor contains it.
"""

from __future__ import annotations

import hashlib
import pickletools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt
import torch
from rdkit import Chem, rdBase
from scipy.linalg import eig
from torch import Tensor
from torch.nn import functional

from olfactory_transformer.core.errors import DataError, MissingMiniMol
from olfactory_transformer.train.archive import BROKEN_ARCHIVE, save_arrays
from olfactory_transformer.train.progress import track

Floats = npt.NDArray[np.float32]
WIDTH = 512
_SHA256 = (
    "a3061e1cdbbd5e544168fbf8c1e01836c8c19ac030891d495a2ae9f29cfe97a7"  # of the weights in minimol 1.3.5
)
_LAYERS, _HIDDEN, _EIGENVECTORS, _STEPS = 16, 336, 8, 16
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


def _tensors(content: bytes) -> Iterator[tuple[str, Tensor]]:
    """Yield what torch.save wrote of half-precision tensors: its list of names and shapes is read, not unpickled."""
    name, storage, numbers = "", "", [1]
    with ZipFile(BytesIO(content)) as archive:
        for code, value, _ in pickletools.genops(archive.read("state_dict/data.pkl")):
            if code.name == "BINUNICODE" and str(value).startswith("model."):
                name = str(value)
            elif code.name == "BINUNICODE" and str(value).isdigit():
                storage = str(value)
            elif code.name == "BINPERSID":
                numbers = []  # the place in the storage, always 0, then the shape
            elif code.name.startswith("BININT"):
                numbers.append(int(value or 0))
            elif code.name in ("TUPLE1", "TUPLE2") and not numbers[0]:
                halves = np.frombuffer(archive.read(f"state_dict/data/{storage}"), np.float16)
                yield (
                    name.removeprefix("model."),
                    torch.from_numpy(halves.astype(np.float32).reshape(numbers[1:])),
                )
                numbers = [1]  # what follows are strides


class MiniMol:
    """The network, on the CPU.

    Raises
    ------
    MissingMiniMol
        The package with the weights is not installed.
    DataError
        Its weights are damaged, or of another version.
    """

    def __init__(self) -> None:
        spec = find_spec("minimol")
        if spec is None or spec.origin is None:
            raise MissingMiniMol
        path = Path(spec.origin).parent / "ckpts" / "minimol_v1" / "state_dict.pth"
        content = path.read_bytes()
        if (got := hashlib.sha256(content).hexdigest()) != _SHA256:
            raise DataError(
                f"{path}: got SHA-256 {got}, expected {_SHA256} of minimol 1.3.5; install it anew"
            )
        self.weights = dict(_tensors(content))

    def __call__(self, smiles: Sequence[str]) -> Floats:
        """Return the embedding of each molecule, (M, 512): the greatest of its atoms' numbers in the last layer.

        Each must be one connected molecule that RDKit reads. Symmetric molecules have eigenvectors that are alike,
        among which the machine's linear algebra chooses; that moves their numbers by a few hundredths.
        """
        parts = [smiles[i : i + _AT_ONCE] for i in range(0, len(smiles), _AT_ONCE)]
        found = [self._embedded(part) for part in track(parts, len(parts), "embedding molecules")]
        return np.concatenate([np.zeros((0, WIDTH), np.float32), *found])

    @torch.inference_mode()
    def _embedded(self, smiles: Sequence[str]) -> Floats:
        with rdBase.BlockLogs():
            graphs = [_ordered(Chem.MolFromSmiles(text)) for text in smiles]
        sizes = torch.tensor([mol.GetNumAtoms() for mol in graphs])
        graph = torch.repeat_interleave(torch.arange(len(graphs)), sizes)
        places = [_places(mol) for mol in graphs]
        spectrum = torch.from_numpy(np.concatenate([s for s, _ in places]))
        walks = torch.from_numpy(np.concatenate([w for _, w in places]))
        atoms = torch.tensor([_atom(atom) for mol in graphs for atom in mol.GetAtoms()])
        atoms = self._twice("pre_nn.layers", torch.cat([self._placed(spectrum, walks), atoms], 1))
        ends, edges = _edges(graphs, sizes)
        edges = self._twice("pre_nn_edges.layers", edges)
        before, whole = torch.zeros(()), torch.zeros(len(graphs), _HIDDEN)
        for layer in range(_LAYERS - 1):
            before = before + self._passed(layer, atoms, ends, edges)
            mean = torch.zeros_like(whole).index_add_(0, graph, before) / sizes[:, None]
            at = f"gnn.virtual_node_layers.{layer}"
            inputs = whole + mean * sizes.log()[:, None]
            whole = whole + functional.gelu(self._normed(f"{at}.fc_layer", inputs))
            # Half: by muP the readout of a network twice as wide as its base.
            atoms = before + self._linear(f"{at}.node_projection", whole / 2)[graph]
        atoms = self._passed(_LAYERS - 1, atoms, ends, edges)
        index = graph[:, None].expand_as(atoms)
        most = torch.zeros(len(graphs), WIDTH).scatter_reduce_(0, index, atoms, "amax", include_self=False)
        return np.asarray(most.numpy(), np.float32)

    def _linear(self, name: str, inputs: Tensor) -> Tensor:
        return functional.linear(inputs, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, name: str, inputs: Tensor) -> Tensor:
        weight = self.weights[f"{name}.weight"]
        return functional.layer_norm(inputs, weight.shape, weight, self.weights[f"{name}.bias"])

    def _normed(self, name: str, inputs: Tensor) -> Tensor:
        return self._norm(f"{name}.normalization", self._linear(f"{name}.linear", inputs))

    def _twice(self, name: str, inputs: Tensor) -> Tensor:
        return self._normed(f"{name}.1", self._normed(f"{name}.0", inputs).relu())

    def _placed(self, spectrum: Tensor, walks: Tensor) -> Tensor:
        """Return where atoms are in the graph, (atoms, 32), from eigenvectors (atoms, 8, 2) and walks (atoms, 16)."""
        at = "encoder_manager.pe_encoders.la_pos"
        hidden = self._linear(f"{at}.linear_in.linear", spectrum)
        hidden = self._linear(f"{at}.pe_encoder.fully_connected.0.linear", hidden).relu()
        hidden = self._linear(f"{at}.pe_encoder.fully_connected.1.linear", hidden).sum(1)
        found = self._linear(f"{at}.post_mlp.fully_connected.0.linear", hidden)
        at = "encoder_manager.pe_encoders.rw_pos.pe_encoder"
        walks = self._norm(f"{at}.first_normalization", walks)
        return found + self._twice(f"{at}.fully_connected", walks).relu()

    def _passed(self, layer: int, atoms: Tensor, ends: Tensor, edges: Tensor) -> Tensor:
        """Return the atoms after a layer of message passing (GINE, Hu et al. 2020, arXiv:1905.12265)."""
        at = f"gnn.layers.{layer}"
        messages = (atoms[ends[0]] + self._linear(f"{at}.model.lin", edges)).relu()
        inputs = ((1 + self.weights[f"{at}.model.eps"]) * atoms).index_add_(0, ends[1], messages)
        hidden = functional.gelu(self._normed(f"{at}.model.nn.fully_connected.0", inputs))
        found = self._linear(f"{at}.model.nn.fully_connected.1.linear", hidden)
        return functional.gelu(self._norm(f"{at}.norm_layer", found))


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


def _edges(graphs: Sequence[Chem.Mol], sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Return from and to which atom each bond leads, (2, E), both ways, and what it is, (E, 13)."""
    ends, kinds = [], []
    for mol, first in zip(graphs, (sizes.cumsum(0) - sizes).tolist(), strict=True):
        for bond in mol.GetBonds():
            pair = (first + bond.GetBeginAtomIdx(), first + bond.GetEndAtomIdx())
            kind = [
                *_one_of(bond.GetBondType(), _BONDS),
                *_one_of(bond.GetStereo(), _STEREO),
                bond.IsInRing(),
            ]
            ends += [pair, pair[::-1]]
            kinds += [kind, kind]
    return torch.tensor(ends, dtype=torch.int64).reshape(-1, 2).T, torch.tensor(kinds).reshape(-1, 13)


def _places(mol: Chem.Mol) -> tuple[Floats, Floats]:
    """Return of each atom the first eigenvalues and -vectors of the Laplacian, (A, 8, 2), and how probably a random
    walk is back after 1 to 16 steps, (A, 16)."""
    bonded = np.asarray(Chem.GetAdjacencyMatrix(mol), np.float64)
    degree = bonded.sum(1)
    spectrum = np.zeros((len(bonded), _EIGENVECTORS, 2))
    values, vectors = eig(np.diag(degree) - bonded)
    order = values.argsort()[:_EIGENVECTORS]
    spectrum[:, : len(order), 0] = values[order].real
    vectors = vectors[:, order]
    spectrum[:, : len(order), 1] = (vectors / np.maximum(np.sqrt((vectors**2).sum(0)), 1e-4)).real
    if len(bonded) == 1:  # as the package has it: a single atom is where it was
        return spectrum.astype(np.float32), np.ones((1, _STEPS), np.float32)
    step = bonded / degree.clip(1)[:, None]
    walk, back = np.eye(len(bonded)), []
    for _ in range(_STEPS):
        walk = walk @ step
        back.append(walk.diagonal())
    return spectrum.astype(np.float32), np.array(back, np.float32).T
