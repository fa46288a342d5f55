"""`olfactory evaluate` on files of blends and of pairs, with the bundled model."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.inference.mixture_predictor import MixturePredictor
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.train.evaluate import evaluate

BLENDS = """mixture,components,Citrus,Vanilla,Intensity
A,CC1=CCC(CC1)C(C)=C@0.1;CCCCCCCC=O@0.01,3,0,6
B,COc1cc(C=O)ccc1O@0.1;O=Cc1ccc2OCOc2c1@0.01,0,3,5
C,CC(@0.1,1,1,1
D,CCCCCCCC=O@0.01;CC1=CCC(CC1)C(C)=C@0.1,3,0,6
"""
MIXTURES = """dataset,mixture,smiles
Snitz 1,1,CCO.CC(=O)O
Snitz 1,2,CCS.Cc1ccccc1
Snitz 1,3,not a molecule
"""
PAIRS = """dataset,mixture_1,mixture_2,distance
Snitz 1,1.0,1,0
Snitz 1,1,2.0,1
Snitz 1,2,1,1
Snitz 1,1,3,0.5
Snitz 1,1,9,0.5
"""


@pytest.fixture(scope="module")
def mixtures():
    return MixturePredictor.from_pretrained("olfactory-base-v1")


@pytest.fixture
def folder(tmp_path):
    for name, text in (("blends", BLENDS), ("mixtures", MIXTURES), ("pairs", PAIRS)):
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def test_blends_are_scored_row_by_row(mixtures, folder):
    result = evaluate(mixtures, folder / "blends.csv", "dream2025_profiles")
    assert result.columns == ("Citrus", "Vanilla", "Intensity")
    assert list(result.errors) == [2] and np.isnan(result.predicted[2]).all()
    np.testing.assert_allclose(result.predicted[0], result.predicted[3], rtol=1e-6)  # the order says nothing
    assert result.figures["mean r of profiles"] > 0.9
    citrus, vanilla = result.predicted[:2, :2].T
    assert citrus[0] > citrus[1] and vanilla[1] > vanilla[0]


def test_distances_are_symmetric_and_near_for_the_same_mixture(mixtures, folder):
    result = evaluate(mixtures, folder / "pairs.csv", "pairs")
    same, apart, turned = result.predicted[:3, 0]
    assert apart == pytest.approx(turned) and same < apart
    assert sorted(result.errors) == [3, 4] and "no mixture '9' of 'Snitz 1'" in result.errors[4]
    assert {"r", "RMSE"} <= set(result.figures)


def test_the_components_can_lie_elsewhere_and_the_truth_can_be_absent(folder, tmp_path):
    (folder / "other").mkdir()
    (folder / "mixtures.csv").rename(folder / "other" / "parts.csv")
    (folder / "pairs.csv").write_text("dataset,mixture_1,mixture_2\nSnitz 1,1,2\n")
    command = [sys.executable, "-m", "olfactory_transformer.cli", "evaluate", "--task", "pairs"]
    command += ["--data", folder / "pairs.csv", "--mixtures", folder / "other" / "parts.csv"]
    done = subprocess.run(
        [*command, "--predictions", tmp_path / "out.csv"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["dataset", "mixture_1", "mixture_2", "distance"]
    assert 0 <= float(rows[0]["distance"]) <= 1


def test_a_missing_file_and_a_wrong_predictor_are_told(mixtures, folder):
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        evaluate(mixtures, folder / "pairs.csv", "pairs", mixtures=folder / "nowhere.csv")
    with pytest.raises(TypeError, match="expected a MixturePredictor"):
        evaluate(ScentPredictor.from_pretrained("olfactory-base-v1"), folder / "pairs.csv", "pairs")
