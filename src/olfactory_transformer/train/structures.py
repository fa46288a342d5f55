"""Unlabelled structures to pre-train on, with targets that are computed.

The structures are the real compounds listed by the `chemicals` package (Bell et al.): molecules that are sold or
measured, which odorants resemble more than they do drug candidates. The targets are RDKit's descriptors
(as normal quantiles), Morgan count fingerprints (radius 2) and MiniMol's embedding; Tb is the boiling point where the
package has one.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Iterator, Set
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors, rdFingerprintGenerator
from scipy.special import ndtri

from olfactory_transformer.core.errors import DataError, MissingExtra, MoleculeError
from olfactory_transformer.model.tokenizer import MoleculeTokenizer
from olfactory_transformer.molecules import MoleculeLimits, read_molecule
from olfactory_transformer.train.archive import BROKEN_ARCHIVE, save_arrays
from olfactory_transformer.train.minimol import WIDTH, MiniMol
from olfactory_transformer.train.processes import in_processes
from olfactory_transformer.train.progress import track
from olfactory_transformer.train.read import connectivity
from olfactory_transformer.train.tasks import Task, TrainingSet

FINGERPRINT_BITS = 1024
_LIMITS = MoleculeLimits(length=200, heavy_atoms=32, rings=8)
_ELEMENTS = {5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53}
_COUNT_CEILING = 3  # counts above this say little more


def listed_compounds() -> dict[str, float]:
    """Return SMILES of the compounds of the `chemicals` package -> boiling point in K (NaN if unknown)."""
    root = _package()
    boiling: dict[str, float] = {}
    with (root / "Phase Change" / "Yaws Boiling Points.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            boiling[row["CAS"]] = float(row["Tb"])
    found: dict[str, float] = {}
    for cells in _identifiers(root):
        found.setdefault(cells[4], boiling.get(cells[1], math.nan))
    return found


def listed_connectivities() -> set[str]:
    """Return the connectivity (first block of the InChIKey) of the compounds of the `chemicals` package."""
    return {cells[6][:14] for cells in _identifiers(_package()) if len(cells) > 6}


def _package() -> Path:
    spec = find_spec("chemicals")
    if spec is None or spec.origin is None:
        raise MissingExtra("train", "pre-training")
    return Path(spec.origin).parent


def _identifiers(root: Path) -> Iterator[list[str]]:
    """Yield PubChem CID, CAS, formula, mass, SMILES, InChI, InChIKey and names of each compound."""
    for part in ("small", "large"):
        path = root / "Identifiers" / f"chemical identifiers pubchem {part}.tsv"
        with path.open(encoding="utf-8") as file:
            for line in file:
                cells = line.rstrip("\n").split("\t", 7)
                if len(cells) > 4:
                    yield cells


Described = tuple[str, npt.NDArray[np.float32], npt.NDArray[np.uint8]]


def _described(smiles: str) -> Described | None:
    """Return canonical SMILES, descriptors and fingerprint of a compound, or None for one unlike an odorant."""
    try:
        molecule = read_molecule(smiles, _LIMITS)
    except MoleculeError:
        return None
    mol = molecule.rdmol
    numbers = {atom.GetAtomicNum() for atom in mol.GetAtoms()}
    if 6 not in numbers or numbers - _ELEMENTS or Chem.GetFormalCharge(mol):
        return None
    with rdBase.BlockLogs(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = np.array([function(mol) for _, function in Descriptors.descList], np.float64)
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=FINGERPRINT_BITS)
        counts = generator.GetCountFingerprintAsNumPy(mol)
    return (
        molecule.smiles,
        np.where(np.isfinite(values), values, np.nan).astype(np.float32),
        np.minimum(counts, _COUNT_CEILING).astype(np.uint8),
    )


def normal_quantiles(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Map each column to the normal distribution by its ranks; ties share their mean rank, NaN stays NaN.

    >>> print(normal_quantiles(np.array([[1.0], [2.0], [2.0], [9.0]], np.float32)).round(2).ravel())
    [-1.15  0.    0.    1.15]
    """
    result = np.full(values.shape, np.nan, np.float32)
    for column in range(values.shape[1]):
        known = np.isfinite(values[:, column])
        unique, inverse, count = np.unique(values[known, column], return_inverse=True, return_counts=True)
        if len(unique) < 2:
            continue
        middle = (np.cumsum(count) - count / 2) / count.sum()
        result[known, column] = ndtri(middle)[inverse]
    return result


