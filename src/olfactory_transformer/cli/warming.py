"""What `olfactory cache warm` does to the molecules that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from olfactory_transformer.bulk.contract import ABSENT
from olfactory_transformer.bulk.files import open_input
from olfactory_transformer.bulk.registry import format_of
from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import FileFormatError, MoleculeError, shown
from olfactory_transformer.engine.contract import finite
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.molecules import Molecule, read_molecule
from olfactory_transformer.utils.codec import encode_prediction
from olfactory_transformer.utils.stored import as_stored, prediction_key
from olfactory_transformer.utils.stores.tiers import Tiers

AT_ONCE = 256  # molecules that are predicted at a time


@dataclass(frozen=True, slots=True)
class Row:
    """A molecule to predict, and what to call it where it is refused."""

    label: str
    text: Any
    error: str = ""


class Warming:
    """Predicts what no tier has, and counts molecules: new, known, refused, and lost (some tier did not keep them)."""

    def __init__(self, tiers: Tiers, predictor: ScentPredictor, dilution: float) -> None:
        self._tiers, self._predictor, self._dilution = tiers, predictor, dilution
        self.new = self.known = self.refused = self.lost = 0

    @property
    def seen(self) -> int:
        """Molecules so far."""
        return self.new + self.known + self.refused

    def take(self, rows: Sequence[Row]) -> None:
        """See to it that these molecules are in every tier."""
        found = self._read(rows)
        missing = self._tiers.spread(list(found))
        self.known += len(found) - len(missing)
        values: dict[str, bytes] = {}
        outcomes = _predicted(self._predictor, [found[key][1] for key in missing], self._dilution)
        for key, outcome in zip(missing, outcomes, strict=True):
            label, molecule = found[key]
            if isinstance(outcome, ScentPrediction):
                values[key] = encode_prediction(as_stored(outcome, molecule.warnings))
            else:
                self._refuse(label, str(outcome))
                del found[key]
        self._tiers.set_many(values)
        self.new += len(values)
        self.lost += len(self._tiers.lacking(list(found)))

    def _read(self, rows: Sequence[Row]) -> dict[str, tuple[str, Molecule]]:
        """Return what to call each molecule, and it, by its key."""
        found: dict[str, tuple[str, Molecule]] = {}
        for row in rows:
            if row.error:
                self._refuse(row.label, row.error)
                continue
            try:
                molecule = read_molecule(row.text, self._predictor.limits)
            except MoleculeError as error:
                self._refuse(row.label, str(error))
                continue
            key = prediction_key(self._predictor.model_hash, molecule.key, self._dilution)
            self.known += key in found
            found.setdefault(key, (row.label, molecule))
        return found

    def _refuse(self, label: str, reason: str) -> None:
        self.refused += 1
        typer.echo(f"{label}: {reason}", err=True)


def _predicted(
    predictor: ScentPredictor, molecules: Sequence[Molecule], dilution: float
) -> list[ScentPrediction | Exception]:
    """Return a prediction for each molecule, or why there is none."""
    if not molecules:
        return []
    try:
        return [finite(found) for found in predictor.predict_molecules(molecules, dilution)]
    except MemoryError:
        raise
    except Exception as error:
        # A defect, here or in RDKit, that one molecule has met: it must not cost the others.
        if len(molecules) == 1:
            return [RuntimeError(f"could not be predicted: {type(error).__name__}: {str(error)[:200]}")]
        return [found for molecule in molecules for found in _predicted(predictor, [molecule], dilution)]


def read_rows(
    smiles: Sequence[str],
    source: str | None,
    smiles_column: str,
    form: str | None,
    progress: Callable[[int, int | None], None],
) -> Iterator[Row]:
    """Yield the molecules of the arguments, and then of the file."""
    yield from (Row(shown(text), text) for text in smiles)
    if source is None:
        return
    name = "standard input" if source == "-" else source
    reading = format_of(source, form)
    number = 0
    try:
        with open_input(source, reading) as opened:
            table = reading.read(opened.file, smiles_column, AT_ONCE)
            column = next(i for i, c in enumerate(table.columns) if c.role == "smiles")
            for chunk in table.chunks:
                for text, error in zip(chunk.values[column], chunk.errors, strict=True):
                    number += 1
                    # Nothing is an empty SMILES; what is no text (a number) is refused as such.
                    yield Row(f"{name}, row {number}", "" if text in (None, ABSENT) else text, error)
                progress(opened.position(), opened.size)
    except FileFormatError as error:
        raise FileFormatError(f"{name}: {error}") from None
