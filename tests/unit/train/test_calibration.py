"""Calibration of logits whose right one is known."""

import numpy as np
import pytest

from olfactory_transformer.inference.statements import sigmoid
from olfactory_transformer.train.calibration import cross_entropy, fit_monotone, fit_offsets, fit_temperature


def drawn(rng, shape, mean=0.0):
    logits = rng.normal(mean, 2, shape)
    return logits, (rng.random(shape) < sigmoid(logits)).astype(float)


def test_temperature_undoes_overconfidence():
    logits, truth = drawn(np.random.default_rng(0), (4000, 2))
    assert fit_temperature(truth, logits * 3) == pytest.approx(3, rel=0.1)
    assert cross_entropy(truth, logits) < cross_entropy(truth, logits * 3)


def test_offsets_undo_a_slope_and_a_shift_a_word():
    logits, truth = drawn(np.random.default_rng(0), (8000, 3))
    shift = np.array([-1.0, 0.0, 2.0])
    temperature, offsets = fit_offsets(truth, (logits - shift) * 3, lean=1.0)
    assert temperature == pytest.approx(3, rel=0.1)
    assert offsets == pytest.approx(shift, abs=0.2)


def test_the_offset_of_a_rare_word_leans_to_the_others():
    rng = np.random.default_rng(0)
    logits, truth = drawn(rng, (4000, 4), mean=-2)
    logits[:, 3], truth[:, 3] = -9.0, 0.0
    truth[:2, 3] = 1.0  # twice, where the logits expect half a molecule
    free, leaning = fit_offsets(truth, logits, lean=0.01)[1], fit_offsets(truth, logits)[1]
    assert free[3] > 1 and abs(leaning[3]) < 0.5
    assert leaning[:3] == pytest.approx(free[:3], abs=0.15)


def test_labels_that_can_be_told_apart_give_finite_numbers():
    truth = np.array([[0.0], [1.0]])
    temperature, offsets = fit_offsets(truth, truth * 2 - 1)
    assert temperature == pytest.approx(0.25) and np.isfinite(offsets).all()


def test_the_line_to_what_was_right_rises_and_flattens_an_overstatement():
    rng = np.random.default_rng(0)
    stated = rng.uniform(0.2, 1.0, 5000)
    right = (rng.random(5000) < np.minimum(stated, 0.7)).astype(float)
    at, is_so = fit_monotone(stated, right)
    assert list(at) == sorted(set(at)) and list(is_so) == sorted(is_so)
    assert np.interp([0.4, 0.95], at, is_so) == pytest.approx([0.4, 0.7], abs=0.08)


def test_knots_that_are_stored_as_the_same_number_are_one():
    """Hundreds of molecules with one confidence: their groups differ in what was right, not in what was stated."""
    rng = np.random.default_rng(0)
    stated = np.r_[rng.uniform(0.2, 0.6, 400), 0.9 + rng.uniform(0, 4e-5, 600)]
    right = np.r_[np.zeros(400), np.linspace(0, 1, 600)]
    at, is_so = fit_monotone(stated, right[np.argsort(np.argsort(stated))])
    assert list(at) == sorted(set(at)) and at[-1] == 0.9
    assert len(at) == len(is_so) and list(is_so) == sorted(is_so)
    assert is_so[-1] == pytest.approx(0.5, abs=0.01)
