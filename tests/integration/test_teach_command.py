"""`olfactory teach`, then a student by `olfactory train --teachers`: as a person would call them, on small data."""

import subprocess
import sys

import numpy as np

from olfactory_transformer.train.distil import SoftLabels

POOL = [
    "CCCCCCCCC(=O)OC",
    "CCCCCCCCCC=O",
    "CCCCCCCCCC(=O)O",
    "CCCCCCCCCc1ccc(O)cc1",
    "CCCCCCCCC=CCO",
    "CCC(=O)OC",
]


def olfactory(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "olfactory_transformer.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=500,
    )


def test_a_student_is_taught(data_folder, tmp_path):
    np.savez(tmp_path / "structures.npz", smiles=np.array(POOL))
    teach = ["teach", "--data", data_folder, "--structures", tmp_path / "structures.npz", "--epochs", 1]
    teach += ["--analogues", 10]
    done = olfactory(*teach, "--out", tmp_path / "teachers", "--part", "fold-0")
    assert done.returncode == 0, done.stderr
    assert "fold-0 blend words: AUROC" in done.stdout
    soft = SoftLabels.load(tmp_path / "teachers" / "fold-0.npz")
    assert sorted(soft.smiles[:5]) == sorted(POOL[:5])  # the last is one of the labelled molecules
    assert len(soft.smiles) == 5 + 8  # analogues of fold 0 are not shown
    train = ["train", "--data", data_folder, "--teachers", tmp_path / "teachers", "--epochs", 1]
    done = olfactory(*train, "--fold", 0, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "on fold 0" in done.stderr
    done = olfactory(*train, "--fold", 1, "--out", tmp_path / "other")
    assert done.returncode == 2 and "fold-1.npz" in done.stderr


def test_an_unknown_part_and_missing_structures_are_named(data_folder, tmp_path):
    teach = ["teach", "--data", data_folder, "--out", tmp_path / "t"]
    done = olfactory(*teach, "--structures", tmp_path / "no.npz", "--part", "fold-7")
    assert done.returncode == 2 and "fold-7" in done.stderr
    done = olfactory(*teach, "--structures", tmp_path / "no.npz")
    assert done.returncode == 2 and "no.npz" in done.stderr
