"""What RDKit tells of a molecule: descriptors and four kinds of fingerprint."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem, rdBase
from rdkit.Avalon import pyAvalonTools
from rdkit.Chem import Descriptors, MACCSkeys, rdFingerprintGenerator

from olfactory_transformer.train.archive import BROKEN_ARCHIVE, save_arrays
from olfactory_transformer.train.processes import in_processes
from olfactory_transformer.train.progress import track
from olfactory_transformer.train.structures import normal_quantiles

Counts = npt.NDArray[np.uint8]
# Fingerprint -> numbers it is folded to.
BITS = {"morgan": 2048, "roles": 2048, "pairs": 4096, "keys": 167 + 1024}
_LEAST = 3  # a bit that fewer molecules have cannot be learned from
_AT_ONCE = 100


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Raw features of M molecules.

    Parameters
    ----------
    descriptors : ndarray of float32, (M, 217)
        As RDKit gives them; NaN where it gives none.
    counts : dict of str to ndarray of uint8, (M, bits)
        `morgan`: substructures of radius 2; `roles`: the same, where atoms are donors, acceptors, aromatic and so on
        (FCFP4); `pairs`: two atoms and the bonds between them; `keys`: MACCS keys, then Avalon counts.
    """

    descriptors: npt.NDArray[np.float32]
    counts: dict[str, Counts]

    def table(self, known: int, kind: str = "morgan") -> npt.NDArray[np.float32]:
        """Return inputs of about unit size: descriptors as normal quantiles, then log(1 + count).

        Parameters
        ----------
        known : int
            The first so many molecules choose which bits are kept.
        kind : str
            Of the fingerprint.
        """
        return np.hstack([self.quantiles(), self.logs(known, kind)])

    def quantiles(self) -> npt.NDArray[np.float32]:
        """Return the descriptors as normal quantiles, 0 where unknown, (M, 217)."""
        return np.nan_to_num(normal_quantiles(self.descriptors))

    def logs(self, known: int, kind: str) -> npt.NDArray[np.float32]:
        """Return log(1 + count) of the bits that enough of the first `known` molecules have."""
        counts = self.counts[kind]
        kept = (counts[:known] > 0).sum(0) >= _LEAST
        return np.log1p(counts[:, kept].astype(np.float32))


def _generators() -> dict[str, Any]:
    roles = rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
    return {
        "morgan": rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=BITS["morgan"]),
        "roles": rdFingerprintGenerator.GetMorganGenerator(
            radius=2, fpSize=BITS["roles"], atomInvariantsGenerator=roles
        ),
        "pairs": rdFingerprintGenerator.GetAtomPairGenerator(fpSize=BITS["pairs"]),
    }


def _keys(mol: Chem.Mol) -> Counts:
    maccs: Any = vars(MACCSkeys)["GenMACCSKeys"]  # untyped
    avalon = np.zeros(1024, np.int64)
    for place, count in pyAvalonTools.GetAvalonCountFP(mol, 1024).GetNonzeroElements().items():
        avalon[place] = count
    both = np.concatenate([np.array(list(maccs(mol)), np.int64), avalon])
    return both.clip(0, 255).astype(np.uint8)


def _described(smiles: Sequence[str]) -> list[tuple[npt.NDArray[np.float32], dict[str, Counts]]]:
    generators = _generators()
    found = []
    with rdBase.BlockLogs(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in smiles:
            mol = Chem.MolFromSmiles(text)
            values = np.array([function(mol) for _, function in Descriptors.descList], np.float64)
            values[~(np.abs(values) < 1e30)] = np.nan
            counts = {
                kind: generator.GetCountFingerprintAsNumPy(mol).clip(0, 255).astype(np.uint8)
                for kind, generator in generators.items()
            } | {"keys": _keys(mol)}
            found.append((values.astype(np.float32), counts))
    return found


def read_features(smiles: Sequence[str], cache: Path) -> Features:
    """Return the features of molecules, computed once and kept in `cache` (a NumPy archive without pickle).

    Parameters
    ----------
    smiles : sequence of str, M of them
    cache : Path
        Computed anew if it is not there, damaged, or of other molecules.
    """
    with suppress(*BROKEN_ARCHIVE), np.load(cache, allow_pickle=False) as stored:
        if stored["smiles"].tolist() == list(smiles):
            counts = {kind: stored[kind] for kind in BITS}
            if {kind: table.shape[1] for kind, table in counts.items()} == BITS:
                return Features(stored["descriptors"], counts)
    parts = [smiles[i : i + _AT_ONCE] for i in range(0, len(smiles), _AT_ONCE)]
    found = []
    for part in track(in_processes(_described, parts), len(parts), "describing molecules"):
        found += part
    features = Features(
        np.array([d for d, _ in found]), {kind: np.array([c[kind] for _, c in found]) for kind in BITS}
    )
    save_arrays(cache, {"smiles": np.array(smiles), "descriptors": features.descriptors, **features.counts})
    return features
