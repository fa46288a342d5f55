"""`olfactory evaluate` on small files: what is scored, what is only predicted, and what is written."""

import csv
import json
import subprocess
import sys

import pytest

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.train.evaluate import evaluate


@pytest.fixture(scope="module")
def predictor():
    return ScentPredictor.from_pretrained("olfactory-base-v1")


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_words_are_scored_and_predictions_written_in_order(data_folder, tmp_path):
    data, out = data_folder / "molecules" / "gs_lf.csv", tmp_path / "predictions.csv"
    command = [
        sys.executable,
        "-m",
        "olfactory_transformer.cli",
        "evaluate",
        "--data",
        data,
        "--predictions",
        out,
    ]
    done = subprocess.run(
        [*command, "--json", "--samples", "20"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)["labels"]
    assert scores["molecules"] == 40
    assert {word["word"] for word in scores["words"]} == {
        "fruity",
        "fatty",
        "sour",
        "spicy",
        "green",
        "odorless",
    }
    assert scores["macro_auroc"]["low"] <= scores["macro_auroc"]["value"] <= scores["macro_auroc"]["high"]
    truth, written = rows_of(data), rows_of(out)
    assert [row["smiles"] for row in written] == [row["smiles"] for row in truth]
    assert list(written[0]) == ["smiles", "fruity", "fatty", "sour", "spicy", "green", "odorless"]


def test_only_the_rows_of_a_fold(predictor, data_folder):
    result = evaluate(predictor, data_folder / "molecules" / "gs_lf.csv", fold=2, samples=0)
    assert result.labels.molecules == 8
    with pytest.raises(DataError, match="no rows of fold 7"):
        evaluate(predictor, data_folder / "molecules" / "gs_lf.csv", fold=7)


def test_what_is_written_is_what_is_predicted(predictor, data_folder):
    result = evaluate(predictor, data_folder / "molecules" / "gs_lf.csv", samples=0)
    first = predictor.predict(result.rows[0]["smiles"])
    assert result.predicted[0].tolist() == pytest.approx([first.words[w] for w in result.columns], abs=1e-5)


@pytest.mark.parametrize(
    ("task", "figures"), [("keller2016", {"intensity", "valence", "sweet"}), ("abraham2012", {"R2", "r"})]
)
def test_numbers_are_correlated(predictor, data_folder, task, figures):
    result = evaluate(predictor, data_folder / "molecules" / f"{task}.csv", task, samples=0)
    assert set(result.figures) == figures


def test_odourless_is_asked_as_odorous(predictor, data_folder):
    result = evaluate(predictor, data_folder / "molecules" / "mayhew2022.csv", "mayhew2022", samples=0)
    assert result.columns == ("odorous",)
    odorless = predictor.predict(result.rows[3]["smiles"]).odorless_probability
    assert result.predicted[3, 0] == pytest.approx(1 - odorless, abs=1e-5)


def test_without_the_truth_it_is_only_predicted(predictor, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("smiles\nCCO\nCC(\nCCCO\n")
    result = evaluate(predictor, path, "gs_lf")
    assert result.labels is None and len(result.columns) == 138
    assert list(result.errors) == [1] and "character 3" in result.errors[1]
    result.write(tmp_path / "out.csv")
    written = rows_of(tmp_path / "out.csv")
    assert [row["smiles"] for row in written] == ["CCO", "CC(", "CCCO"]
    assert written[1]["fruity"] == "" and 0 < float(written[2]["fruity"]) < 1


def test_an_unknown_task_and_a_missing_column_are_named(predictor, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("molecule\nCCO\n")
    with pytest.raises(DataError, match="got 'smell', expected one of gs_lf"):
        evaluate(predictor, path, "smell")
    with pytest.raises(DataError, match="no column 'smiles'"):
        evaluate(predictor, path, "gs_lf")
