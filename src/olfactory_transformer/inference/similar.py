"""Known molecules that lie near one on the odour map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A molecule near another.

    Parameters
    ----------
    smiles : str
    similarity : float
        Cosine of the angle between both on the odour map, -1 to 1.
    """

    smiles: str
    similarity: float


def nearest(
    vector: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.float32],
    names: Sequence[str],
    count: int,
) -> list[Neighbour]:
    """Return the nearest of N molecules, nearest first; all of unit length, (E,) and (N, E).

    >>> nearest(np.array([1, 0]), np.array([[0, 1], [1, 0], [-1, 0]]), ["C", "N", "O"], 2)
    [Neighbour(smiles='N', similarity=1.0), Neighbour(smiles='C', similarity=0.0)]
    """
    # Rounded, so that the same molecule written otherwise ties with itself and the order given decides.
    similarity = (vectors @ vector).round(5)
    best = np.argsort(-similarity, kind="stable")[:count]
    return [Neighbour(names[i], float(similarity[i])) for i in best]
