"""One chemprop 2 network a fold, as its command line has it by default: held-out predictions of the 138 words.

python3 -m venv .venv-chemprop && .venv-chemprop/bin/pip install torch==2.13.0 chemprop==2.3.1
python benchmarks/chemprop_baseline.py --data ../shared/data --chemprop .venv-chemprop/bin/chemprop

Runs in the project's environment and calls chemprop in its own, so that neither needs the other's packages. Writes
runs/base/baselines/chemprop-fold-0.npz ...; a fold that is done is not done again. `accuracy.py` reads them.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.archive import save_arrays
from olfactory_transformer.train.read import FOLDS, connectivity, read_training_set
from olfactory_transformer.train.tasks import TrainingSet

# chemprop keeps the epoch that is best on molecules set aside for it: one in ten of those that it may learn from.
_SET_ASIDE = 10


def set_aside(smiles: str) -> bool:
    """Tell whether a molecule of the other folds chooses the epoch, with all its stereoisomers.

    >>> set_aside("C[C@H](N)CC") == set_aside("C[C@@H](N)CC")
    True
    """
    key = connectivity(read_molecule(smiles))
    return int(hashlib.sha256(f"chemprop {key}".encode()).hexdigest(), 16) % _SET_ASIDE == 0


def write_fold(data: TrainingSet, fold: int, folder: Path, limit: int | None = None) -> list[str]:
    """Write learn.csv (with a column for what chooses the epoch) and held-out.csv; return the SMILES of the latter.

    Columns are named by number: chemprop's command line splits names at spaces.
    """
    task = data.task("words")
    names = [f"w{i}" for i in range(len(task.columns))]
    held_out = data.held_out(task, fold)
    learned = np.setdiff1d(np.arange(len(task.molecule)), held_out)[:limit]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "learn.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", *names, "split"])
        for row in learned:
            smiles = data.smiles[task.molecule[row]]
            words = ["" if np.isnan(v) else int(v) for v in task.values[row].astype(np.float32)]
            writer.writerow([smiles, *words, "val" if set_aside(smiles) else "train"])
    smiles = [data.smiles[i] for i in task.molecule[held_out]]
    with (folder / "held-out.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["smiles"], *([text] for text in smiles)])
    return smiles


def run_fold(
    data: TrainingSet,
    fold: int,
    folder: Path,
    chemprop: Path,
    epochs: int | None = None,
    limit: int | None = None,
) -> None:
    """Train, predict and keep a fold's held-out probabilities, in the order of the task's rows."""
    work = folder / f"chemprop-fold-{fold}"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed, which chemprop cannot go on with
    smiles = write_fold(data, fold, work, limit)
    words = len(data.task("words").columns)
    one_core = ["--num-workers", "0", "--accelerator", "cpu", "--devices", "1"]
    train = [
        "train",
        "--data-path",
        work / "learn.csv",
        "--smiles-columns",
        "smiles",
        "--splits-column",
        "split",
    ]
    train += ["--target-columns", *(f"w{i}" for i in range(words)), "--task-type", "classification"]
    train += ["--pytorch-seed", fold, "--data-seed", fold, "--output-dir", work / "run", *one_core]
    _call(chemprop, [*train, *(["--epochs", epochs] if epochs else [])])
    predict = ["predict", "--test-path", work / "held-out.csv", "--smiles-columns", "smiles"]
    predict += ["--model-paths", work / "run" / "model_0" / "best.pt", "--preds-path", work / "held.csv"]
    _call(chemprop, [*predict, *one_core])
    with (work / "held.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if [row["smiles"] for row in rows] != smiles:
        raise SystemExit(f"{work / 'held.csv'}: not the molecules asked for, in their order")
    found = np.array([[float(row[f"w{i}"]) for i in range(words)] for row in rows], np.float32)
    path = folder / f"chemprop-fold-{fold}.npz"
    save_arrays(path, {"smiles": np.array(smiles), "words": found})


def _call(chemprop: Path, arguments: Sequence[object]) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([str(chemprop), *map(str, arguments)], check=True, env=environment)


def main() -> None:
    """Do the folds that are not done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--chemprop", type=Path, required=True, help="The command, of an environment of its own."
    )
    parser.add_argument("--out", type=Path, default=Path("runs/base/baselines"))
    parser.add_argument("--fold", type=int, action="append", choices=range(FOLDS), help="[default: all]")
    parser.add_argument("--epochs", type=int, help="[default: chemprop's own]")
    parser.add_argument("--limit", type=int, help="Learn from so many rows alone, to try it out.")
    arguments = parser.parse_args()
    data = read_training_set(arguments.data)
    for fold in arguments.fold or range(FOLDS):
        if (arguments.out / f"chemprop-fold-{fold}.npz").is_file():
            print(f"fold {fold}: done before")
            continue
        run_fold(data, fold, arguments.out, arguments.chemprop, arguments.epochs, arguments.limit)
        print(f"fold {fold}: done", flush=True)


if __name__ == "__main__":
    main()
