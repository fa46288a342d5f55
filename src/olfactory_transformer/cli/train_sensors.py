"""`olfactory train-sensors`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from olfactory_transformer.cli.train import command_line, data_folder, ready


def train_sensors(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; the model is written to OUT/model.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Data folder, with smellnet/. [default: OLFACTORY_DATA_DIR]")
    ] = None,
    members: Annotated[
        int, typer.Option("--members", min=1, max=20, help="Networks that ship together.")
    ] = 5,
    held_out_members: Annotated[
        int, typer.Option("--held-out-members", min=1, max=20, help="Networks a fold, for the figures.")
    ] = 3,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="[default: the recipe's]")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of all randomness.")] = 0,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Networks at a time. [default: one a core]")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the model.")] = "unnamed",
    model_version: Annotated[str, typer.Option("--model-version", help="Of the model.")] = "0",
) -> None:
    """Train the sensor transformer: held-out figures first, then the model. Killed, it goes on when called again."""
    ready("olfactory train-sensors", out, "cpu")
    from dataclasses import replace

    from olfactory_transformer.core.nose import NoseConfig
    from olfactory_transformer.train.nose.fit import NoseRecipe
    from olfactory_transformer.train.nose.ship import train_nose

    recipe = NoseRecipe()
    figures = train_nose(
        data_folder(data),
        out,
        members=members,
        held_out_members=held_out_members,
        seed=seed,
        processes=jobs or os.cpu_count() or 1,
        name=name,
        version=model_version,
        command=command_line(),
        base=NoseConfig((), ()),
        recipe=replace(recipe, steps=steps) if steps else recipe,
        tell=lambda line: typer.echo(line, err=True),
    )
    for what, figure in figures.items():
        typer.echo(f"{what}: {figure}")
