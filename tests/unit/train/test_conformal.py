"""The promise of the sets, on molecules drawn like those that the threshold is from."""

import numpy as np
import pytest

from olfactory_transformer.train.conformal import coverage, full_threshold, share_threshold


def drawn(rng, rows):
    score = rng.random((rows, 12))
    return (rng.random((rows, 12)) < score**2).astype(float), score + rng.normal(0, 0.3, (rows, 12))


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_new_molecules_are_covered_as_promised(level):
    rng = np.random.default_rng(0)
    shares, wholes = [], []
    for _ in range(30):
        (truth, score), (new_truth, new_score) = drawn(rng, 200), drawn(rng, 200)
        shares.append(coverage(new_truth, new_score >= share_threshold(truth, score, level))[0])
        wholes.append(coverage(new_truth, new_score >= full_threshold(truth, score, level))[1])
    assert np.mean(shares) == pytest.approx(level, abs=0.015)
    assert np.mean(wholes) == pytest.approx(level, abs=0.02)


def test_a_threshold_is_the_highest_that_keeps_the_promise():
    truth = np.eye(19)  # nineteen molecules of a word each
    score = np.diag(np.arange(1.0, 20.0))
    # (1 left out + 1) of (19 + 1) are 10 %
    assert share_threshold(truth, score) == 2.0 and full_threshold(truth, score) == 2.0


def test_too_few_molecules_promise_nothing():
    assert share_threshold(np.eye(5), np.eye(5)) == 0.0
    assert full_threshold(np.eye(5), np.eye(5)) == 0.0


def test_coverage():
    truth = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]])
    inside = np.array([[True, False, True], [False, False, True], [False, False, False]])
    assert coverage(truth, inside) == pytest.approx((2.5 / 3, 2 / 3, 1.0))
