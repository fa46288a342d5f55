"""How large a molecule may be.

RDKit holds the interpreter lock while it perceives rings and canonicalises, so a single huge molecule stalls
every thread of a server. All limits are therefore checked before that step, on the bare graph.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MoleculeLimits:
    """Limits of one molecule's text and graph.

    Parameters
    ----------
    length : int
        Characters of SMILES.
    heavy_atoms : int
        Atoms other than hydrogen, over all fragments of the text.
    rings : int
        Independent rings (bonds - atoms + fragments), and smallest rings. Perceiving aromaticity grows steeply
        with them in a fused system: a ladder of phosphorus takes 0.1 s at 26, 2 s at 39. Steroids have 4,
        heparin pentasaccharide 5, buckminsterfullerene 32.
    """

    length: int = 1000
    heavy_atoms: int = 200
    rings: int = 24


DEFAULT_LIMITS = MoleculeLimits()
