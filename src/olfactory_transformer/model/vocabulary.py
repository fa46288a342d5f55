"""What an atom and a pair of atoms can look like: the tokenizer's versioned vocabulary.

An atom is a row of codes, one a feature; a pair of atoms is one code, its relation. Codes of all features share
one table, so that a model needs one embedding for atoms and one for relations.
"""

from __future__ import annotations

VERSION = 2

PAD, MASK = 0, 1  # shared by all atom features
RING_SIZES = (0, 3, 4, 5, 6, 7, 8)  # smallest ring of the atom; larger rings count as 8

# Feature name -> the values it knows, in the order of their codes. A value that is not here gets the feature's
# own "unknown" code, which comes after its values.
ATOM_FEATURES: dict[str, tuple[str, ...]] = {
    "element": (
        "C", "N", "O", "S", "F", "Cl", "Br", "I", "P", "Si", "B", "Se", "As", "Sn", "Ge", "Te", "Hg", "H",
    ),
    "degree": tuple(str(n) for n in range(7)),
    "charge": ("-2", "-1", "0", "1", "2"),
    "hydrogens": tuple(str(n) for n in range(5)),
    "hybridisation": ("S", "SP", "SP2", "SP3", "SP2D", "SP3D", "SP3D2"),
    "ring": tuple(f"{kind}{size}" for kind in ("", "a") for size in RING_SIZES),  # "a6": six-ring, aromatic
}  # fmt: skip

# Relations of two atoms. A bond: type, whether in a ring, and double-bond stereo. Otherwise the number of bonds
# between them, told apart for atoms of one ring (so that ortho, meta and para differ).
BOND_TYPES = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC", "OTHER")
DOUBLE_STEREO = ("E", "Z", "unspecified")
FURTHEST = 12  # bonds; atoms further apart share one code
RELATIONS: tuple[str, ...] = (
    "pad",
    "self",
    *(f"{bond}{ring}" for bond in BOND_TYPES for ring in ("", ":ring")),
    *(f"DOUBLE:{stereo}" for stereo in DOUBLE_STEREO),
    *(f"distance:{d}" for d in range(2, FURTHEST + 1)),
    *(f"distance:{d}:ring" for d in (2, 3, 4)),
    "far",
    "apart",
    "readout>atom",
    "atom>readout",
    "readout",
)
# Counts of substructures (Morgan, radius 2) are folded to so many numbers.
FINGERPRINT_BITS, FINGERPRINT_RADIUS = 2048, 2
# Signed features of stereo centres are folded to so many numbers (see `handedness`).
HAND_FEATURES = 512


def bonds_apart(relation: str) -> int | None:
    """Return how many bonds lie between two atoms by their relation; None where it does not say.

    >>> [bonds_apart(r) for r in ("self", "DOUBLE:E", "distance:3:ring", "far")]
    [0, 1, 3, None]
    """
    if relation.startswith("distance:"):
        return int(relation.split(":")[1])
    if relation.split(":")[0] in BOND_TYPES:
        return 1
    return 0 if relation == "self" else None


def atom_offsets() -> dict[str, int]:
    """Return the code of each feature's first value.

    >>> atom_offsets()["element"]
    2
    """
    offsets, code = {}, 2
    for name, values in ATOM_FEATURES.items():
        offsets[name] = code
        code += len(values) + 1  # the feature's unknown
    return offsets


def atom_codes() -> int:
    """Return the number of atom codes, padding and mask included."""
    return 2 + sum(len(values) + 1 for values in ATOM_FEATURES.values())
