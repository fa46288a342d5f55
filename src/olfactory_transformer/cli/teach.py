"""`olfactory teach`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olfactory_transformer.cli.train import (
    DataOption,
    EpochsOption,
    SeedOption,
    read_labelled,
    ready,
)

PARTS = (*(f"fold-{k}" for k in range(5)), "all")


def teach(
    out: Annotated[
        Path, typer.Option("--out", help="Folder; fold-0.npz ... fold-4.npz and all.npz go there.")
    ],
    structures: Annotated[
        Path,
        typer.Option("--structures", help="structures.npz, which `olfactory pretrain` leaves in its folder."),
    ],
    data: DataOption = None,
    size: Annotated[
        int | None, typer.Option("--size", min=1, help="Of these structures to label. [default: 24000]")
    ] = None,
    made: Annotated[
        int | None,
        typer.Option("--analogues", min=0, help="Of molecules with words, to label, too. [default: 30000]"),
    ] = None,
    parts: Annotated[
        list[str] | None,
        typer.Option("--part", help="fold-0 (without that fold) ... fold-4, or all. [default: each of them]"),
    ] = None,
    epochs: EpochsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Train teachers on each four folds and on all five, and let them label unlabelled structures.

    Killed, it goes on where it was when called again. `olfactory cross-validate --teachers` and
    `olfactory train --teachers` learn from what it writes.
    """
    if unknown := set(parts or ()) - set(PARTS):
        raise typer.BadParameter(
            f"got {unknown.pop()!r}, expected one of {', '.join(PARTS)}", param_hint="--part"
        )
    ready("olfactory teach", out, "cpu")
    from dataclasses import replace

    import numpy as np

    from olfactory_transformer.train import teacher
    from olfactory_transformer.train.distil import kept_soft_labels, read_inputs
    from olfactory_transformer.train.figures import figures
    from olfactory_transformer.train.pool import ANALOGUES, LISTED, read_pool
    from olfactory_transformer.train.structures import structure_smiles

    labelled = read_labelled(data)
    listed = structure_smiles(structures)
    pool = read_pool(listed, labelled, size or LISTED, ANALOGUES if made is None else made, seed)
    inputs = read_inputs(labelled, pool, out)
    config = replace(teacher.DEFAULTS, epochs=epochs or teacher.DEFAULTS.epochs, seed=seed)
    for part in parts or PARTS:
        fold = None if part == "all" else int(part.removeprefix("fold-"))
        soft = kept_soft_labels(out / f"{part}.npz", labelled, pool, inputs, fold, config)
        if fold is None:
            continue
        for key, predicted in soft.held_out.items():
            kind, name = key.split("/")
            task = labelled.task(name)
            rows = labelled.held_out(task, fold)
            scores = figures(name, task.columns, task.values[rows].astype(np.float32), predicted)
            said = ", ".join(f"{what} {value:.4f}" for what, value in scores.items())
            typer.echo(f"{part} {kind} {name}: {said}")
