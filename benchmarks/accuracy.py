"""Every head beside its teachers, extra trees, a random forest and chemprop, in the same folds.

python benchmarks/accuracy.py --data ../shared/data --runs runs/base --report docs/results/accuracy.md

Reads what benchmarks/train_base.sh and chemprop_baseline.py left below --runs; trains nothing but trees and the small
models of mixtures. What the trees answer is kept in RUNS/baselines. Draws words.svg and ablations.svg beside the page.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import mixture_trees
import numpy as np
from baselines import Held, chemprop, extra_trees, random_forest
from plots import Array, ablations_figure, read_table, words_figure

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.inference.mixture_predictor import embedding_by
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.model.transformer import OlfactoryTransformer
from olfactory_transformer.train.distil import SoftLabels
from olfactory_transformer.train.features import read_features
from olfactory_transformer.train.figures import figures
from olfactory_transformer.train.finetune import NETWORK, held_out_predictions, model_config, read_run
from olfactory_transformer.train.metrics import label_scores
from olfactory_transformer.train.mirror import by_chance, mirror_pairs, ordered_right
from olfactory_transformer.train.mixture_data import read_blends, read_pairs
from olfactory_transformer.train.mixtures import answer_blends, answer_pairs, score_blends, score_pairs
from olfactory_transformer.train.read import FOLDS, read_training_set
from olfactory_transformer.train.report import machine, spread, table
from olfactory_transformer.train.shipping import commit
from olfactory_transformer.train.tasks import TrainingSet

# Output -> (task, figure, aim), in the order of the page.
ROWS = (
    ("138 words (gs_lf), macro AUROC", "words", "AUROC", 0.895),
    ("138 words (gs_lf), macro average precision", "words", "AP", 0.41),
    ("152 words (gs_lf_isomeric), macro AUROC", "isomeric", "AUROC", 0.886),
    ("152 words (gs_lf_isomeric), macro average precision", "isomeric", "AP", 0.322),
    ("intensity at a dilution (keller2016), r", "ratings", "r intensity", 0.80),
    ("pleasantness at a dilution (keller2016), r", "ratings", "r pleasantness", 0.74),
    ("19 words at a dilution (keller2016), mean r", "ratings", "mean r of words", 0.62),
    ("51 words at a dilution (dream2025_single), mean r of profiles", "profile", "mean r of profiles", 0.68),
    ("146 words (dravnieks1985), mean r of profiles", "atlas", "mean r of profiles", 0.78),
    ("detection threshold (abraham2012), R²", "threshold", "R2", 0.82),
    ("odourless (mayhew2022 and gs_lf), AUROC", "odorless", "AUROC", 0.96),
    ("boiling point (mayhew2022), R²", "volatility", "R2 boiling_point", None),
    ("vapour pressure, log (mayhew2022), R²", "volatility", "R2 log_vapor_pressure", None),
)
WORDS = "words.svg"  # beside the page
SEEDS = range(3)  # of the folds of mixtures: few are rated, so that one draw of folds may be kind or unkind
TASKS = tuple(dict.fromkeys(row[1] for row in ROWS))


def finished(data: TrainingSet, runs: Path) -> dict[int, OlfactoryTransformer]:
    """Return the network of each fold whose training is finished."""
    found = {}
    for fold in range(FOLDS):
        folder = runs / f"fold-{fold}"
        if not (folder / NETWORK).is_file():
            continue
        try:
            found[fold] = read_run(folder, model_config(data))
        except DataError as error:
            print(f"left out: {error}")
    return found


def teachers(folder: Path, folds: list[int]) -> Held:
    """Return the held-out answers of the teachers, all kinds together."""
    return {
        (key.removeprefix("blend/"), fold): values
        for fold in folds
        for key, values in SoftLabels.load(folder / f"fold-{fold}.npz").held_out.items()
        if key.startswith("blend/")
    }


def scored(data: TrainingSet, held: Held, name: str, figure: str, folds: list[int]) -> str:
    """Return mean and standard deviation over the folds that an estimator did; nothing if it did none."""
    each = by_fold(data, held, name, figure, [k for k in folds if (name, k) in held])
    return _spread(each) if each else ""


def by_fold(data: TrainingSet, held: Held, name: str, figure: str, folds: list[int]) -> list[float]:
    """Return a figure of each fold."""
    task = data.task(name)
    truth = [task.values[data.held_out(task, fold)].astype(np.float32) for fold in folds]
    return [figures(name, task.columns, t, held[name, k])[figure] for t, k in zip(truth, folds, strict=True)]


def _spread(each: list[float]) -> str:
    return spread(float(np.mean(each)), float(np.std(each)))


def word_aurocs(data: TrainingSet, held: Held, folds: list[int]) -> Array:
    """Return each word's AUROC, mean over the folds that have the word; NaN where none has."""
    task = data.task("words")
    each = [
        [
            word.auroc
            for word in label_scores(
                task.columns, task.values[data.held_out(task, k)], held["words", k], 0
            ).words
        ]
        for k in folds
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(np.array(each), 0))


def mirrors(data: TrainingSet, held: Held, folds: list[int]) -> str:
    """Return what is said of mirror images."""
    isomeric = data.task("isomeric")
    predicted = np.full(isomeric.values.shape, np.nan, np.float32)
    for fold in folds:
        predicted[data.held_out(isomeric, fold)] = held["isomeric", fold]
    pairs = [p for p in mirror_pairs(data.smiles, isomeric) if data.fold[isomeric.molecule[p[0]]] in folds]
    right, of, differing = ordered_right(isomeric, predicted, pairs)
    return (
        f"{differing} pairs of enantiomers in gs_lf_isomeric differ in at least one word; of their {of} differing "
        f"words the network of the held-out fold gives the higher probability to the right one in {right} "
        f"({right / max(of, 1):.0%}; chance is 50 %). With the hand of each pair drawn at random, as many are right "
        f"in {by_chance(isomeric, predicted, pairs):.2%} of the draws. How stereo is read was chosen on these folds, "
        "too. Without stereo given, the log odds of every word are the mean of those of the two mirror images "
        "(`tests/unit/model/test_transformer.py`)."
    )


