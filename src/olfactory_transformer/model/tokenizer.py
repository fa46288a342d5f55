"""From a molecule to arrays: atoms as rows of codes, pairs of atoms as relation codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from olfactory_transformer.core.errors import ModelForeign
from olfactory_transformer.model import vocabulary as voc
from olfactory_transformer.model.folder import read_json, resolve, write_json
from olfactory_transformer.model.handedness import RULES, handedness
from olfactory_transformer.molecules import Molecule

Codes = npt.NDArray[np.uint8]
FILE = "tokenizer.json"


@dataclass(frozen=True, slots=True, eq=False)
class MoleculeTokens:
    """One molecule as arrays.

    Parameters
    ----------
    atoms : ndarray of uint8, shape (N, F)
        A row an atom, a column a feature (element, degree, charge, hydrogens, hybridisation, ring).
    relations : ndarray of uint8, shape (N, N)
        What atom i is to atom j: a kind of bond or a number of bonds. Symmetric.
    environments : ndarray of uint16, shape (K, 3)
        The substructures of the Morgan fingerprint, one a row: its place in the fingerprint, the atom at its centre,
        and how many bonds it reaches from there.
    hands : ndarray of int16, shape (K, 2)
        Which hand its stereo centres are; see `handedness`.
    unknown : int
        How many atom features had a value that the vocabulary does not know.
    """

    atoms: Codes
    relations: Codes
    environments: npt.NDArray[np.uint16]
    hands: npt.NDArray[np.int16]
    unknown: int = 0

    def __len__(self) -> int:
        return len(self.atoms)


@dataclass(frozen=True, slots=True, eq=False)
class TokenBatch:
    """Molecules padded to one length; code 0 is padding everywhere.

    Parameters
    ----------
    atoms : ndarray of uint8, shape (B, N, F)
    relations : ndarray of uint8, shape (B, N, N)
    fingerprint : ndarray of uint8, shape (B, 2048)
        Counts of substructures; 255 for more.
    hands : ndarray of int8, shape (B, 512)
        Signed features of stereo centres; those of the mirror image are the negative.
    """

    atoms: Codes
    relations: Codes
    fingerprint: Codes
    hands: npt.NDArray[np.int8]


def collate(tokens: Sequence[MoleculeTokens], length: int | None = None) -> TokenBatch:
    """Pad molecules to `length` atoms (the longest, if None).

    Examples
    --------
    >>> from olfactory_transformer.molecules import read_molecule
    >>> tokenizer = MoleculeTokenizer()
    >>> batch = collate([tokenizer(read_molecule(smiles)) for smiles in ("CCO", "C")])
    >>> batch.atoms.shape, batch.relations.shape, batch.fingerprint.shape, batch.hands.shape
    ((2, 3, 6), (2, 3, 3), (2, 2048), (2, 512))
    """
    size = length or max(len(t) for t in tokens)
    atoms = np.zeros((len(tokens), size, len(voc.ATOM_FEATURES)), np.uint8)
    relations = np.zeros((len(tokens), size, size), np.uint8)
    fingerprint = np.zeros((len(tokens), voc.FINGERPRINT_BITS), np.uint8)
    hands = np.zeros((len(tokens), voc.HAND_FEATURES), np.int8)
    for row, t in enumerate(tokens):
        n = len(t)
        atoms[row, :n] = t.atoms
        relations[row, :n, :n] = t.relations
        places, counts = np.unique(t.environments[:, 0], return_counts=True)
        fingerprint[row, places] = counts.clip(0, 255)
        hands[row, t.hands[:, 0]] = t.hands[:, 1]
    return TokenBatch(atoms, relations, fingerprint, hands)


class MoleculeTokenizer:
    """Turns checked molecules into `MoleculeTokens`.

    The vocabulary is fixed by its version; `tokenizer.json` holds it in full, and a folder written with another
    vocabulary is refused rather than read wrongly.

    Examples
    --------
    >>> from olfactory_transformer.molecules import read_molecule
    >>> tokens = MoleculeTokenizer()(read_molecule("CCO"))
    >>> tokens.atoms.shape, tokens.relations.shape, tokens.environments.shape, tokens.unknown
    ((3, 6), (3, 3), (6, 3), 0)
    """

    def __init__(self) -> None:
        relation = {name: code for code, name in enumerate(voc.RELATIONS)}
        offsets = voc.atom_offsets()
        self._atom = {
            name: {value: offsets[name] + i for i, value in enumerate(values)}
            for name, values in voc.ATOM_FEATURES.items()
        }
        self._unknown = {name: offsets[name] + len(values) for name, values in voc.ATOM_FEATURES.items()}
        self._morgan = rdFingerprintGenerator.GetMorganGenerator(
            radius=voc.FINGERPRINT_RADIUS, fpSize=voc.FINGERPRINT_BITS
        )
        hybridisation = self._atom["hybridisation"]
        self._hybridisation = {
            kind: hybridisation.get(name, self._unknown["hybridisation"])
            for name, kind in Chem.HybridizationType.names.items()
        }
        self._bond = {
            (kind, ring): relation[(name if name in voc.BOND_TYPES else "OTHER") + (":ring" if ring else "")]
            for name, kind in Chem.BondType.names.items()
            for ring in (False, True)
        }
        self._double = {
            Chem.BondStereo.STEREOE: relation["DOUBLE:E"],
            Chem.BondStereo.STEREOZ: relation["DOUBLE:Z"],
            Chem.BondStereo.STEREOANY: relation["DOUBLE:unspecified"],
        }
        # Distance in bonds -> code; one bond is overwritten below by the kind of bond.
        far, apart = relation["far"], relation["apart"]
        table = [relation["self"], 0, *(relation[f"distance:{d}"] for d in range(2, voc.FURTHEST + 1))]
        self._distance = np.array([*table, far, apart], np.uint8)
        self._ring_distance = {d: relation[f"distance:{d}:ring"] for d in (2, 3, 4)}

    def __call__(self, molecule: Molecule) -> MoleculeTokens:
        """Return the tokens of one molecule."""
        mol = molecule.rdmol
        rings = mol.GetRingInfo().AtomRings()
        atoms, unknown = self._atoms(mol, rings)
        relations, environments = self._relations(mol, rings), self._environments(mol)
        return MoleculeTokens(atoms, relations, environments, handedness(mol), unknown)

    def _environments(self, mol: Chem.Mol) -> npt.NDArray[np.uint16]:
        found = rdFingerprintGenerator.AdditionalOutput()
        found.CollectBitInfoMap()
        self._morgan.GetCountFingerprint(mol, additionalOutput=found)
        rows = [
            (place, centre, radius)
            for place, where in found.GetBitInfoMap().items()
            for centre, radius in where
        ]
        return np.array(rows, np.uint16).reshape(-1, 3)

    def _atoms(self, mol: Chem.Mol, rings: Sequence[Sequence[int]]) -> tuple[Codes, int]:
        smallest: dict[int, int] = {}
        for ring in rings:
            for index in ring:
                smallest[index] = min(len(ring), 8, smallest.get(index, 8))
        tables, missing = self._atom, self._unknown
        rows: list[tuple[int, ...]] = []
        for index, atom in enumerate(mol.GetAtoms()):
            ring_name = ("a" if atom.GetIsAromatic() else "") + str(smallest.get(index, 0))
            rows.append(
                (
                    tables["element"].get(atom.GetSymbol(), missing["element"]),
                    tables["degree"].get(str(atom.GetDegree()), missing["degree"]),
                    tables["charge"].get(str(atom.GetFormalCharge()), missing["charge"]),
                    tables["hydrogens"].get(str(atom.GetTotalNumHs()), missing["hydrogens"]),
                    self._hybridisation[atom.GetHybridization()],
                    tables["ring"].get(ring_name, missing["ring"]),
                )
            )
        codes = np.array(rows, np.uint8)
        unknown = int((codes == np.array(list(missing.values()), np.uint8)).sum())
        return codes, unknown

    def _relations(self, mol: Chem.Mol, rings: Sequence[Sequence[int]]) -> Codes:
        # RDKit gives 1e8 between atoms of different fragments; there is one fragment here, but do not rely on it.
        distance = Chem.GetDistanceMatrix(mol)
        steps = np.minimum(distance, voc.FURTHEST + 1).astype(np.int64)
        steps[distance > 1e6] = voc.FURTHEST + 2
        codes: Codes = self._distance[steps]
        for ring in rings:
            grid = np.ix_(ring, ring)
            within = steps[grid]
            block = codes[grid]
            for d, code in self._ring_distance.items():
                block[within == d] = code
            codes[grid] = block
        for bond in mol.GetBonds():
            stereo = bond.GetStereo()
            code = self._double.get(stereo) or self._bond[bond.GetBondType(), bond.IsInRing()]
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            codes[i, j] = codes[j, i] = code
        return codes

    # -- folder ----------------------------------------------------------------------------------------------

    @staticmethod
    def _described() -> dict[str, Any]:
        return {
            "type": "MoleculeTokenizer",
            "version": voc.VERSION,
            "atom_features": {name: list(values) for name, values in voc.ATOM_FEATURES.items()},
            "relations": list(voc.RELATIONS),
            "hands": {"features": voc.HAND_FEATURES, "rules": [list(rule) for rule in RULES]},
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `tokenizer.json` into `folder`."""
        write_json(Path(folder) / FILE, self._described())

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> MoleculeTokenizer:
        """Read `tokenizer.json` from a model folder or a bundled model's name.

        Raises
        ------
        ModelNotFound
            No such folder.
        ModelForeign
            The file is not a tokenizer of this version of the package.
        """
        path = resolve(folder) / FILE
        found = read_json(path)
        expected = cls._described()
        for part in expected:
            # As text: the order of the features is part of the vocabulary, and equal dicts may differ in it.
            if json.dumps(found.get(part)) != json.dumps(expected[part]):
                got = json.dumps(found.get(part))[:80]
                raise ModelForeign(
                    f"{path}: {part} is {got}; expected a MoleculeTokenizer of vocabulary version {voc.VERSION}"
                )
        return cls()
