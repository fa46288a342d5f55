"""The reference index of a trained model; see `model.reference`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from olfactory_transformer.core.applicability import Domain
from olfactory_transformer.model.folder import REFERENCE, write_manifest
from olfactory_transformer.model.reference import NEAREST, Reference, nearest_distance, unit
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.read import connectivity
from olfactory_transformer.train.structures import listed_connectivities
from olfactory_transformer.train.tasks import TrainingSet

Floats = npt.NDArray[np.float32]
_SEVERAL = 5  # molecules with an element, for the model to have learned from it
_ROWS = 512
_INT8 = 127


def build_reference(data: TrainingSet, embedding: Floats, hold_out: int | None = None) -> Reference:
    """Index the labelled molecules that a network was trained on.

    Parameters
    ----------
    data : TrainingSet
    embedding : ndarray (M, E)
        Of all molecules of `data`, by the network.
    hold_out : int or None
        Fold that it was not trained on. Its molecules are then the new ones that distances are compared with;
        else each molecule stands for a new one that is not in the index, nor are its stereoisomers. A network is
        fitted to the latter, but lays them hardly closer to their neighbours (docs/results/applicability.md).
    """
    rows = np.flatnonzero((data.fold >= 0) & (data.fold != hold_out))
    molecules = [read_molecule(data.smiles[i]) for i in rows]
    keys = [connectivity(molecule) for molecule in molecules]
    listed = listed_connectivities()
    count = Counter(element for molecule in molecules for element in molecule.elements)
    vectors = unit(embedding[rows])
    scale = np.maximum(np.abs(vectors).max(0) / _INT8, 1e-9).astype(np.float32)
    new = np.flatnonzero(data.fold == hold_out) if hold_out is not None else None
    distance = left_out_distances(vectors, keys) if new is None else _distances(embedding[new], vectors)
    return Reference(
        codes=np.round(vectors / scale).astype(np.int8),
        scale=scale,
        smiles=tuple(m.smiles if k in listed else "" for m, k in zip(molecules, keys, strict=True)),
        domain=Domain(
            max(molecule.heavy_atoms for molecule in molecules),
            tuple(sorted(element for element, n in count.items() if n >= _SEVERAL)),
        ),
        distances=np.percentile(distance, np.arange(101)).astype(np.float32),
    )


def _distances(embedding: Floats, vectors: Floats) -> Floats:
    blocks = [unit(embedding[i : i + _ROWS]) @ vectors.T for i in range(0, len(embedding), _ROWS)]
    return np.concatenate([nearest_distance(block, min(NEAREST, len(vectors))) for block in blocks])


def left_out_distances(vectors: Floats, keys: list[str]) -> Floats:
    """Return each molecule's distance to the others, those of its own connectivity left out: (N, E) -> (N,)."""
    _, group = np.unique(keys, return_inverse=True)
    others = len(keys) - int(np.bincount(group).max())
    found = np.zeros(len(vectors), np.float32)
    for start in range(0, len(vectors), _ROWS):
        block = slice(start, start + _ROWS)
        similarity = vectors[block] @ vectors.T
        similarity[group[block, None] == group] = -np.inf
        found[block] = nearest_distance(similarity, max(1, min(NEAREST, others)))
    return found


def write_reference(folder: Path, reference: Reference) -> None:
    """Add an index to a model folder, whole or not at all, and to its manifest."""
    text = {"smiles": "\n".join(reference.smiles), "elements": " ".join(reference.domain.elements)}
    arrays: dict[str, npt.NDArray[Any]] = {
        "codes": reference.codes,
        "scale": reference.scale,
        "distances": reference.distances,
        "heavy_atoms": np.array([reference.domain.heavy_atoms], np.int64),
        **{name: np.frombuffer(value.encode("ascii"), np.uint8) for name, value in text.items()},
    }
    temporary = folder / f"{REFERENCE}.part"
    temporary.write_bytes(save(arrays))
    temporary.replace(folder / REFERENCE)
    write_manifest(folder)