def mixtures(data: Path, model: str, kept: Path) -> str:
    """Return the table of what is said of mixtures by a model's embedding, and by extra trees."""
    embed = embedding_by(ScentPredictor.from_pretrained(model))
    blends, pairs = read_blends(data, embed), read_pairs(data, embed)
    found, trees = [], []
    for seed in SEEDS:
        print(f"mixtures, seed {seed}", file=sys.stderr)
        found.append(
            {
                "dream2025_profiles": score_blends(blends, answer_blends, seed),
                "pairs": score_pairs(pairs, answer_pairs, seed),
            }
        )
        trees.append(mixture_trees.scores(data, kept, seed))
    rows = (
        ("51 words of a blend (dream2025_profiles), mean r", "dream2025_profiles", "profile_r", "0.80"),
        ("distance of two mixtures (pairs), r", "pairs", "r", "0.85 / 0.76"),
        ("distance of two mixtures (pairs), RMSE", "pairs", "rmse", ""),
    )
    names = ["at random", "extra trees at random", "molecules out", "extra trees, molecules out", "aim"]
    each = [
        [
            what,
            *(
                _spread([one[file][key + how] for one in by])
                for how in ("", "_molecules_out")
                for by in (found, trees)
            ),
            aim,
        ]
        for what, file, key, aim in rows
    ]
    return table(["output", *names], each)


def named(folds: list[int]) -> str:
    """Return the folds as a page names them.

    >>> named([0]), named([0, 1, 3])
    ('fold 0', 'folds 0, 1, 3')
    """
    return f"fold{'s' if len(folds) > 1 else ''} {', '.join(map(str, folds))}"


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
    networks = finished(data, runs / "folds")
    if not (folds := list(networks)):
        raise SystemExit(f"{runs / 'folds'}: no finished fold; run benchmarks/train_base.sh")
    features = read_features(data.smiles, runs / "baselines" / "features.npz")
    ours = {
        (name, fold): predicted
        for fold, network in networks.items()
        for name, predicted in held_out_predictions(network, data, fold).items()
    }
    trees = extra_trees(data, features.table(len(data.smiles)), TASKS, folds, runs / "baselines")
    by_chemprop = chemprop(data, folds, runs / "baselines")
    columns = {
        "shipped network": ours,
        "its teachers": teachers(runs / "teachers", folds),
        "extra trees": trees,
        "random forest": random_forest(data, features.counts["morgan"], TASKS, folds, runs / "baselines"),
    }
    if done := [k for k in folds if ("words", k) in by_chemprop]:
        columns["chemprop" if done == folds else f"chemprop, {named(done)}"] = by_chemprop
    rows = [
        [
            what,
            *(scored(data, held, task, figure, folds) for held in columns.values()),
            f"{aim:.3f}" if aim else "",
        ]
        for what, task, figure, aim in ROWS
    ]
    report = arguments.report
    words = data.task("words").columns
    by_word = word_aurocs(data, ours, folds), word_aurocs(data, trees, folds)
    better = int((by_word[0] > by_word[1]).sum())
    page = "\n\n".join(
        [
            "# Accuracy",
            f"Written by `make bench-accuracy`; do not edit. Mean (and standard deviation, sd) over {named(folds)}, "
            "each estimator trained on the other four folds. All stereoisomers of a molecule share a fold, over all "
            "files. Extra trees see all 217 RDKit descriptors and Morgan counts, the teachers also other fingerprints "
            "and MiniMol's embedding (`train/teacher.py`), the random forest Morgan counts alone; the shipped "
            "network needs no descriptors.",
            "chemprop: one network on the 138 words, settings as its command line has them, one in ten of the "
            "molecules that it may learn from set aside to choose the epoch (`benchmarks/chemprop_baseline.py`)."
            if done
            else "chemprop was not run: `benchmarks/chemprop_baseline.py` says how to.",
            f"- command: `python benchmarks/accuracy.py --data ../shared/data --runs {runs} --report "
            f"docs/results/accuracy.md`\n- commit: {commit()}\n- seed 0; {machine()}",
            table(["output", *columns, "aim"], rows),
            "## Every word",
            f"The shipped network is better than extra trees at {better} of {np.isfinite(by_word[0]).sum()} words.",
            f"![AUROC of every word, shipped network and extra trees]({WORDS})",
            "## Mixtures",
            "By the embedding of the shipped model, which has learned from the labels of single molecules but not "
            "from those of the mixtures held out. At random: five folds over distinct sets of components (blends), or "
            "over pairs of them. Molecules out: nothing rated with a molecule of the test in it is learned from. Mean "
            f"(and standard deviation) of {len(SEEDS)} draws of the folds. Extra trees see descriptors and counts in "
            "the same folds (`benchmarks/mixture_trees.py`).",
            mixtures(arguments.data, arguments.model, runs / "baselines"),
            "## Mirror images",
            mirrors(data, ours, folds),
        ]
    )
    print(page)
    if report is not None:
        report.write_text(page + "\n", encoding="utf-8")
        words_figure(report.with_name(WORDS), words, *by_word, names=("shipped network", "extra trees"))
        if (ablations := report.with_name("ablations.md")).is_file():
            ablations_figure(
                ablations.with_suffix(".svg"), *read_table(ablations.read_text(encoding="utf-8"))
            )


if __name__ == "__main__":
    main()
