"""The reference index of a model folder: where the molecules that the model learned from lie on its odour map.

`reference.safetensors` has no labels, and names (as SMILES) only molecules that public lists have.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.applicability import Domain
from olfactory_transformer.core.errors import ModelCorrupt
from olfactory_transformer.model.arrays import Expected, check_arrays, read_arrays
from olfactory_transformer.model.folder import REFERENCE

NEAREST = 5  # molecules that a distance is the mean over
_ROWS = 32  # searched at a time: their similarities to 7,000 molecules are 1 MB
# Multiplications up to which OpenBLAS takes one thread for a product. Its other threads, once they have been at work,
# spin for the next product, which comes long after: that would take as much of the processor as all else.
_PRODUCT = 2**18
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reference:
    """Molecules that a model learned from, on its odour map.

    Parameters
    ----------
    codes : ndarray of int8, (N, E)
        Coordinates of unit length, divided by `scale` and rounded.
    scale : ndarray of float32, (E,)
    smiles : tuple of str, N of them
        Canonical; empty for a molecule that may not be named.
    domain : Domain
    distances : ndarray of float32, (101,)
        Percentiles 0-100 of the distance of molecules that are new to the model.
    """

    codes: npt.NDArray[np.int8]
    scale: Floats
    smiles: tuple[str, ...]
    domain: Domain
    distances: Floats

    @cached_property
    def vectors(self) -> Floats:
        """Coordinates of unit length, (N, E)."""
        return unit(self.codes * self.scale)

    @cached_property
    def named(self) -> npt.NDArray[np.int64]:
        """Rows that have a SMILES."""
        return np.flatnonzero([bool(smiles) for smiles in self.smiles])

    def distance(self, embedding: Floats) -> Floats:
        """Return the mean cosine distance (0-2) to the nearest molecules: (M, E) -> (M,)."""
        count = min(NEAREST, len(self.vectors))
        found = np.zeros(len(embedding), np.float32)
        for start in range(0, len(embedding), _ROWS):
            rows = slice(start, start + _ROWS)
            similarity = (unit(embedding[rows]) @ self._blocks).transpose(1, 0, 2)  # (R, G, C)
            each = similarity.reshape(len(similarity), -1)[:, : len(self.vectors)]
            found[rows] = nearest_distance(each, count)
        return found

    @cached_property
    def _blocks(self) -> Floats:
        """The vectors in blocks of columns, (G, E, C), which are multiplied one by one; zeros fill the last."""
        count, width = self.vectors.shape
        columns = max(1, _PRODUCT // (_ROWS * width))
        filled = np.zeros((-(-count // columns) * columns, width), np.float32)
        filled[:count] = self.vectors
        return np.ascontiguousarray(filled.reshape(-1, columns, width).transpose(0, 2, 1))

    def percentile(self, distance: Floats) -> npt.NDArray[np.float64]:
        """Return the percentage of new molecules that are nearer, 0-100."""
        return np.interp(distance, self.distances, np.arange(101))


def unit(vectors: Floats) -> Floats:
    """Scale rows to unit length; rows of zeros stay.

    >>> print(unit(np.array([[3, 4], [0, 0]], np.float32)))
    [[0.6 0.8]
     [0.  0. ]]
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), np.float32)


def nearest_distance(similarity: Floats, count: int = NEAREST) -> Floats:
    """Return the mean distance of the `count` most similar columns: (M, N) -> (M,)."""
    largest = np.partition(similarity, similarity.shape[1] - count, axis=1)[:, -count:]
    return np.asarray(np.maximum(1 - largest.mean(1), 0), np.float32)  # rounding makes it less than 0


def read_reference(folder: Path, embedding: int) -> Reference | None:
    """Read the index of a verified model folder; None if it has none.

    Parameters
    ----------
    folder : Path
    embedding : int
        Coordinates of the model's odour map.

    Raises
    ------
    ModelCorrupt
        The file is no such index, or that of another model.
    """
    path = folder / REFERENCE
    if not path.is_file():
        return None
    found, _ = read_arrays(path)
    check_arrays(path, found, _expected(embedding))
    codes, scale, distances = found["codes"], found["scale"], found["distances"]
    try:
        names = bytes(found["smiles"]).decode("ascii").split("\n")
        elements = tuple(bytes(found["elements"]).decode("ascii").split())
    except UnicodeDecodeError as error:
        raise ModelCorrupt(f"{path}: not readable as a reference index ({error})") from None
    if len(names) != len(codes):
        raise ModelCorrupt(f"{path}: {len(names)} SMILES for {len(codes)} codes")
    if (np.diff(distances) < 0).any():
        raise ModelCorrupt(f"{path}: its distances are no percentiles")
    return Reference(codes, scale, tuple(names), Domain(int(found["heavy_atoms"][0]), elements), distances)


def _expected(embedding: int) -> Expected:
    return {
        "codes": (np.int8, ("molecules", embedding)),
        "scale": (np.float32, (embedding,)),
        "smiles": (np.uint8, ("characters",)),
        "elements": (np.uint8, ("letters",)),
        "heavy_atoms": (np.int64, (1,)),
        "distances": (np.float32, (101,)),
    }
