"""Extra trees on RDKit descriptors and Morgan counts, in the folds of the cross-validation: the floor for small heads.

python benchmarks/extra_trees.py --data ../shared/data --report docs/results/extra-trees.md
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors, rdFingerprintGenerator
from sklearn.ensemble import ExtraTreesRegressor

from olfactory_transformer.train.metrics import label_scores, pearson, r_squared
from olfactory_transformer.train.read import FOLDS, read_training_set
from olfactory_transformer.train.report import machine, table
from olfactory_transformer.train.shipping import commit
from olfactory_transformer.train.tasks import Task, TrainingSet


def features(smiles: str) -> np.ndarray:
    """Return descriptors and fingerprint counts of a molecule, (217 + 1024,)."""
    mol = Chem.MolFromSmiles(smiles)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        descriptors = np.nan_to_num([function(mol) for _, function in Descriptors.descList])
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    return np.concatenate([descriptors.clip(-1e6, 1e6), generator.GetCountFingerprintAsNumPy(mol)])


def out_of_fold(data: TrainingSet, task: Task) -> np.ndarray:
    """Return predictions for every row by trees that had not seen its molecule, (R, C)."""
    known = {m: features(data.smiles[m]) for m in np.unique(task.molecule)}
    inputs = np.array([known[m] for m in task.molecule])
    if task.log_dilution is not None:
        inputs = np.column_stack([inputs, task.log_dilution])
    predicted = np.full(task.values.shape, np.nan)
    for fold in range(FOLDS):
        held_out = data.fold[task.molecule] == fold
        trees = ExtraTreesRegressor(300, max_features=0.3, min_samples_leaf=2, random_state=0, n_jobs=-1)
        trees.fit(inputs[~held_out], task.values[~held_out])
        predicted[held_out] = trees.predict(inputs[held_out]).reshape(held_out.sum(), -1)
    return predicted


def main() -> None:
    """Score the three small heads' data."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    data = read_training_set(arguments.data)
    ratings, threshold, odorless = (data.task(name) for name in ("ratings", "threshold", "odorless"))
    found = out_of_fold(data, ratings)
    r = {name: pearson(ratings.values[:, i], found[:, i]) for i, name in enumerate(ratings.columns)}
    words = [value for name, value in r.items() if name not in ("intensity", "valence")]
    limits = out_of_fold(data, threshold)
    smell = label_scores(odorless.columns, odorless.values, out_of_fold(data, odorless), 0)
    rows = [
        ["intensity at a dilution", "keller2016", f"r {r['intensity']:.3f}"],
        ["pleasantness at a dilution", "keller2016", f"r {r['valence']:.3f}"],
        ["19 words at a dilution", "keller2016", f"mean r {np.mean(words):.3f}"],
        ["detection threshold", "abraham2012", f"R² {r_squared(threshold.values[:, 0], limits[:, 0]):.3f}"],
        ["odourless", "mayhew2022 and gs_lf", f"AUROC {smell.macro_auroc.value:.3f}"],
    ]
    page = "\n\n".join(
        [
            "# Extra trees in the same folds",
            "Written by `python benchmarks/extra_trees.py --data ../shared/data --report docs/results/extra-trees.md`; "
            "do not edit. To be read beside [the cross-validation](cross-validation.md) of the transformer.",
            f"- commit: {commit()}\n- seed 0; {machine()}",
            table(["output", "data", "figure"], rows),
        ]
    )
    print(page)
    if arguments.report:
        arguments.report.write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
