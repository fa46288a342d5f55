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
    ("task", "figures"),
    [
        ("keller2016", {"intensity", "valence", "sweet", "r intensity", "r pleasantness", "mean r of words"}),
        ("dream2025_single", {"r", "mean r of profiles"}),
        ("abraham2012", {"R2", "r"}),
    ],
)
def test_numbers_are_correlated(predictor, data_folder, task, figures):
    result = evaluate(predictor, data_folder / "molecules" / f"{task}.csv", task, samples=0)
    assert set(result.figures) == figures


def test_odourless_is_asked_as_odorous(predictor, data_folder):
    result = evaluate(predictor, data_folder / "molecules" / "mayhew2022.csv", "mayhew2022", samples=0)
    assert result.columns == ("odorous",)
    odorless = predictor.predict(result.rows[3]["smiles"]).odorless_probability
    assert result.predicted[3, 0] == pytest.approx(1 - odorless, abs=1e-5)


@pytest.mark.parametrize(
    ("task", "width"), [("gs_lf_isomeric", 152), ("dravnieks1985", 146), ("dream2025_single", 53)]
)
def test_every_head_predicts_without_a_truth(predictor, tmp_path, task, width):
    path = tmp_path / "new.csv"
    path.write_text("smiles,dilution\nCCO,0.1\nC[C@H](O)CC,0.001\n")
    result = evaluate(predictor, path, task)
    assert result.predicted.shape == (2, width) and (result.predicted[0] != result.predicted[1]).any()
    if task == "gs_lf_isomeric":
        assert 0 <= result.predicted.min() <= result.predicted.max() <= 1
    if task == "dream2025_single":
        path.write_text("smiles,dilution\nCCO,0.001\n")
        assert (evaluate(predictor, path, task).predicted[0] != result.predicted[0]).any()


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


def test_the_data_is_not_overwritten(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("smiles,fruity\nCCO,1\n")
    command = [
        sys.executable,
        "-m",
        "olfactory_transformer.cli",
        "evaluate",
        "--data",
        path,
        "--predictions",
        path,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and "would overwrite" in done.stderr
    assert path.read_text() == "smiles,fruity\nCCO,1\n"


@pytest.mark.parametrize(
    ("task", "content", "message"),
    [
        ("gs_lf", b"smiles,fruity\nCCO,x\n", "row 1, column fruity: got 'x'"),
        ("gs_lf", b"smiles,fruity\nCC\xff,1\n", "not CSV in UTF-8"),
        ("keller2016", b"smiles,dilution,intensity\nCCO,0.1,5\nCCO,-2,5\n", "row 2: dilution is '-2'"),
        ("mayhew2022", b"smiles,odor.class\nCCO,odor\n", "row 1, column odor.class: got 'odor'"),
    ],
)
def test_a_bad_cell_is_named(predictor, tmp_path, task, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        evaluate(predictor, path, task, samples=0)


def test_an_unknown_truth_is_left_out(predictor, tmp_path):
    path = tmp_path / "some.csv"
    path.write_text("smiles,odor.class\nCCO,Odor\nOCC(O)CO,Odorless\nCCC,\n")
    assert evaluate(predictor, path, "mayhew2022", samples=0).labels.words[0].positives == 1
    path.write_text("smiles,log_inv_odt\nCCO,1\nCCCO,2\nCCCCO,\nCCCCCO,3\n")
    assert evaluate(predictor, path, "abraham2012", samples=0).figures["r"] == pytest.approx(1, abs=0.5)


def test_what_cannot_be_computed_is_null_in_json(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("smiles,fruity\nCCO,1\n")
    command = [sys.executable, "-m", "olfactory_transformer.cli", "evaluate", "--data", path, "--json"]
    done = subprocess.run([*command, "--samples", "0"], capture_output=True, text=True, timeout=100)
    assert json.loads(done.stdout, parse_constant=pytest.fail)["labels"]["macro_auroc"]["value"] is None
