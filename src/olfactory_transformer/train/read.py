"""Reads the labelled files of a data folder into one `TrainingSet`."""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from olfactory_transformer.core.errors import DataError, MoleculeError, shown
from olfactory_transformer.model.tokenizer import MoleculeTokenizer, MoleculeTokens
from olfactory_transformer.molecules import Molecule, read_molecule
from olfactory_transformer.train.tasks import Kind, Task, TrainingSet

FOLDS = 5
VOLATILITY = ("boiling.point.best.available", "vapor.pressure.best.available")  # of mayhew2022
Row = dict[str, str]
# Free text of these is noisy: words said at least this often become a label of an auxiliary head.
_AUXILIARY = ("arctander1960", "ifra2019", "flavornet", "aromadb")
_AUXILIARY_LEAST = 10


def read_rows(path: Path, needed: Iterable[str]) -> list[Row]:
    """Read a CSV file; DataError if it is missing, is no UTF-8 text or lacks a column."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, restval="")
            columns = reader.fieldnames or []
            if missing := [name for name in needed if name not in columns]:
                raise DataError(f"{path}: no column {missing[0]!r}; it has {', '.join(columns[:8])}...")
            return list(reader)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not CSV in UTF-8 ({error})") from None


def connectivity(molecule: Molecule) -> str:
    """Return the first block of the InChIKey: the same for all stereoisomers."""
    with rdBase.BlockLogs():
        return str(Chem.MolToInchiKey(molecule.rdmol))[:14]  # type: ignore[no-untyped-call]


def connectivities(path: Path) -> set[str]:
    """Return the connectivities of a CSV file's molecules; those that cannot be read are left out."""
    found = set()
    for row in read_rows(path, ["smiles"]):
        with suppress(MoleculeError):
            found.add(connectivity(read_molecule(row["smiles"])))
    return found


def number(text: str | None, where: str) -> float:
    """Return a number, or NaN for an empty field (unknown); DataError, naming the place, for anything else."""
    try:
        return float(text or "nan")
    except ValueError:
        raise DataError(f"{where}: got {shown(text, 40)}, expected a number or nothing") from None


def dilution_of(row: Row, where: str) -> float:
    """Return the volume fraction of a row; DataError, naming the place, if it is not one."""
    found = number(row["dilution"], where)
    if not 0 < found <= 1:
        raise DataError(
            f"{where}: dilution is {row['dilution']!r}, expected a volume fraction, 0 < dilution <= 1"
        )
    return found


def volatility(row: Row) -> list[float]:
    """Return boiling point in degrees C and log10 of the vapour pressure in mmHg at 25 degrees C, NaN if unknown."""
    boiling, pressure = (number(row[name], f"column {name}") for name in VOLATILITY)
    return [boiling, math.log10(pressure) if pressure > 0 else math.nan]


class Builder:
    """Gathers molecules and rows of labels from files, then sorts them into a `TrainingSet`."""

    def __init__(self) -> None:
        self.tokenizer = MoleculeTokenizer()
        self.index: dict[str, int] = {}
        self.tokens: list[MoleculeTokens] = []
        self.connectivity: list[str] = []
        self.fold_of: dict[str, int] = {}
        self.tasks: list[Task] = []
        self.refused: list[tuple[str, str]] = []

    def molecule(self, smiles: str) -> int | None:
        """Return the number of a molecule, or None for one that cannot be read (kept in `refused`)."""
        try:
            molecule = read_molecule(smiles)
        except MoleculeError as error:
            self.refused.append((smiles, str(error)))
            return None
        if molecule.smiles not in self.index:
            self.index[molecule.smiles] = len(self.tokens)
            self.tokens.append(self.tokenizer(molecule))
            self.connectivity.append(connectivity(molecule))
        return self.index[molecule.smiles]

    def add(
        self,
        name: str,
        kind: Kind,
        columns: Iterable[str],
        rows: Iterable[Row],
        values: Callable[[Row], list[float]],
        weight: float,
    ) -> None:
        """Add a task from rows with a `smiles` column (and `dilution`, for that kind)."""
        molecules, table, dilutions = [], [], []
        for row in rows:
            molecule = self.molecule(row["smiles"])
            if molecule is None:
                continue
            if row.get("fold"):
                self.fold_of.setdefault(self.connectivity[molecule], int(row["fold"]))
            molecules.append(molecule)
            table.append(values(row))
            dilutions.append(math.log10(dilution_of(row, name)) if kind == "dilution" else math.nan)
        order = np.argsort(molecules, kind="stable")
        self.tasks.append(
            Task(
                name,
                kind,
                tuple(columns),
                np.array(molecules, np.int64)[order],
                np.array(table, np.float32)[order],
                np.array(dilutions, np.float32)[order] if kind == "dilution" else None,
                weight,
            )
        )

    def build(self) -> TrainingSet:
        """Return all that was added."""
        folds = [
            self.fold_of.get(key, int(hashlib.sha256(key.encode()).hexdigest(), 16) % FOLDS)
            for key in self.connectivity
        ]
        return TrainingSet(list(self.index), self.tokens, np.array(folds, np.int64), self.tasks, self.refused)


