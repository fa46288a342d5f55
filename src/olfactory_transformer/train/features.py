"""What the teachers see of a molecule: RDKit descriptors and Morgan counts, which the shipped network never needs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors, rdFingerprintGenerator

from olfactory_transformer.core.cpu import cpu_limit
from olfactory_transformer.train.progress import track
from olfactory_transformer.train.structures import BROKEN_ARCHIVE, normal_quantiles

BITS = 2048
_LEAST = 3  # a bit that fewer molecules have cannot be learned from
_AT_ONCE = 100


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Raw features of M molecules.

    Parameters
    ----------
    descriptors : ndarray of float32, (M, 217)
        As RDKit gives them; NaN where it gives none.
    counts : ndarray of uint8, (M, 2048)
        Morgan counts, radius 2.
    """

    descriptors: npt.NDArray[np.float32]
    counts: npt.NDArray[np.uint8]

    def table(self, known: int) -> npt.NDArray[np.float32]:
        """Return inputs of about unit size: descriptors as normal quantiles, then log(1 + count).

        Parameters
        ----------
        known : int
            The first so many molecules choose which bits are kept.
        """
        kept = (self.counts[:known] > 0).sum(0) >= _LEAST
        descriptors = np.nan_to_num(normal_quantiles(self.descriptors))
        return np.hstack([descriptors, np.log1p(self.counts[:, kept].astype(np.float32))])


def _described(smiles: Sequence[str]) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]]:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=BITS)
    found = []
    with rdBase.BlockLogs(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in smiles:
            mol = Chem.MolFromSmiles(text)
            values = np.array([function(mol) for _, function in Descriptors.descList], np.float64)
            values[~(np.abs(values) < 1e30)] = np.nan
            counts = generator.GetCountFingerprintAsNumPy(mol).clip(0, 255).astype(np.uint8)
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
            return Features(stored["descriptors"], stored["counts"])
    parts = [smiles[i : i + _AT_ONCE] for i in range(0, len(smiles), _AT_ONCE)]
    found = []
    with ProcessPoolExecutor(cpu_limit(), mp_context=get_context("spawn")) as pool:
        for part in track(pool.map(_described, parts), len(parts), "describing molecules"):
            found += part
    features = Features(np.array([d for d, _ in found]), np.array([c for _, c in found]))
    cache.parent.mkdir(parents=True, exist_ok=True)
    temporary = cache.with_suffix(".part.npz")
    np.savez_compressed(
        temporary,
        smiles=np.array(smiles),
        descriptors=features.descriptors,
        counts=features.counts,
    )
    temporary.replace(cache)
    return features
