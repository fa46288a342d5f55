"""How well is a kind of molecule told that is unlike all that was learned from? Clusters of molecules held out whole.

python benchmarks/cluster_split.py --data ../shared/data --report docs/results/clusters.md
python benchmarks/cluster_split.py --data ../shared/data --train --fold 0 --report docs/results/clusters.md

Butina clusters (Tanimoto distance of Morgan fingerprints) of gs_lf.csv in five folds; the first command scores extra
trees there and on the project's own folds, the second trains the shipped recipe's networks there, too, by the
functions that `olfactory cross-validate` and `olfactory teach` call. Killed, it goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from baselines import Held, extra_trees
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from rdkit.ML.Cluster import Butina

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train import teacher
from olfactory_transformer.train.dense import DenseConfig
from olfactory_transformer.train.distil import kept_soft_labels, read_inputs
from olfactory_transformer.train.features import read_features
from olfactory_transformer.train.figures import figures
from olfactory_transformer.train.finetune import finetune, held_out_predictions, model_config, recipe
from olfactory_transformer.train.fit import FitConfig
from olfactory_transformer.train.pool import ANALOGUES, LISTED, Pool, read_pool
from olfactory_transformer.train.read import FOLDS, connectivity, read_training_set
from olfactory_transformer.train.report import machine, spread, table
from olfactory_transformer.train.shipping import commit
from olfactory_transformer.train.structures import structure_smiles
from olfactory_transformer.train.tasks import TrainingSet

CUTOFF = 0.65  # distance; the default of chalcedon's butina_split (PyPI), others take 0.6
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Folds of M molecules.

    Parameters
    ----------
    cluster : ndarray of int64, (M,)
        Numbered by size; -1 for a molecule outside gs_lf.csv.
    fold : ndarray of int64, (M,)
    nearest : ndarray of float64, (M,)
        Of molecules of gs_lf.csv, the greatest similarity to one of another fold; NaN for others.
    """

    cluster: Ints
    fold: Ints
    nearest: npt.NDArray[np.float64]


def split(data: TrainingSet, cutoff: float = CUTOFF) -> Split:
    """Put clusters whole into folds of similar size, with all molecules of a connectivity in one fold.

    A molecule that only other files have goes to its most similar one of gs_lf.csv, if that is as similar as the
    members of a cluster are to its centre; else where the hash of its connectivity says, as in `read_training_set`.
    """
    keys = [connectivity(read_molecule(smiles)) for smiles in data.smiles]
    prints = _fingerprints(data)
    named = np.unique(data.task("words").molecule)
    first: dict[str, int] = {}  # a molecule for each connectivity: tautomers share one, but not their bits
    for molecule in named:
        first.setdefault(keys[molecule], int(molecule))
    centres = list(first.values())
    size = np.array([0.0] * len(centres))
    place = {key: i for i, key in enumerate(first)}
    for molecule in named:
        size[place[keys[molecule]]] += 1
    clusters = _butina([prints[i] for i in centres], cutoff)
    clusters.sort(key=lambda members: (-size[members].sum(), members[0]))
    cluster_of, fold_of = np.empty(len(centres), np.int64), np.empty(len(centres), np.int64)
    filled = np.zeros(FOLDS)
    for number, members in enumerate(clusters):
        smallest = int(filled.argmin())
        cluster_of[members], fold_of[members] = number, smallest
        filled[smallest] += size[members].sum()
    by_key = {key: int(fold_of[i]) for i, key in enumerate(first)}
    for molecule, key in enumerate(keys):
        if key in by_key:
            continue
        alike = np.array(DataStructs.BulkTanimotoSimilarity(prints[molecule], [prints[i] for i in centres]))
        hashed = int(hashlib.sha256(key.encode()).hexdigest(), 16) % FOLDS
        by_key[key] = int(fold_of[alike.argmax()]) if alike.max() >= 1 - cutoff else hashed
    fold = np.array([by_key[key] for key in keys], np.int64)
    cluster = np.array([cluster_of[place[key]] if key in place else -1 for key in keys], np.int64)
    cluster[np.setdiff1d(np.arange(len(keys)), named)] = -1
    return Split(cluster, fold, nearest_elsewhere(data, fold))


