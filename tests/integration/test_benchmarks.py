"""The scripts of benchmarks/ on small data: what they write, and that they go on where they were."""

import stat
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
# As chemprop's command line: `predict` gives every molecule its place among the molecules asked for.
STAND_IN = """#!{python}
import csv, pathlib, sys
given = dict(zip(sys.argv[2::1], sys.argv[3::1]))
with open({log!r}, "a") as log:
    log.write(sys.argv[1] + "\\n")
if sys.argv[1] == "train":
    rows = list(csv.DictReader(open(given["--data-path"])))
    assert {{row["split"] for row in rows}} <= {{"train", "val"}}
else:
    rows = list(csv.DictReader(open(given["--test-path"])))
    with open(given["--preds-path"], "w", newline="") as file:
        csv.writer(file).writerow(["smiles"] + ["w%d" % i for i in range(6)])
        csv.writer(file).writerows([row["smiles"]] + [n] * 6 for n, row in enumerate(rows))
"""


@pytest.fixture(scope="module", autouse=True)
def _importable():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def data(data_folder):
    from olfactory_transformer.train.read import read_training_set

    return read_training_set(data_folder)


def test_chemprop_is_asked_once_a_fold_and_answers_in_the_rows_order(
    data, data_folder, tmp_path, monkeypatch
):
    import chemprop_baseline
    from baselines import chemprop

    command, log = tmp_path / "chemprop", tmp_path / "log"
    command.write_text(STAND_IN.format(python=sys.executable, log=str(log)))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    given = ["x", "--data", data_folder, "--chemprop", command, "--out", tmp_path / "out", "--fold", "1"]
    monkeypatch.setattr(sys, "argv", [str(part) for part in given])
    chemprop_baseline.main()
    chemprop_baseline.main()
    assert log.read_text().split() == ["train", "predict"]
    found = chemprop(data, range(5), tmp_path / "out")
    assert list(found) == [("words", 1)]
    np.testing.assert_array_equal(found["words", 1][:, 0], np.arange(len(data.held_out("words", 1))))
    other = replace(data, fold=(data.fold + 1) % 5)  # the file is not of this fold's molecules any more
    assert chemprop(other, [1], tmp_path / "out") == {}


def test_no_held_out_molecule_is_in_what_chemprop_learns_from(data, tmp_path):
    import csv

    import chemprop_baseline

    held_out = chemprop_baseline.write_fold(data, 2, tmp_path)
    with (tmp_path / "learn.csv").open(newline="") as file:
        learned = {row["smiles"] for row in csv.DictReader(file)}
    assert held_out and not learned & set(held_out)
    assert len(learned) + len(held_out) == len(data.task("words").molecule)


def test_trees_are_kept_and_fitted_anew_when_a_label_changes(data, tmp_path, monkeypatch):
    import baselines

    counts = np.random.default_rng(0).integers(0, 2, (len(data.smiles), 16)).astype(np.uint8)
    first = baselines.random_forest(data, counts, ["words", "ratings"], [0], tmp_path)
    assert first["words", 0].shape == (len(data.held_out("words", 0)), len(data.task("words").columns))
    assert np.isfinite(first["ratings", 0]).all()
    fits = []
    monkeypatch.setattr(
        baselines.teacher, "fitted_answers", lambda *given: fits.append(1) or np.zeros((1, 1))
    )
    again = baselines.random_forest(data, counts, ["words"], [0], tmp_path)
    np.testing.assert_array_equal(again["words", 0], first["words", 0])
    assert not fits
    turned = [replace(t, values=1 - t.values) if t.name == "words" else t for t in data.tasks]
    baselines.random_forest(replace(data, tasks=turned), counts, ["words"], [0], tmp_path)
    assert fits


def test_a_cluster_and_a_connectivity_share_a_fold(data, tmp_path):
    import cluster_split

    from olfactory_transformer.core.errors import DataError
    from olfactory_transformer.molecules import read_molecule
    from olfactory_transformer.train.read import connectivity

    found = cluster_split.split(data, 0.6)
    by_cluster, by_key = {}, {}
    for smiles, cluster, fold in zip(data.smiles, found.cluster, found.fold, strict=True):
        assert by_key.setdefault(connectivity(read_molecule(smiles)), fold) == fold
        if cluster >= 0:
            assert by_cluster.setdefault(cluster, fold) == fold
    assert 1 < len(by_cluster) < len(data.smiles)
    assert np.nanmean(found.nearest) < np.nanmean(cluster_split.nearest_elsewhere(data, data.fold))
    cluster_split.write_split(data, found, tmp_path / "folds.csv")
    cluster_split.write_split(data, found, tmp_path / "folds.csv")
    with pytest.raises(DataError, match="another split"):
        cluster_split.write_split(data, replace(found, fold=(found.fold + 1) % 5), tmp_path / "folds.csv")


