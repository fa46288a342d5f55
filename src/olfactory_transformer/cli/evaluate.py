"""`olfactory evaluate`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ModelOption
from olfactory_transformer.inference.defaults import DEFAULT_MODEL

if TYPE_CHECKING:
    from olfactory_transformer.train.evaluate import Evaluation


def evaluate(
    data: Annotated[Path, typer.Option("--data", help="CSV with the columns of the task's training file.")],
    model: ModelOption = DEFAULT_MODEL,
    task: Annotated[
        str,
        typer.Option(
            "--task",
            help="Name of a training file, such as gs_lf or keller2016; see docs/reference/evaluate.md.",
        ),
    ] = "gs_lf",
    fold: Annotated[
        int | None, typer.Option("--fold", help="Only rows with this `fold`. [default: all]")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="CSV to write, row by row.")
    ] = None,
    mixtures: Annotated[
        Path | None,
        typer.Option(
            "--mixtures", help="For pairs: CSV of their components. [default: mixtures.csv beside DATA]"
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=0, help="Bootstrap samples.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a model on a labelled file; without truth columns, only predict it."""
    try:
        from olfactory_transformer.train.evaluate import MIXTURE_HEADS, TASKS
        from olfactory_transformer.train.evaluate import evaluate as run
    except ModuleNotFoundError as error:
        from olfactory_transformer.core.errors import MissingExtra

        raise MissingExtra("train", f"`olfactory evaluate` ({error.name})") from None
    from olfactory_transformer.core.errors import DataError
    from olfactory_transformer.inference.mixture_predictor import MixturePredictor
    from olfactory_transformer.inference.predictor import ScentPredictor

    if predictions is not None and predictions.exists() and data.exists() and predictions.samefile(data):
        raise DataError(f"{predictions}: the predictions would overwrite the data; expected another file")
    of_mixtures = task in TASKS and TASKS[task].head in MIXTURE_HEADS
    predictor = (
        MixturePredictor.from_pretrained(model) if of_mixtures else ScentPredictor.from_pretrained(model)
    )
    result = run(predictor, data, task, fold, samples, mixtures)
    if predictions is not None:
        result.write(predictions)
    for index, reason in result.errors.items():
        typer.echo(f"row {index + 1}: {reason}", err=True)
    _print_json(result) if as_json else _print_table(result)
    raise typer.Exit(1 if result.errors else 0)


def _print_json(result: Evaluation) -> None:
    labels = asdict(result.labels) if result.labels else None
    typer.echo(json.dumps(_finite({"rows": len(result.rows), "labels": labels, "figures": result.figures})))


def _finite(value: Any) -> Any:
    """Return JSON values with null for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_table(result: Evaluation) -> None:
    if result.labels is None and not result.figures:
        typer.echo(f"{len(result.rows)} rows predicted; the file has no truth to score.")
        return
    if result.labels is not None:
        scores = result.labels
        for word in sorted(scores.words, key=lambda w: -w.auroc):
            typer.echo(
                f"{word.word:<16} {word.positives:5d}  AUROC {word.auroc:.3f}  AP {word.average_precision:.3f}"
            )
        typer.echo(f"macro AUROC {scores.macro_auroc}")
        typer.echo(f"macro average precision {scores.macro_average_precision}")
    for name, figure in result.figures.items():
        typer.echo(f"{name:<16} {figure:.4f}")
