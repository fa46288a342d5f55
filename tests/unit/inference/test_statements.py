from __future__ import annotations

import numpy as np
import pytest

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.inference.statements import (
    confidence,
    log_odds,
    notes,
    notes_90,
    probabilities,
    sigmoid,
)
from olfactory_transformer.train.decisions import share_right

WORDS = ("a", "b", "c")
LOGITS = np.array([[2.0, 0.0, -2.0], [-4.0, -2.0, -6.0]], np.float32)


def test_an_old_config_has_a_temperature_alone():
    old = ModelConfig(words=WORDS, temperature=2.0, thresholds=(0.6, 0.6, 0.2))
    chances = probabilities(old, LOGITS)
    np.testing.assert_allclose(chances, sigmoid(LOGITS / 2))
    chosen = notes(old, chances)
    assert chosen.tolist() == [[True, False, True], [False, False, False]]
    assert not notes_90(old, chances).any()
    expected = [chances[0, [0, 2]].mean(), chances[1, 1]]  # without a note, of the most probable word
    assert confidence(old, chances, chosen) == pytest.approx(expected)
    assert confidence(old, chances[1], chosen[1]) == pytest.approx(expected[1])


def test_a_word_has_its_own_offset():
    config = ModelConfig(words=WORDS, temperature=2.0, offsets=(-1.0, 0.0, 1.0))
    np.testing.assert_allclose(probabilities(config, LOGITS)[0], sigmoid(np.array([0.0, 0.0, 0.0])))


def test_confidence_is_what_was_right_when_as_much_was_stated():
    config = ModelConfig(words=WORDS, confidence_stated=(0.2, 0.6), confidence_right=(0.1, 0.5))
    chances = np.array([[0.4, 0.0, 0.0], [0.9, 0.0, 0.0]])
    assert confidence(config, chances, chances > 0) == pytest.approx([0.3, 0.5])


def test_the_set_has_the_words_with_enough_of_the_probability():
    config = ModelConfig(words=WORDS, share_90=0.25)
    assert notes_90(config, np.array([0.2, 0.5, 0.1])).tolist() == [True, True, False]
    assert notes_90(config, np.array([0.02, 0.05, 0.01])).tolist() == [True, True, False]


def test_log_odds_undo_the_sigmoid_and_stay_finite():
    x = np.linspace(-20, 20, 9)
    np.testing.assert_allclose(log_odds(sigmoid(x)), x, rtol=1e-4)
    assert np.abs(log_odds(np.array([0.0, 1.0]), margin=1e-6)) == pytest.approx(np.log(1e6), rel=1e-5)
    assert np.isfinite(log_odds(np.array([0, 1], np.float32))).all()


def test_training_measures_the_words_whose_confidence_is_stated():
    config = ModelConfig(words=WORDS)
    chances = np.array([[0.7, 0.6, 0.1], [0.1, 0.3, 0.3], [0.2, 0.1, 0.0]])
    chosen = notes(config, chances)
    assert confidence(config, chances, chosen) == pytest.approx([0.65, 0.3, 0.2])
    truth = np.array([[1.0, 0, 1], [0, 1, 0], [0, 1, 1]])
    assert share_right(truth, chances, chosen).tolist() == [0.5, 0.5, 0.0]