def nearest_elsewhere(data: TrainingSet, fold: Ints) -> npt.NDArray[np.float64]:
    """Return the greatest similarity of each molecule with words to one of another fold, (M,); NaN for the rest."""
    prints, named = _fingerprints(data), np.unique(data.task("words").molecule)
    found = np.full(len(fold), np.nan)
    others = {k: [prints[i] for i in named if fold[i] != k] for k in np.unique(fold[named])}
    for molecule in named:
        alike = DataStructs.BulkTanimotoSimilarity(prints[molecule], others[fold[molecule]])
        found[molecule] = max(alike, default=0.0)
    return found


def _fingerprints(data: TrainingSet) -> list[DataStructs.ExplicitBitVect]:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    return [generator.GetFingerprint(Chem.MolFromSmiles(smiles)) for smiles in data.smiles]


def _butina(prints: Sequence[DataStructs.ExplicitBitVect], cutoff: float) -> list[list[int]]:
    distances: list[float] = []
    for i in range(1, len(prints)):
        distances += (1 - np.array(DataStructs.BulkTanimotoSimilarity(prints[i], prints[:i]))).tolist()
    cluster: Any = Butina.ClusterData  # untyped
    found = cluster(distances, len(prints), cutoff, isDistData=True, reordering=True)
    return [sorted(members) for members in found]


def write_split(data: TrainingSet, found: Split, path: Path) -> None:
    """Write smiles, cluster and fold as CSV; DataError if another split is there, to which runs below may belong."""
    lines = zip(data.smiles, found.cluster.tolist(), found.fold.tolist(), strict=True)
    rows = [["smiles", "cluster", "fold"], *([s, "" if c < 0 else str(c), str(k)] for s, c, k in lines)]
    if path.is_file():
        with path.open(newline="") as file:
            if list(csv.reader(file)) != rows:
                raise DataError(
                    f"{path}: of another split or other data; delete {path.parent} or name another"
                )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@dataclass(frozen=True, slots=True)
class Trials:
    """How the networks are trained on a split.

    Parameters
    ----------
    folder : Path
        Of the runs: teachers/fold-0.npz, folds/fold-0 (student) ...
    trunk : Path or None
    structures : Path
        Unlabelled ones, from `olfactory pretrain`.
    listed, made : int
        How many of them, and of analogues of labelled molecules, are labelled.
    student : FitConfig
    teachers : DenseConfig
    """

    folder: Path
    trunk: Path | None
    structures: Path
    listed: int = LISTED
    made: int = ANALOGUES
    student: FitConfig = recipe(student=True)[0]
    teachers: DenseConfig = teacher.DEFAULTS

    def pool(self, data: TrainingSet) -> Pool:
        """Return the structures that teachers label."""
        return read_pool(structure_smiles(self.structures), data, self.listed, self.made)

    def run(self, data: TrainingSet, pool: Pool, fold: int) -> dict[str, Held]:
        """Train teachers and a student; return the held-out predictions of both."""
        folder, part = self.folder, f"fold-{fold}"
        taught = folder / "teachers"
        inputs = read_inputs(data, pool, taught)
        soft = kept_soft_labels(taught / f"{part}.npz", data, pool, inputs, fold, self.teachers)
        student, _ = finetune(
            soft.added_to(data),
            folder / "folds" / part,
            trunk=self.trunk,
            model=model_config(data, dropout=recipe(student=True)[1]),
            config=replace(self.student, seed=self.student.seed + fold),
            hold_out=fold,
        )
        blend = {key: found for key, found in soft.held_out.items() if key.startswith("blend/")}
        return {
            "teachers": {(key.removeprefix("blend/"), fold): found for key, found in blend.items()},
            "shipped recipe": _held(held_out_predictions(student, data, fold), fold),
        }


def _held(predictions: dict[str, npt.NDArray[np.float32]], fold: int) -> Held:
    return {(name, fold): found for name, found in predictions.items()}


