"""`olfactory pretrain`, `olfactory train` and `olfactory cross-validate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olfactory_transformer.core.errors import MissingExtra

if TYPE_CHECKING:
    from olfactory_transformer.train.fit import FitConfig
    from olfactory_transformer.train.tasks import TrainingSet

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder, with molecules/. [default: OLFACTORY_DATA_DIR]")
]
TrunkOption = Annotated[
    Path | None,
    typer.Option("--trunk", help="Pre-trained trunk; without it, all of the network starts afresh."),
]
TeachersOption = Annotated[
    Path | None, typer.Option("--teachers", help="Folder written by `olfactory teach`, to learn from, too.")
]
EpochsOption = Annotated[int | None, typer.Option("--epochs", min=1, help="[default: the recipe's]")]
SeedOption = Annotated[int, typer.Option("--seed", help="Of all randomness.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto (a GPU where there is one), cpu or cuda.")]


def pretrain(
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the run; trunk.safetensors is written there.")
    ],
    epochs: EpochsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    limit: Annotated[int | None, typer.Option("--limit", min=64, help="Only so many structures.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Data folder: boiling points of molecules in its mayhew2022.csv are left out. "
            "[default: OLFACTORY_DATA_DIR, if it is there]",
        ),
    ] = None,
) -> None:
    """Pre-train the trunk on unlabelled structures. Killed, it goes on where it was when called again."""
    ready("olfactory pretrain", out, device)
    from olfactory_transformer.train import pretrain as recipe
    from olfactory_transformer.train.read import connectivities

    labelled = data_folder(data) / "molecules" / "mayhew2022.csv"
    held_back = connectivities(labelled) if data is not None or labelled.is_file() else set()
    config = _with(recipe.DEFAULTS, epochs, seed, device)
    fitted = recipe.pretrain(out, recipe.default_model(), config, limit, held_back)
    typer.echo(f"{out / recipe.TRUNK}: {fitted.epochs} epochs", err=True)
    if recipe.saw_boiling_points(out / recipe.TRUNK):
        typer.echo(
            "boiling points of labelled molecules were learned: later figures flatter volatility", err=True
        )


def train(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; the model is written to OUT/model.")],
    data: DataOption = None,
    trunk: TrunkOption = None,
    teachers: TeachersOption = None,
    fold: Annotated[
        int | None, typer.Option("--fold", min=0, max=4, help="Fold to hold out and score. [default: none]")
    ] = None,
    patience: Annotated[
        int,
        typer.Option(
            "--patience", min=0, help="Stop early after so many epochs without gain on --fold; 0: never."
        ),
    ] = 0,
    epochs: EpochsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    decisions: Annotated[
        Path | None,
        typer.Option("--decisions", help="Calibration and thresholds from `olfactory cross-validate`."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the model.")] = "unnamed",
    model_version: Annotated[str, typer.Option("--model-version", help="Of the model.")] = "0",
) -> None:
    """Fine-tune on the labelled sets and write a model folder. Killed, it goes on where it was when called again."""
    ready("olfactory train", out, device)
    if patience and fold is None:
        raise typer.BadParameter("early stopping needs a fold to watch: give --fold", param_hint="--patience")
    from dataclasses import replace

    from olfactory_transformer.train import finetune as recipe
    from olfactory_transformer.train import shipping

    labelled = read_labelled(data)
    defaults, dropout = recipe.recipe(teachers is not None)
    config = recipe.model_config(labelled, name, model_version, dropout)
    soft = None
    if teachers is not None:
        from olfactory_transformer.train.distil import SoftLabels

        soft = SoftLabels.load(teachers / f"{'all' if fold is None else f'fold-{fold}'}.npz")
    chosen = shipping.read_decisions(decisions, len(config.words)) if decisions else None
    model, fitted = recipe.finetune(
        soft.added_to(labelled) if soft else labelled,
        out,
        trunk=trunk,
        model=config,
        config=replace(_with(defaults, epochs, seed, device), patience=patience),
        hold_out=fold,
    )
    shipping.ship(
        model,
        out / "model",
        command_line(),
        chosen,
        labelled,
        data_folder(data),
        fold,
        trunk=trunk is not None,
        taught=soft,
    )
    scored = (
        f", macro AUROC {fitted.score:.4f} on fold {fold} (epoch {fitted.epoch})" if fold is not None else ""
    )
    typer.echo(f"{out / 'model'}: {fitted.epochs} epochs{scored}", err=True)


def cross_validate(
    out: Annotated[Path, typer.Option("--out", help="Folder of the runs; decisions.json is written there.")],
    data: DataOption = None,
    trunk: TrunkOption = None,
    teachers: TeachersOption = None,
    epochs: EpochsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=5, help="Folds at a time; on a CPU, a job a core is fastest.")
    ] = 1,
    folds: Annotated[
        list[int] | None, typer.Option("--fold", min=0, max=4, help="Fold to do; repeatable. [default: all]")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Markdown page to write.")] = None,
) -> None:
    """Train one network a fold, score each on the fold it has not seen, and choose the notes' thresholds."""
    ready("olfactory cross-validate", out, device)
    from olfactory_transformer.bulk.files import open_output
    from olfactory_transformer.train import cross_validate as cv
    from olfactory_transformer.train import finetune, shipping
    from olfactory_transformer.train.pretrain import saw_boiling_points
    from olfactory_transformer.train.reliability import reliability_svg
    from olfactory_transformer.train.report import RELIABILITY, cross_validation_page

    labelled = read_labelled(data)
    boiling_seen = saw_boiling_points(trunk)
    defaults, dropout = finetune.recipe(teachers is not None)
    config = _with(defaults, epochs, seed, device)
    oof = cv.out_of_fold(
        labelled,
        out,
        trunk,
        finetune.model_config(labelled, dropout=dropout),
        config,
        jobs,
        teachers,
        held_out=sorted(set(folds or range(5))),
        tell=lambda line: typer.echo(line, err=True),
    )
    scores = cv.score(labelled, oof)
    shipping.write_decisions(out / "decisions.json", scores.decisions, shipping.headline(scores))
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        page = cross_validation_page(
            scores, command_line(), shipping.commit(), seed, str(config), boiling_seen
        )
        drawn = reliability_svg(
            [
                ("words", "#1f5fa8", scores.certainty.words),
                ("confidence", "#b4480f", scores.certainty.confidence),
            ]
        )
        for path, text in ((report.with_name(RELIABILITY), drawn), (report, page)):
            with open_output(str(path)) as file:
                file.write(text.encode())
    for what, figure in shipping.headline(scores).items():
        typer.echo(f"{what}: {figure}")


def ready(command: str, out: Path, device: str) -> None:
    """Complain of what would only fail after minutes: no torch, no such device, a file in place of the folder."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingExtra("train", f"`{command}`")
    from olfactory_transformer.train.fit import device_of

    device_of(device)
    out.mkdir(parents=True, exist_ok=True)


def read_labelled(data: Path | None) -> TrainingSet:
    """Read the labelled sets of the folder given, or of the settings; says what it leaves out."""
    from olfactory_transformer.train.read import read_training_set

    found = read_training_set(data_folder(data))
    if found.refused:
        smiles, reason = found.refused[0]
        typer.echo(f"{len(found.refused)} rows left out; the first, {smiles!r}: {reason}", err=True)
    return found


def data_folder(given: Path | None) -> Path:
    """Return the data folder given, or that of the settings."""
    from olfactory_transformer.settings import load_settings

    return given if given is not None else load_settings().olfactory_data_dir


def _with(defaults: FitConfig, epochs: int | None, seed: int, device: str) -> FitConfig:
    from dataclasses import replace

    return replace(defaults, epochs=epochs or defaults.epochs, seed=seed, device=device)


def command_line() -> str:
    """Return the command line as a person would type it."""
    return " ".join(["olfactory", *sys.argv[1:]])
