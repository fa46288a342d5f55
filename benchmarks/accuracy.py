"""Every head beside its teachers and extra trees, in the same folds: docs/results/accuracy.md.

python benchmarks/accuracy.py --data ../shared/data --runs runs/base --report docs/results/accuracy.md

Reads what benchmarks/train_base.sh left below --runs; trains nothing but extra trees and the small models of mixtures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.inference.mixture_predictor import embedding_by
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.model.folder import MIXTURES
from olfactory_transformer.train import cross_validate as cv
from olfactory_transformer.train.distil import SoftLabels
from olfactory_transformer.train.features import read_features
from olfactory_transformer.train.figures import figures
from olfactory_transformer.train.finetune import model_config, recipe
from olfactory_transformer.train.fit import STATE
from olfactory_transformer.train.mirror import mirror_pairs, ordered_right
from olfactory_transformer.train.mixtures import train_mixtures
from olfactory_transformer.train.read import FOLDS, read_training_set
from olfactory_transformer.train.report import machine, spread, table
from olfactory_transformer.train.shipping import commit
from olfactory_transformer.train.tasks import Task, TrainingSet

# Output -> (task, figure, aim), in the order of the page.
ROWS = (
    ("138 words (gs_lf), macro AUROC", "words", "AUROC", 0.895),
    ("138 words (gs_lf), macro average precision", "words", "AP", None),
    ("152 words (gs_lf_isomeric), macro AUROC", "isomeric", "AUROC", 0.886),
    ("152 words (gs_lf_isomeric), macro average precision", "isomeric", "AP", 0.322),
    ("intensity at a dilution (keller2016), r", "ratings", "r intensity", 0.80),
    ("pleasantness at a dilution (keller2016), r", "ratings", "r pleasantness", 0.74),
    ("19 words at a dilution (keller2016), mean r", "ratings", "mean r of words", 0.62),
    ("51 words at a dilution (dream2025_single), mean r of profiles", "profile", "mean r of profiles", 0.68),
    ("146 words (dravnieks1985), mean r of profiles", "atlas", "mean r of profiles", 0.78),
    ("detection threshold (abraham2012), R²", "threshold", "R2", 0.82),
    ("odourless (mayhew2022 and gs_lf), AUROC", "odorless", "AUROC", 0.96),
    ("boiling point (mayhew2022; seen in pre-training), R²", "volatility", "R2 boiling_point", None),
    ("vapour pressure, log (mayhew2022), R²", "volatility", "R2 log_vapor_pressure", None),
)
Held = dict[tuple[str, int], np.ndarray]  # (task, fold) -> predictions of the held-out rows


def rows_of(data: TrainingSet, task: Task, fold: int) -> np.ndarray:
    """Return the rows of a task that a fold holds out."""
    return np.flatnonzero(data.fold[task.molecule] == fold)


def teachers(folder: Path, kind: str, folds: list[int]) -> Held:
    """Return the held-out answers of one kind of teachers: "blend" (all of them) or "trees"."""
    return {
        (key.removeprefix(f"{kind}/"), fold): values
        for fold in folds
        for key, values in SoftLabels.load(folder / f"fold-{fold}.npz").held_out.items()
        if key.startswith(f"{kind}/")
    }


def extra_trees(data: TrainingSet, features: np.ndarray, known: Held, folds: list[int]) -> Held:
    """Return the held-out answers of extra trees: those that taught, and the same for the other tasks."""
    found = dict(known)
    for name in dict.fromkeys(row[1] for row in ROWS):
        task = data.task(name)
        inputs = features[task.molecule]
        if task.log_dilution is not None:
            inputs = np.column_stack([inputs, task.log_dilution])
        for fold in (k for k in folds if (name, k) not in known):
            held_out = data.fold[task.molecule] == fold
            values = task.values[~held_out].astype(np.float32)
            values = np.where(np.isfinite(values), values, np.nanmean(values, 0))
            trees = ExtraTreesRegressor(200, max_features=0.3, min_samples_leaf=2, random_state=0, n_jobs=-1)
            trees.fit(inputs[~held_out], values if values.shape[1] > 1 else values[:, 0])
            found[name, fold] = trees.predict(inputs[held_out]).reshape(held_out.sum(), -1)
    return found


def students(data: TrainingSet, runs: Path, folds: list[int]) -> Held:
    """Return the held-out predictions of the network of each fold, whose training is finished."""
    config, dropout = recipe(student=True)
    oof = cv.out_of_fold(
        data,
        runs / "folds",
        runs / "pretrain" / "trunk.safetensors",
        model_config(data, dropout=dropout),
        config,
        teachers=runs / "teachers",
        held_out=folds,
    )
    return {
        (name, fold): predicted[rows_of(data, data.task(name), fold)]
        for name, predicted in oof.predictions.items()
        for fold in folds
    }


def scored(data: TrainingSet, held: Held, name: str, figure: str, folds: list[int]) -> str:
    """Return mean and standard deviation over the folds."""
    task = data.task(name)
    each = [
        figures(name, task.columns, task.values[rows].astype(np.float32), held[name, fold])[figure]
        for fold in folds
        for rows in [rows_of(data, task, fold)]
    ]
    return spread(float(np.mean(each)), float(np.std(each)))


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/base"))
    parser.add_argument("--model", default=DEFAULT_MODEL, help="whose embedding the mixtures are told by")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    data, runs = read_training_set(arguments.data), arguments.runs
    folds = [k for k in range(FOLDS) if (runs / "folds" / f"fold-{k}" / STATE).is_file()]
    features = read_features(data.smiles, runs / "baselines" / "features.npz").table(len(data.smiles))
    trees = extra_trees(data, features, teachers(runs / "teachers", "trees", folds), folds)
    columns = {
        "shipped network": students(data, runs, folds),
        "its teachers": teachers(runs / "teachers", "blend", folds),
        "extra trees": trees,
    }
    rows = [
        [
            what,
            *(scored(data, held, task, figure, folds) for held in columns.values()),
            f"{aim:.3f}" if aim else "",
        ]
        for what, task, figure, aim in ROWS
    ]
    isomeric = data.task("isomeric")
    predicted = np.full(isomeric.values.shape, np.nan, np.float32)
    for fold in folds:
        predicted[rows_of(data, isomeric, fold)] = columns["shipped network"]["isomeric", fold]
    pairs = [p for p in mirror_pairs(data.smiles, isomeric) if data.fold[isomeric.molecule[p[0]]] in folds]
    right, of, differing = ordered_right(isomeric, predicted, pairs)
    embed = embedding_by(ScentPredictor.from_pretrained(arguments.model))
    _, mixed = train_mixtures(arguments.data, embed, runs / "baselines" / MIXTURES, progress=print)
    blends, mixtures = mixed["dream2025_profiles"], mixed["pairs"]
    page = "\n\n".join(
        [
            "# Accuracy",
            f"Written by `make bench-accuracy`; do not edit. Mean (and standard deviation, sd) over folds "
            f"{', '.join(map(str, folds))}, each estimator trained on the other four folds. All stereoisomers of a "
            "molecule share a fold, over all files. The teachers and extra trees see all 217 RDKit descriptors and "
            "Morgan counts; the shipped network sees atoms and bonds alone.",
            f"- command: `python benchmarks/accuracy.py --data ../shared/data --runs {runs} --report "
            f"docs/results/accuracy.md`\n- commit: {commit()}\n- seed 0; {machine()}",
            table(["output", *columns, "aim"], rows),
            "## Mixtures",
            "By the embedding of the shipped model, which has learned from the labels of single molecules but not "
            "from those of the mixtures held out. At random: five folds over distinct sets of components (blends), or "
            "over pairs of them. Molecules out: nothing rated with a molecule of the test in it is learned from.",
            table(
                ["output", "at random", "molecules out", "aim"],
                [
                    [what, f"{found[key]:.3f}", f"{found[out]:.3f}" if out else "", aim]
                    for what, found, key, out, aim in (
                        (
                            "51 words of a blend (dream2025_profiles), mean r",
                            blends,
                            "profile_r",
                            "profile_r_molecules_out",
                            "0.80",
                        ),
                        (
                            "distance of two mixtures (pairs), r",
                            mixtures,
                            "r",
                            "r_molecules_out",
                            "0.85 / 0.76",
                        ),
                        (
                            "distance of two mixtures (pairs), RMSE",
                            mixtures,
                            "rmse",
                            "rmse_molecules_out",
                            "",
                        ),
                    )
                ],
            ),
            "## Mirror images",
            f"{differing} pairs of enantiomers in gs_lf_isomeric differ in at least one word; of their {of} differing "
            f"words the network of the held-out fold gives the higher probability to the right one in {right} "
            f"({right / max(of, 1):.0%}; chance is 50 %).",
        ]
    )
    print(page)
    if arguments.report:
        arguments.report.write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
