"""`olfactory similar`: the known molecules that lie nearest to one on the odour map."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from olfactory_transformer.cli.options import (
    FILES,
    Form,
    FormOption,
    ModelOption,
    MoleculeArgument,
    SmilesColumnOption,
)
from olfactory_transformer.inference.defaults import DEFAULT_MODEL

if TYPE_CHECKING:
    from olfactory_transformer.molecules import Molecule, MoleculeLimits

_ROWS = 1000


def similar(
    smiles: MoleculeArgument,
    count: Annotated[int, typer.Option(min=1, help="How many to show.")] = 10,
    library: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help=f"Molecules to search: {FILES}. "
            "[default: those that the model learned from and that public lists name]",
            show_default=False,
        ),
    ] = None,
    smiles_column: SmilesColumnOption = "smiles",
    form: FormOption = Form.TEXT,
    model: ModelOption = DEFAULT_MODEL,
) -> None:
    """Show known molecules that the model expects to smell like one.

    The number is the cosine of the angle between both molecules on the odour map: 1 for the same place.

    Exit code: 0 when it was done, 1 when the molecule or some rows of the library could not be read, 2 when
    nothing could be done.
    """
    from olfactory_transformer.core.errors import MoleculeError, shown
    from olfactory_transformer.inference.predictor import ScentPredictor

    predictor = ScentPredictor.from_pretrained(model)
    known, failed = (None, 0) if library is None else _read(library, smiles_column, predictor.limits)
    try:
        found = predictor.similar(smiles, count, known)
    except MoleculeError as error:
        typer.echo(f"{shown(smiles)}: {error}", err=True)
        raise typer.Exit(1) from None
    if form is Form.JSON:
        print(json.dumps({"smiles": smiles, "neighbours": [asdict(neighbour) for neighbour in found]}))
    else:
        for neighbour in found:
            print(f"{neighbour.similarity:6.3f}  {neighbour.smiles}")
    if failed:
        raise typer.Exit(1)


def _read(path: str, smiles_column: str, limits: MoleculeLimits) -> tuple[list[Molecule], int]:
    """Return the molecules of a file, and how many of its rows could not be read; each is told of."""
    from olfactory_transformer.bulk.contract import ABSENT
    from olfactory_transformer.bulk.files import open_input
    from olfactory_transformer.bulk.registry import format_of
    from olfactory_transformer.core.errors import FileFormatError, MoleculeError
    from olfactory_transformer.molecules import read_molecule

    found: list[Molecule] = []
    row = failed = 0
    form = format_of(path)
    try:
        with open_input(path, form) as source:
            table = form.read(source.file, smiles_column, _ROWS)
            column = next(i for i, c in enumerate(table.columns) if c.role == "smiles")
            for chunk in table.chunks:
                for text, error in zip(chunk.values[column], chunk.errors, strict=True):
                    row += 1
                    try:
                        if not error:
                            found.append(read_molecule("" if text in (None, ABSENT) else text, limits))  # type: ignore[arg-type]
                    except MoleculeError as reason:
                        error = str(reason)
                    if error:
                        failed += 1
                        typer.echo(f"{path}, row {row}: {error}", err=True)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from None
    return found, failed
