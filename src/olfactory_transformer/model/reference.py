"""The reference index of a model folder: where the molecules that the model learned from lie on its odour map.

`reference.safetensors` has no labels, and names (as SMILES) only molecules that public lists have. It is read with
NumPy, since the base install has no safetensors: eight bytes of length, a JSON header, and the arrays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.applicability import Domain
from olfactory_transformer.core.errors import ModelCorrupt
from olfactory_transformer.model.folder import REFERENCE

NEAREST = 5  # molecules that a distance is the mean over
_ROWS = 128  # searched at a time: their similarities to 7,000 molecules are 4 MB
_DTYPES = {"I8": np.int8, "U8": np.uint8, "I64": np.int64, "F32": np.float32}
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
            found[rows] = nearest_distance(unit(embedding[rows]) @ self.vectors.T, count)
        return found

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
    try:
        found = _arrays(path.read_bytes())
        codes, scale, distances = found["codes"], found["scale"], found["distances"]
        names = bytes(found["smiles"]).decode("ascii").split("\n")
        elements = tuple(bytes(found["elements"]).decode("ascii").split())
        domain = Domain(int(found["heavy_atoms"].item()), elements)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelCorrupt(f"{path}: not readable as a reference index ({error!r:.200})") from None
    if codes.dtype != np.int8 or codes.ndim != 2 or not len(codes) or len(names) != len(codes):
        raise ModelCorrupt(f"{path}: {len(names)} SMILES for codes {codes.dtype} {codes.shape}")
    if codes.shape[1] != embedding or scale.shape != (embedding,):
        raise ModelCorrupt(f"{path}: {codes.shape[1]} coordinates, config.json says {embedding}")
    if distances.shape != (101,) or not np.isfinite(distances).all() or (np.diff(distances) < 0).any():
        raise ModelCorrupt(f"{path}: its distances are no percentiles")
    if not np.isfinite(scale).all():
        raise ModelCorrupt(f"{path}: its scale is not finite")
    return Reference(codes, scale, tuple(names), domain, distances)


def _arrays(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a safetensors file."""
    start = 8 + int.from_bytes(data[:8], "little")
    found: dict[str, npt.NDArray[Any]] = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            block = memoryview(data)[start + begin : start + end]
            found[name] = np.frombuffer(block, _DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return found