def read_structures(cache: Path, limit: int | None = None, held_back: Set[str] = frozenset()) -> TrainingSet:
    """Return the pre-training set, computed once and kept in `cache` (a NumPy archive without pickle).

    Parameters
    ----------
    cache : Path
    limit : int or None
        Take only so many of the listed compounds, when computing.
    held_back : set of str
        Connectivities whose boiling points are left out, when computing.
    """
    if not cache.is_file():
        _write_cache(cache, limit, held_back)
    try:
        with np.load(cache, allow_pickle=False) as stored:
            smiles = [str(s) for s in stored["smiles"]]
            descriptors, counts, boiling = stored["descriptors"], stored["counts"], stored["boiling"]
            minimol = stored["minimol"].astype(np.float32)
    except BROKEN_ARCHIVE as error:
        raise DataError(
            f"{cache}: not structures.npz of this version's `olfactory pretrain` ({error}); "
            "delete it, or name another folder"
        ) from None
    tokenizer = MoleculeTokenizer()
    tokens = [tokenizer(read_molecule(s)) for s in smiles]
    rows = np.arange(len(smiles))
    known = np.flatnonzero(np.isfinite(boiling))
    names = tuple(name for name, _ in Descriptors.descList)
    tasks = [
        Task("descriptors", "regression", names, rows, descriptors, weight=1.0),
        Task("fingerprint", "binary", tuple(map(str, range(counts.shape[1]))), rows, counts, weight=5.0),
        Task("minimol", "regression", tuple(map(str, range(WIDTH))), rows, minimol, weight=2.0),
        Task("boiling", "regression", ("Tb",), known, boiling[known, None], weight=0.3),
    ]
    return TrainingSet(smiles, tokens, np.zeros(len(smiles), np.int64), tasks)


def structure_smiles(cache: Path) -> list[str]:
    """Return the SMILES of a cache that `read_structures` wrote; DataError if it is not one."""
    try:
        with np.load(cache, allow_pickle=False) as stored:
            return [str(smiles) for smiles in stored["smiles"]]
    except BROKEN_ARCHIVE as error:
        raise DataError(f"{cache}: not structures.npz of `olfactory pretrain` ({error})") from None


def boiling_held_back(cache: Path) -> bool:
    """Return whether boiling points were left out of what `read_structures` computed."""
    with np.load(cache, allow_pickle=False) as stored:
        return "held_back" in stored and bool(stored["held_back"])  # not in a cache of before


def _write_cache(cache: Path, limit: int | None, held_back: Set[str]) -> None:
    network = MiniMol()  # first: without it, what follows would be for nothing
    structures = dict(islice(listed_compounds().items(), limit))
    seen: dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], float]] = {}
    described = in_processes(_described, list(structures), at_once=500)
    results = track(described, len(structures), "describing structures")
    for result, boiling in zip(results, structures.values(), strict=True):
        if result is not None:
            smiles, values, counts = result
            if held_back and math.isfinite(boiling) and connectivity(read_molecule(smiles)) in held_back:
                boiling = math.nan
            seen.setdefault(smiles, (values, counts, boiling))
    arrays = {
        "smiles": np.array(list(seen)),
        "descriptors": normal_quantiles(np.array([v for v, _, _ in seen.values()])),
        "counts": np.array([c for _, c, _ in seen.values()]),
        "minimol": network(list(seen)).astype(np.float16),
        "boiling": np.array([b for _, _, b in seen.values()], np.float32),
        "held_back": np.array(bool(held_back)),
    }
    save_arrays(cache, arrays)