def test_networks_are_trained_on_a_split_and_the_page_of_accuracy_reads_such_runs(
    data, data_folder, tmp_path, monkeypatch
):
    import accuracy
    import cluster_split

    from olfactory_transformer.train import teacher
    from olfactory_transformer.train.fit import FitConfig

    np.savez(tmp_path / "structures.npz", smiles=np.array(["CCCCCCCCCC=O", "CCCCCCCCC(=O)OC"]))
    quick = FitConfig(epochs=1, device="cpu")
    trials = cluster_split.Trials(
        tmp_path / "runs",
        None,
        tmp_path / "structures.npz",
        made=10,
        student=quick,
        teachers=replace(teacher.DEFAULTS, epochs=1),
    )
    found = trials.run(data, trials.pool(data), 0)
    shape = len(data.held_out("words", 0)), len(data.task("words").columns)
    assert [held["words", 0].shape for held in found.values()] == [shape] * 2
    assert cluster_split.scores(data, found["shipped recipe"])[0] == "1"
    done = {k: np.array([v]) for k, v in {"smiles": "", "words": 0.0}.items()}
    (tmp_path / "runs" / "baselines").mkdir()
    np.savez(tmp_path / "runs" / "baselines" / "chemprop-fold-0.npz", **done)  # of other molecules: left out
    (tmp_path / "ablations.md").write_text("| what | fold 0 |\n| --- | --- |\n| trees | 0.86 |\n")
    monkeypatch.setattr(accuracy, "mixtures", lambda *given: "mixtures")
    given = ["x", "--data", data_folder, "--runs", tmp_path / "runs", "--report", tmp_path / "accuracy.md"]
    monkeypatch.setattr(sys, "argv", [str(part) for part in given])
    accuracy.main()
    page = (tmp_path / "accuracy.md").read_text()
    assert "| output | shipped network | its teachers | extra trees | random forest | aim |" in page
    assert "over fold 0," in page and "chemprop was not run" in page
    assert (tmp_path / "words.svg").is_file() and "trees" in (tmp_path / "ablations.svg").read_text()
    _learning_curve_of(tmp_path / "runs", tmp_path, data_folder, monkeypatch)


def _learning_curve_of(runs, tmp_path, data_folder, monkeypatch):
    import learning_curve

    (runs / "pretrain").mkdir()
    (tmp_path / "structures.npz").rename(runs / "pretrain" / "structures.npz")
    monkeypatch.setattr(learning_curve, "read_pool", partial(learning_curve.read_pool, made=10))
    monkeypatch.setattr(learning_curve, "DEFAULTS", replace(learning_curve.DEFAULTS, epochs=1))
    report = tmp_path / "curve.md"
    given = ["x", "--data", data_folder, "--runs", runs, "--fold", "0", "--report", report]
    monkeypatch.setattr(sys, "argv", [str(part) for part in given])
    learning_curve.main()
    assert "over fold 0" in report.read_text() and (tmp_path / "curve.svg").is_file()
    assert sorted(path.name for path in (runs / "learning").iterdir()) == ["fold-0-0.25", "fold-0-0.5"]


def test_how_many_doublings_are_missing_to_an_aim():
    from learning_curve import missing

    assert missing([[0.1] * 2, [0.5, 0.7], [0.7, 0.7]], 0.9) == ["0.100 (sd 0.100)", "0.900", "2.0"]
    assert missing([[0.1], [0.6], [0.7]], 0.7)[-1] == "reached"
    assert missing([[0.1], [0.6], [0.6]], 0.7)[-1] == "not by more of these"
    assert missing([[0.1], [0.6], [0.7]], None) == ["0.100", "", ""]


def test_no_teacher_of_a_part_learns_from_the_held_out_fold_and_others_are_refused(
    data, tmp_path, monkeypatch
):
    import learning_curve

    from olfactory_transformer.core.errors import DataError
    from olfactory_transformer.train.distil import SoftLabels
    from olfactory_transformer.train.teacher import DEFAULTS

    learned = []

    def teach(data, inputs, molecules, asked, folder, config):
        learned.append(molecules)
        raise InterruptedError

    monkeypatch.setattr(learning_curve, "teach", teach)
    for part in (0.25, 0.5):
        with pytest.raises(InterruptedError):
            learning_curve.held_out_answers(data, None, part, [1], tmp_path, DEFAULTS)
    assert all((data.fold[molecules] != 1).all() for molecules in learned)
    assert len(learned[0]) == round(len(learned[1]) / 2) and set(learned[0]) < set(learned[1])
    SoftLabels([], {}, {}, {}, "other labels").save(tmp_path / "fold-1.npz")
    with pytest.raises(DataError, match=r"fold-1\.npz: made from other"):
        learning_curve.of_recipe(tmp_path, "these labels", [1])


def test_pictures_are_the_same_each_time_and_name_what_they_show(tmp_path):
    from plots import ablations_figure, read_table, words_figure

    header, rows = read_table((ROOT / "docs/results/ablations.md").read_text(encoding="utf-8"))
    ours, theirs = np.array([0.9, 0.7, np.nan]), np.array([0.8, 0.75, 0.5])
    drawn = []
    for _ in range(2):
        ablations_figure(tmp_path / "ablations.svg", header, rows)
        words_figure(tmp_path / "words.svg", ["musk", "rose", "none"], ours, theirs, ("ours", "theirs"))
        drawn.append([(tmp_path / name).read_text() for name in ("ablations.svg", "words.svg")])
    assert drawn[0] == drawn[1]
    ablations, words = drawn[0]
    assert "extra trees on descriptors and counts" in ablations
    assert ">musk<" in words and ">theirs<" in words
    assert ">none<" not in words


def test_throughput_is_measured_stage_by_stage(tmp_path):
    page = tmp_path / "throughput.md"
    script = [sys.executable, str(ROOT / "benchmarks" / "throughput.py")]
    subprocess.run([*script, "--count", "20", "--report", str(page)], check=True, capture_output=True)
    rows = [line.split("|") for line in page.read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 5 and all(int(row[2].replace(",", "")) > 0 for row in rows)
