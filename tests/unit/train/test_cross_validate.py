"""The cross-validation on small data: every row is predicted, by one job or two, and the page says what was found."""

from dataclasses import replace

import numpy as np
import pytest

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.train.cross_validate import out_of_fold, score
from olfactory_transformer.train.finetune import model_config
from olfactory_transformer.train.fit import FitConfig
from olfactory_transformer.train.report import cross_validation_page
from olfactory_transformer.train.shipping import headline, read_decisions, write_decisions


@pytest.fixture(scope="module")
def model(labelled):
    return replace(
        model_config(labelled, dropout=0.0), width=16, layers=1, heads=2, feedforward=16, embedding=8
    )


@pytest.fixture(scope="module")
def found(labelled, model, tmp_path_factory):
    config = FitConfig(epochs=2, batch_size=8, ema=0.5, device="cpu")
    folder = tmp_path_factory.mktemp("folds")
    return [out_of_fold(labelled, folder / str(jobs), None, model, config, jobs) for jobs in (1, 2)]


def test_every_row_of_every_task_is_predicted(labelled, found):
    for name, predictions in found[0].predictions.items():
        assert predictions.shape == labelled.task(name).values.shape
        assert np.isfinite(predictions).all(), name


def test_two_jobs_find_what_one_finds(found):
    one, two = found
    for name, predictions in one.predictions.items():
        np.testing.assert_allclose(predictions, two.predictions[name], rtol=0.02, atol=0.02, err_msg=name)


def test_the_page_has_every_word_and_the_command(labelled, found):
    scores = score(labelled, found[0], samples=20)
    assert len(scores.folds) == 5 and len(scores.decisions.thresholds) == 6
    page = cross_validation_page(scores, "olfactory cross-validate --out x", "abc", 0, "settings")
    assert "olfactory cross-validate --out x" in page and "commit: abc" in page
    assert "](reliability.svg)" in page and "| fold 4 |" in page
    assert all(f"| {word} |" in page for word in labelled.task("words").columns)
    assert "seen in pre-training" not in page
    page = cross_validation_page(scores, "olfactory cross-validate --out x", "abc", 0, "settings", True)
    assert "Boiling points were seen in pre-training" in page


def test_decisions_are_kept_for_the_final_training(labelled, found, tmp_path):
    scores = score(labelled, found[0], samples=0)
    path = tmp_path / "decisions.json"
    write_decisions(path, scores.decisions, headline(scores))
    decisions, figures = read_decisions(path, 6)
    assert decisions.auroc == pytest.approx(scores.mean_of_folds(lambda s: s.macro_auroc.value)[0], abs=1e-4)
    assert decisions == scores.decisions and any("macro AUROC" in name for name in figures)
    with pytest.raises(DataError, match="6 thresholds, expected 138"):
        read_decisions(path, 138)


def test_only_the_folds_asked_for_are_done_and_scored(labelled, model, tmp_path):
    config = FitConfig(epochs=1, batch_size=8, ema=0.5, device="cpu")
    oof = out_of_fold(labelled, tmp_path, None, model, config, held_out=(1, 3, 4))
    fold = labelled.fold[labelled.task("words").molecule]
    assert (np.isfinite(oof.predictions["words"][:, 0]) == np.isin(fold, (1, 3, 4))).all()
    scores = score(labelled, oof, samples=0)
    assert scores.held_out == (1, 3, 4) and len(scores.folds) == 3
    assert "(folds 1, 3, 4)" in "".join(headline(scores))