def _columns(rows: list[Row], without: Iterable[str]) -> list[str]:
    left_out = set(without)
    return [name for name in rows[0] if name not in left_out]


def _tables(folder: Path, builder: Builder) -> Iterator[str]:
    """Add every file's task; yields the file's name as it goes."""

    def picked(columns: list[str]) -> Callable[[Row], list[float]]:
        return lambda row: [number(row[name], f"column {name}") for name in columns]

    rows = read_rows(folder / "gs_lf.csv", ["smiles", "fold", "odorless"])
    words = _columns(rows, ["smiles", "fold"])
    builder.add("words", "binary", words, rows, picked(words), 1.0)
    yield "gs_lf"
    odour = read_rows(folder / "mayhew2022.csv", ["smiles", "odor.class", *VOLATILITY])
    classes = {"Odor": 0.0, "Odorless": 1.0}
    said: dict[str, str] = {row["smiles"]: str(classes[row["odor.class"]]) for row in odour}
    said |= {row["smiles"]: row["odorless"] for row in rows if row["smiles"] not in said}
    both = [{"smiles": smiles, "odorless": value} for smiles, value in said.items()]
    builder.add("odorless", "binary", ["odorless"], both, picked(["odorless"]), 0.2)
    builder.add("volatility", "regression", ["boiling_point", "log_vapor_pressure"], odour, volatility, 0.3)
    yield "mayhew2022"
    rows = read_rows(folder / "keller2016.csv", ["smiles", "dilution", "intensity", "valence"])
    names = _columns(rows, ["cid", "smiles", "dilution", "n_ratings"])
    builder.add("ratings", "dilution", names, rows, picked(names), 0.3)
    yield "keller2016"
    rows = read_rows(folder / "abraham2012.csv", ["smiles", "log_inv_odt"])
    builder.add("threshold", "regression", ["log_inv_odt"], rows, picked(["log_inv_odt"]), 0.3)
    yield "abraham2012"
    rows = read_rows(folder / "gs_lf_isomeric.csv", ["smiles", "fold"])
    names = _columns(rows, ["smiles", "fold"])
    builder.add("isomeric", "binary", names, rows, picked(names), 1.0)
    yield "gs_lf_isomeric"
    rows = read_rows(folder / "dravnieks1985.csv", ["smiles", "Conc"])
    names = _columns(rows, ["smiles", "Conc"])
    builder.add("atlas", "regression", names, rows, picked(names), 0.3)
    yield "dravnieks1985"
    rows = read_rows(folder / "dream2025_single.csv", ["smiles", "dilution"])
    names = _columns(rows, ["smiles", "dilution", "solvent", "Intensity_label"])
    builder.add("profile", "dilution", names, rows, picked(names), 0.3)
    yield "dream2025_single"
    for source in _AUXILIARY:
        _add_free_text(folder, builder, source)
        yield f"aux_{source}"


def _add_free_text(folder: Path, builder: Builder, source: str) -> None:
    rows = read_rows(folder / f"aux_{source}.csv", ["smiles", "labels"])
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[row["smiles"]] |= set(row["labels"].split(";")) - {""}
    count = Counter(word for words in labels.values() for word in words)
    kept = sorted(word for word, n in count.items() if n >= _AUXILIARY_LEAST)
    builder.add(
        source,
        "binary",
        kept,
        [{"smiles": smiles} for smiles in labels],
        lambda row: [float(word in labels[row["smiles"]]) for word in kept],
        0.5,
    )


def read_training_set(data: Path, progress: Callable[[str], None] = lambda name: None) -> TrainingSet:
    """Read every labelled molecule file below a data folder.

    Parameters
    ----------
    data : Path
        The folder with `molecules/`.
    progress : callable
        Told the name of each file as it is read.

    Raises
    ------
    DataError
        A file is missing or lacks a column. Rows whose molecule cannot be read are listed in the result.
    """
    if not (data / "molecules").is_dir():
        raise DataError(f"{data}: no folder molecules/ in it; set OLFACTORY_DATA_DIR or --data")
    builder = Builder()
    for name in _tables(data / "molecules", builder):
        progress(name)
    return builder.build()
