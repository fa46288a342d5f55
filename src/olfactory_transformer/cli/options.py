"""Arguments and options that several commands have, so that they are called and explained alike everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

FILES = ".csv .tsv .smi .jsonl .ndjson .sdf (also .gz) .parquet"  # that hold molecules


class Form(StrEnum):
    """How an answer is printed."""

    TEXT = "text"
    JSON = "json"


MoleculeArgument = Annotated[
    str,
    typer.Argument(
        metavar="SMILES", help="A molecule. '--' before one with a leading '-'.", show_default=False
    ),
]
FormOption = Annotated[Form, typer.Option("--format", help="Text to read, or a JSON object.")]
SmilesColumnOption = Annotated[
    str, typer.Option("--smiles-column", help="The column of a file of molecules with the SMILES.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file with settings.", show_default="$OLFACTORY_CONFIG, or none"),
]
ModelOption = Annotated[str, typer.Option("--model", help="A model folder, or the name of a bundled model.")]
ServedModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model folder, or the name of a bundled model.",
        show_default="$MODEL_PATH, or olfactory-base-v1",
    ),
]
