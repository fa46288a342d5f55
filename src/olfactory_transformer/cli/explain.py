"""`olfactory explain`: which atoms of a molecule speak for a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from olfactory_transformer.cli.options import Form, FormOption, ModelOption, MoleculeArgument
from olfactory_transformer.inference.defaults import DEFAULT_MODEL

_PICTURES = (".svg", ".png")


def explain(
    smiles: MoleculeArgument,
    word: Annotated[
        str | None, typer.Option(help="The word to explain. [default: the most probable]", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A picture to write, too: .svg or .png.")
    ] = None,
    form: FormOption = Form.TEXT,
    model: ModelOption = DEFAULT_MODEL,
) -> None:
    """Say what each atom of a molecule contributes to a word.

    Atoms are those of the canonical SMILES, which is shown, counted from 0; hydrogens are part of their atoms.
    A contribution is what the word's log odds lose when the atom is taken out of the input.

    Exit code: 0 when it was explained, 1 when the molecule could not be read, 2 when nothing could be done.
    """
    if out is not None and out.suffix.lower() not in _PICTURES:
        raise typer.BadParameter(f"--out: got {str(out)!r}, expected a name that ends with .svg or .png")

    from olfactory_transformer.core.errors import MoleculeError, shown
    from olfactory_transformer.inference.predictor import ScentPredictor

    predictor = ScentPredictor.from_pretrained(model)
    try:
        found = predictor.explain(smiles, word)
    except MoleculeError as error:
        typer.echo(f"{shown(smiles)}: {error}", err=True)
        raise typer.Exit(1) from None
    if out is not None:
        from olfactory_transformer.bulk.files import open_output
        from olfactory_transformer.inference import draw

        svg = out.suffix.lower() == ".svg"
        picture = draw.svg(found).encode() if svg else draw.png(found)
        with open_output(str(out)) as file:
            file.write(picture)
    print(json.dumps(found.as_dict()) if form is Form.JSON else found)
