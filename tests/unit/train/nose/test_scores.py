"""Figures and fitted numbers, of made-up answers."""

from dataclasses import replace

import numpy as np
import pytest

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.evidence import probabilities_of
from olfactory_transformer.train.nose import scores
from olfactory_transformer.train.nose.data import Labelled
from olfactory_transformer.train.nose.held_out import Heard

SMELLS = ("clove", "mint", "garlic")
CONFIG = NoseConfig(("CO", "VOC"), SMELLS)


def heard(substance, sure, agreement, shift=0.0, windows=4, first="clove"):
    """Return an answer whose windows are all `sure` of one smell."""
    rest = (1 - sure) / 2
    row = np.log([sure if name == first else rest for name in SMELLS]).astype(np.float32)
    logits = np.repeat(row[None], windows, axis=0)
    recording = Labelled(substance, substance, 0, None, None)
    return Heard(
        recording, shift, 0, SMELLS, logits, np.full(windows, agreement), logits, np.ones((windows, 1))
    )


def many(random, known, count, level, shift):
    """Return answers that agree more or less about a level."""
    substance = "clove" if known else "tea"
    return [
        heard(substance, 0.8, each, shift) for each in np.clip(random.normal(level, 0.15, count), 0.01, 1)
    ]


def test_unknown_is_as_probable_on_the_whole_as_it_is_before_anything_is_heard():
    random = np.random.default_rng(0)
    groups = {  # by known and shift
        (True, 0.0): many(random, True, 60, 0.7, 0.0), (False, 0.0): many(random, False, 30, 0.25, 0.0),
        (True, 1.0): many(random, True, 40, 0.3, 1.0), (False, 1.0): many(random, False, 20, 0.2, 1.0),
    }  # fmt: skip
    config = replace(
        CONFIG, unknown=scores.fit_unknown([each for group in groups.values() for each in group])
    )
    mean = {
        key: np.mean([probabilities_of(each.logits, each.agreement, config)[1] for each in group])
        for key, group in groups.items()
    }
    share = {True: 1 - scores.PRIOR_UNKNOWN, False: scores.PRIOR_UNKNOWN}
    of_session = {0.0: 1 - scores.OTHER_SESSION, 1.0: scores.OTHER_SESSION}
    whole = sum(mean[known, shift] * share[known] * of_session[shift] for known, shift in groups)
    assert whole == pytest.approx(scores.PRIOR_UNKNOWN, abs=0.01)
    assert mean[True, 0.0] < mean[True, 1.0] < mean[False, 1.0] + 0.1 and mean[True, 0.0] < mean[False, 0.0]


def test_answers_that_were_too_sure_are_made_less_so():
    wrong = [heard("mint", 0.9, 0.5) for _ in range(4)]
    right = [heard("clove", 0.9, 0.5) for _ in range(6)]
    of_both, _, alone, _ = scores.fit_sharpness([*wrong, *right])
    assert of_both < 1 and alone < 1
    sharper = scores.fit_sharpness([heard("clove", 0.6, 0.5) for _ in range(9)])
    assert sharper[0] > of_both


def test_called_unknown_is_not_named():
    config = replace(CONFIG, unknown=(-2.0, 3.0, 0.0, 0.0))
    doubted, plain = heard("clove", 0.8, 0.05), heard("clove", 0.8, 0.9)
    mistaken = heard("mint", 0.8, 0.9)
    assert scores.named([doubted, plain, mistaken, plain], config) == (0.5, 0.25)
    assert scores.top([doubted, plain, mistaken, plain]) == 0.75


def test_what_agrees_less_stands_out():
    known = [heard("clove", 0.8, each) for each in (0.9, 0.8, 0.4)]
    unknown = [heard("tea", 0.8, each) for each in (0.5, 0.1)]
    assert scores.open_set_auroc([*known, *unknown]) == pytest.approx(5 / 6)


def test_the_calibration_error_is_how_far_what_is_said_is_from_what_is_so():
    answers = [heard("clove", 0.75, 0.5) for _ in range(3)] + [heard("mint", 0.75, 0.5)]
    assert scores.calibration_error(answers, CONFIG) == pytest.approx(0, abs=1e-4)
    assert scores.calibration_error(answers[:3], CONFIG) == pytest.approx(0.25, abs=1e-4)