def scores(data: TrainingSet, held: Held) -> list[str]:
    """Return folds done, macro AUROC and macro average precision of the 138 words, mean over those folds."""
    task = data.task("words")
    each = [
        figures("words", task.columns, task.values[data.held_out(task, fold)].astype(np.float32), predicted)
        for (name, fold), predicted in held.items()
        if name == "words"
    ]
    table = np.array([[found["AUROC"], found["AP"]] for found in each])
    return [
        str(len(each)),
        *(spread(float(m), float(sd)) for m, sd in zip(table.mean(0), table.std(0), strict=True)),
    ]


def page(data: TrainingSet, found: Split, rows: list[list[str]], command: str, cutoff: float) -> str:
    """Return the page as Markdown."""
    named = np.unique(data.task("words").molecule)
    sizes = np.bincount(found.cluster[named])
    own = nearest_elsewhere(data, data.fold)
    near = [
        [what, *(f"{value:.2f}" for value in np.nanquantile(nearest, [0.1, 0.5, 0.9]))]
        for what, nearest in (("the project's own", own), ("clusters", found.nearest))
    ]
    return "\n\n".join(
        [
            "# Clusters held out whole",
            f"Written by `{command}`; do not edit.",
            f"- commit: {commit()}; seed 0; {machine()}",
            f"The molecules of gs_lf.csv in {len(sizes)} Butina clusters (Tanimoto distance of Morgan fingerprints, "
            f"radius 2, 2,048 bits, cutoff {cutoff}), the largest of {sizes.max()} molecules, {(sizes == 1).sum()} of "
            "one; clusters are put whole into five folds of "
            f"{', '.join(str(n) for n in np.bincount(found.fold[named], minlength=FOLDS))} molecules. All molecules of "
            "a connectivity share a fold, over all files. Networks' trunk was pre-trained on structures without "
            "labels of smell, those of the folds among them.",
            "The 138 words of held-out molecules, each estimator trained on the other four folds; mean (and standard "
            "deviation, sd) over the folds done:",
            table(["estimator", "folds", "folds done", "macro AUROC", "macro average precision"], rows),
            "How similar a held-out molecule is to the most similar one that is learned from (quantiles):",
            table(["folds", "0.1", "0.5", "0.9"], near),
        ]
    )


def main() -> None:
    """Split, score extra trees and, if asked, the networks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/base"), help="With pretrain/ in it.")
    parser.add_argument("--out", type=Path, default=Path("runs/clusters"))
    parser.add_argument("--cutoff", type=float, default=CUTOFF)
    parser.add_argument("--train", action="store_true", help="Train the networks, too: half an hour a fold.")
    parser.add_argument("--fold", type=int, action="append", choices=range(FOLDS), help="[default: all]")
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    own = read_training_set(arguments.data)
    found = split(own, arguments.cutoff)
    write_split(own, found, arguments.out / "folds.csv")
    clustered = replace(own, fold=found.fold)
    folds, pretrained = arguments.fold or list(range(FOLDS)), arguments.runs / "pretrain"
    features = read_features(own.smiles, arguments.runs / "baselines" / "features.npz")
    inputs = features.table(len(own.smiles))
    rows = []
    for what, data, kept in (
        ("the project's own", own, arguments.runs / "baselines"),
        ("clusters", clustered, arguments.out / "baselines"),
    ):
        held = extra_trees(data, inputs, ["words"], folds, kept)
        rows.append(["extra trees", what, *scores(data, held)])
        print(rows[-1], flush=True)
    if arguments.train:
        trials = Trials(arguments.out, pretrained / "trunk.safetensors", pretrained / "structures.npz")
        by_step: dict[str, Held] = {}
        pool = trials.pool(clustered)
        for fold in folds:
            for name, held in trials.run(clustered, pool, fold).items():
                by_step.setdefault(name, {}).update(held)
        rows += [[name, "clusters", *scores(clustered, held)] for name, held in by_step.items()]
    options = " --train" * arguments.train + "".join(f" --fold {k}" for k in arguments.fold or ())
    command = (
        f"python benchmarks/cluster_split.py --data {arguments.data}{options} --report {arguments.report}"
    )
    text = page(own, found, rows, command, arguments.cutoff)
    print(text)
    if arguments.report:
        arguments.report.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
