import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from olfactory_transformer.train.metrics import (
    expected_calibration_error,
    label_scores,
    pearson,
    r_squared,
    weighted_curves,
)


@pytest.mark.parametrize("decimals", [1, 6], ids=["many ties", "few ties"])
def test_curves_equal_scikit_learn_under_any_weights(decimals):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    score = (rng.random(300) + 0.3 * truth).round(decimals)
    weights = rng.integers(0, 4, (5, 300))
    auroc, precision = weighted_curves(truth, score, weights)
    for i, w in enumerate(weights):
        assert auroc[i] == pytest.approx(roc_auc_score(truth, score, sample_weight=w))
        assert precision[i] == pytest.approx(average_precision_score(truth, score, sample_weight=w))


def test_a_class_that_is_missing_gives_nan_and_is_left_out_of_the_mean():
    truth = np.array([[1, 0], [0, 0], [1, 0]], float)
    scores = label_scores(("some", "none"), truth, np.array([[3, 1], [1, 2], [2, 3]], float), samples=50)
    assert np.isnan(scores.words[1].auroc)
    assert scores.macro_auroc.value == 1.0


def test_unknown_labels_are_left_out():
    truth = np.array([[1], [np.nan], [0]])
    assert label_scores(("w",), truth, np.array([[2.0], [0.0], [1.0]]), samples=0).words[0].auroc == 1.0


def test_the_interval_contains_the_figure_and_narrows_with_more_rows():
    rng = np.random.default_rng(1)

    def width(rows):
        truth = rng.integers(0, 2, (rows, 3)).astype(float)
        interval = label_scores(("a", "b", "c"), truth, truth + rng.normal(0, 1, truth.shape)).macro_auroc
        assert interval.low < interval.value < interval.high
        return interval.high - interval.low

    assert width(2000) < width(100)


def test_calibration_error_of_a_perfect_and_of_a_boastful_forecast():
    truth = np.array([0, 1] * 500)
    assert expected_calibration_error(truth, np.full(1000, 0.5)) == pytest.approx(0)
    assert expected_calibration_error(truth, np.full(1000, 0.9)) == pytest.approx(0.4)


def test_correlation_and_r2():
    x = np.arange(10.0)
    assert pearson(x, 2 * x + 1) == pytest.approx(1)
    assert np.isnan(pearson(x, np.ones(10)))
    assert r_squared(x, np.full(10, x.mean())) == pytest.approx(0)
