"""Reads the files of blends and pairs, and says who is held out when their models are scored.

Folds: at random over distinct sets of components, or by molecules. In the second, molecules are drawn until the
stimuli with any of them are a fifth (as POMMix did); those are the test, and nothing of them is trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.inference.mixture_parts import (
    Components,
    Embed,
    Floats,
    Integers,
    Mixtures,
    gather,
    split,
)
from olfactory_transformer.train.read import FOLDS, dilution_of, number, read_rows

_NO_RATING = ("smiles", "dilution", "solvent", "Intensity_label")
_TOLERANCE = 0.03  # of the share of stimuli that is held out
_DRAWS = 10_000

Split = tuple[Integers, Integers]  # rows to train on and rows to predict


@dataclass(frozen=True, slots=True, eq=False)
class Blends:
    """Rated stimuli: blends, then single molecules.

    Parameters
    ----------
    components : Components
    mixtures : Mixtures, of R stimuli
    columns : tuple of str
    values : ndarray (R, W)
        NaN = unknown.
    single : ndarray of bool, (R,)
        From dream2025_single.csv.
    """

    components: Components
    mixtures: Mixtures
    columns: tuple[str, ...]
    values: Floats
    single: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of mixtures with their perceptual distance, 0 = the same, 1 = far."""

    components: Components
    first: Mixtures
    second: Mixtures
    study: tuple[str, ...]
    values: Floats


def parse_blend(text: str, where: str) -> list[tuple[str, float]]:
    """Return components and dilutions of "SMILES@dilution;...".

    >>> parse_blend("CC=O@0.01;C[C@H](N)O@1", "row 1")
    [('CC=O', 0.01), ('C[C@H](N)O', 1.0)]
    """
    found = []
    for part in text.split(";"):
        smiles, _, dilution = part.rpartition("@")
        if not smiles:
            raise DataError(f"{where}: got {part[:40]!r}, expected SMILES@dilution")
        found.append((smiles, dilution_of({"dilution": dilution}, where)))
    return found


def read_blends(data: Path, embed: Embed) -> Blends:
    """Read dream2025_profiles.csv and dream2025_single.csv below a data folder."""
    path = data / "mixtures" / "dream2025_profiles.csv"
    singles = read_rows(data / "molecules" / "dream2025_single.csv", ["smiles", "dilution"])
    if not singles:
        raise DataError(f"{data / 'molecules' / 'dream2025_single.csv'}: no rows")
    columns = tuple(name for name in singles[0] if name not in _NO_RATING)
    blends = read_rows(path, ["components", *columns])
    stimuli = [parse_blend(row["components"], f"{path}, row {i + 1}") for i, row in enumerate(blends)]
    stimuli += [[(row["smiles"], dilution_of(row, "dream2025_single"))] for row in singles]
    components, mixtures = gather(embed, stimuli)
    values = [[number(row[name], f"column {name}") for name in columns] for row in (*blends, *singles)]
    if (empty := np.isnan(values[: len(blends)]).all(axis=0)).any():  # its mean is that of the blends
        raise DataError(f"{path}: column {columns[int(np.argmax(empty))]!r} has no value")
    single = np.arange(len(stimuli)) >= len(blends)
    return Blends(components, mixtures, columns, np.array(values), single)


def mixture_number(text: str) -> str:
    """Return the number of a mixture, which one file writes "1.0" and the other "1".

    >>> mixture_number("1.0"), mixture_number("12"), mixture_number("a")
    ('1', '12', 'a')
    """
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


def read_parts(path: Path) -> dict[tuple[str, str], list[str]]:
    """Read mixtures.csv: (dataset, mixture) -> SMILES of the components."""
    rows = read_rows(path, ["dataset", "mixture", "smiles"])
    return {(r["dataset"], mixture_number(r["mixture"])): r["smiles"].split(".") for r in rows}


def read_pairs(data: Path, embed: Embed) -> Pairs:
    """Read pairs.csv and mixtures.csv below a data folder."""
    path = data / "mixtures" / "pairs.csv"
    parts = read_parts(data / "mixtures" / "mixtures.csv")
    rows = read_rows(path, ["dataset", "mixture_1", "mixture_2", "distance"])
    sides: list[list[tuple[str, float]]] = []
    for column in ("mixture_1", "mixture_2"):
        for index, row in enumerate(rows):
            key = (row["dataset"], mixture_number(row[column]))
            if key not in parts:
                raise DataError(
                    f"{path}, row {index + 1}: no mixture {key[1]!r} of {key[0]!r} in mixtures.csv"
                )
            sides.append([(smiles, 1.0) for smiles in parts[key]])
    values = np.array([number(row["distance"], f"{path}, row {i + 1}") for i, row in enumerate(rows)])
    if not len(values) or not np.isfinite(values).all():
        raise DataError(f"{path}: no rows, or a row without distance")
    components, mixtures = gather(embed, sides)
    first, second = split(mixtures)
    return Pairs(components, first, second, tuple(row["dataset"] for row in rows), values)


def molecule_sets(mixtures: Mixtures) -> list[frozenset[int]]:
    """Return the molecules of each stimulus."""
    return [
        frozenset(row[there].tolist()) for row, there in zip(mixtures.molecule, mixtures.present, strict=True)
    ]


def random_folds(sets: Sequence[object], seed: int = 0, folds: int = FOLDS) -> Iterator[Split]:
    """Yield folds of rows; equal entries of `sets` (any hashable) share a fold."""
    numbers = {entry: i for i, entry in enumerate(dict.fromkeys(sets))}
    fold = np.random.default_rng(seed).permutation(np.arange(len(numbers)) % folds)
    which = fold[[numbers[entry] for entry in sets]]
    for k in range(folds):
        yield np.flatnonzero(which != k), np.flatnonzero(which == k)


def leave_molecules_out(
    sets: Sequence[frozenset[int]], seed: int = 0, folds: int = FOLDS
) -> Iterator[tuple[Integers, Integers, frozenset[int]]]:
    """Yield rows without and rows with any of some molecules, and those molecules, drawn by their frequency."""
    rng = np.random.default_rng(seed)
    every = [molecule for row in sets for molecule in sorted(row)]
    found = 0
    for _ in range(_DRAWS):
        left: set[int] = set()
        while (hit := np.array([bool(row & left) for row in sets])).mean() < 1 / folds - _TOLERANCE:
            left.add(every[rng.integers(len(every))])
        if hit.mean() <= 1 / folds + _TOLERANCE:
            yield np.flatnonzero(~hit), np.flatnonzero(hit), frozenset(left)
            found += 1
        if found == folds:
            return
    raise DataError("too few mixtures to leave molecules out")
