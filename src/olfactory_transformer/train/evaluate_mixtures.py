"""Predicts the rows of files of blends and of pairs of mixtures, for `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.errors import DataError, MoleculeError
from olfactory_transformer.inference.mixture_predictor import MixturePredictor
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.mixture_data import mixture_number, parse_blend, read_parts
from olfactory_transformer.train.read import Row

Table = npt.NDArray[np.float64]
Found = TypeVar("Found")


def predict_blends(
    mixtures: MixturePredictor, rows: Sequence[Row], columns: Sequence[str]
) -> tuple[Table, dict[int, str]]:
    """Return the columns of each row's blend, (R, C), NaN where it cannot be read; and row -> why."""

    def read(index: int, row: Row) -> list[tuple[str, float]]:
        parts = parse_blend(row["components"], "components")
        for smiles, _ in parts:
            read_molecule(smiles)
        return parts

    stimuli, where, errors = _read(rows, read)
    table = np.full((len(rows), len(columns)), np.nan)
    if where:
        chosen = [mixtures.columns.index(name) for name in columns]
        table[where] = mixtures.profiles(stimuli)[:, chosen]
    return table, errors


def predict_pairs(
    mixtures: MixturePredictor, rows: Sequence[Row], components: Path
) -> tuple[Table, dict[int, str]]:
    """Return the distance of each row's pair, (R, 1), NaN where it cannot be told; and row -> why.

    Parameters
    ----------
    components : Path
        mixtures.csv: the SMILES of the mixtures that the rows name.
    """
    parts = read_parts(components)

    def read(index: int, row: Row) -> tuple[list[str], list[str]]:
        sides = []
        for column in ("mixture_1", "mixture_2"):
            key = (row["dataset"], mixture_number(row[column]))
            if key not in parts:
                raise DataError(f"no mixture {key[1]!r} of {key[0]!r} in {components.name}")
            for smiles in parts[key]:
                read_molecule(smiles)
            sides.append(parts[key])
        return sides[0], sides[1]

    pairs, where, errors = _read(rows, read)
    table = np.full((len(rows), 1), np.nan)
    if where:
        studies = [rows[i]["dataset"] for i in where]
        table[where, 0] = mixtures.distances([a for a, _ in pairs], [b for _, b in pairs], studies)
    return table, errors


def _read(
    rows: Sequence[Row], read: Callable[[int, Row], Found]
) -> tuple[list[Found], list[int], dict[int, str]]:
    found, where, errors = [], [], {}
    for index, row in enumerate(rows):
        try:
            found.append(read(index, row))
            where.append(index)
        except (MoleculeError, DataError) as error:
            errors[index] = str(error)
    return found, where, errors
