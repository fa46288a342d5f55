"""How much more every head would know with more labelled molecules: teachers that learn from a part of them.

python benchmarks/learning_curve.py --data ../shared/data --runs runs/base --report docs/results/learning-curve.md

Trains the teachers of the recipe on a quarter and on half of the molecules of four folds, drawn at random, and reads
what those on all of them answered from RUNS/teachers. Killed, it goes on where it was. Draws learning-curve.svg.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import ROWS, TASKS, by_fold, named, teachers
from baselines import Held, asked_of
from plots import curves_figure

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.train.dense import DenseConfig
from olfactory_transformer.train.distil import SoftLabels, digest, read_inputs
from olfactory_transformer.train.pool import read_pool
from olfactory_transformer.train.read import FOLDS, read_training_set
from olfactory_transformer.train.report import machine, spread, table
from olfactory_transformer.train.shipping import commit
from olfactory_transformer.train.structures import structure_smiles
from olfactory_transformer.train.tasks import TrainingSet
from olfactory_transformer.train.teacher import DEFAULTS, Inputs, teach

AIMS = {("words", "AUROC"): 0.900}  # of teachers, where it is another
PARTS = (0.25, 0.5)  # of the molecules that may be learned from; all of them in RUNS/teachers


def held_out_answers(
    data: TrainingSet, inputs: Inputs, part: float, folds: list[int], folder: Path, config: DenseConfig
) -> Held:
    """Return what teachers of a part of the molecules answer for the folds that are held out from them."""
    held = {}
    for fold in folds:
        open_to = np.flatnonzero(data.fold != fold)
        rng = np.random.default_rng(fold)
        molecules = np.sort(rng.permutation(open_to)[: round(part * len(open_to))])
        asked = [asked_of(task, data.held_out(task, fold)) for task in map(data.task, TASKS)]
        taught = replace(config, seed=config.seed * (FOLDS + 1) + fold)
        answers = teach(data, inputs, molecules, asked, folder / f"fold-{fold}-{part}", taught)
        held |= {(name, fold): answers.blended(name) for name in TASKS}
    return held


def of_recipe(folder: Path, made_from: str, folds: list[int]) -> Held:
    """Return what the teachers of all molecules answer; DataError if they are not those of the recipe."""
    for path in (folder / f"fold-{fold}.npz" for fold in folds):
        if SoftLabels.load(path).made_from != made_from:
            raise DataError(
                f"{path}: made from other data, structures or options than benchmarks/train_base.sh"
            )
    return teachers(folder, folds)


def missing(each: list[list[float]], aim: float | None) -> list[str]:
    """Return what the last doubling gave, the aim, and how many more are missing if each gives as much."""
    gains = np.subtract(each[-1], each[-2])
    gain, whole = float(gains.mean()), float(np.mean(each[-1]))
    given = spread(gain, float(gains.std()))
    if aim is None:
        return [given, "", ""]
    doublings = f"{(aim - whole) / gain:.1f}" if gain > 0 else "not by more of these"
    return [given, f"{aim:.3f}", "reached" if whole >= aim else doublings]


def main() -> None:
    """Train, score and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/base"))
    parser.add_argument("--fold", type=int, action="append", choices=range(FOLDS), help="[default: all]")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    data, runs = read_training_set(arguments.data), arguments.runs
    folds = arguments.fold or list(range(FOLDS))
    pool = read_pool(structure_smiles(runs / "pretrain" / "structures.npz"), data)
    inputs = read_inputs(data, pool, runs / "teachers")
    by_part = [held_out_answers(data, inputs, part, folds, runs / "learning", DEFAULTS) for part in PARTS]
    by_part.append(of_recipe(runs / "teachers", digest(data, pool, DEFAULTS), folds))
    rows, curves = [], []
    for what, task, figure, aim in ROWS:
        aim = AIMS.get((task, figure), aim)
        each = [by_fold(data, held, task, figure, folds) for held in by_part]
        spreads = [spread(float(np.mean(part)), float(np.std(part))) for part in each]
        rows.append([what, *spreads, *missing(each, aim)])
        curves.append((what, [float(np.mean(part)) for part in each], aim))
    options = "".join(f" --fold {k}" for k in arguments.fold or ())
    page = "\n\n".join(
        [
            "# What more labels would be worth",
            f"Written by `python benchmarks/learning_curve.py --data ../shared/data --runs {runs}{options} --report "
            "docs/results/learning-curve.md`; do not edit.",
            f"- commit: {commit()}; seed 0; {machine()}",
            "The teachers of the recipe, taught for all tasks at once by a quarter, half and all of the molecules "
            "outside the held-out fold, one draw a fold; mean (and standard deviation, sd) over "
            f"{named(folds)}. As many epochs for each, so half the molecules are half the steps. The last column goes "
            "on in a straight line: how often the labelled molecules would have to be doubled to the aim, if each "
            "time gave as much as the last. Where the last gave less than the one before it, that is too few. "
            "Quarters of the small sets are very small: of the atlas, some twenty molecules.",
            table(
                ["output", "a quarter", "half", "all", "last doubling", "aim", "doublings missing"],
                rows,
            ),
            "![The same as curves](learning-curve.svg)",
        ]
    )
    print(page)
    if arguments.report:
        arguments.report.write_text(page + "\n", encoding="utf-8")
        curves_figure(arguments.report.with_suffix(".svg"), [*PARTS, 1.0], curves)


if __name__ == "__main__":
    main()
