"""Decisions on made logits, their way through JSON, and the measure of them."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.inference.statements import sigmoid
from olfactory_transformer.train.certainty import certainty
from olfactory_transformer.train.decisions import decide
from olfactory_transformer.train.reliability import reliability_svg
from olfactory_transformer.train.shipping import read_decisions, write_decisions


@pytest.fixture(scope="module")
def made():
    """(truth, logits, fold): ten words, logits twice too large."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1.5, 1.5, (2000, 10))
    truth = (rng.random(logits.shape) < sigmoid(logits)).astype(float)
    return truth, logits * 2, np.arange(2000) % 5


@pytest.fixture(scope="module")
def measured(made):
    return certainty(*made)


def test_thresholds_of_rare_words_lean_to_the_common_one(made):
    truth, logits, fold = (array.copy() for array in made)
    truth[:, 2] = 0
    truth[logits[:, 2].argmax(), 2] = 1  # the surest: its own best threshold is the highest
    thresholds = decide(truth, logits, fold).thresholds
    assert len(thresholds) == 10 and abs(thresholds[2] - thresholds[0]) < 0.2


def test_decisions_survive_json_and_fit_the_model(made, tmp_path):
    decisions = decide(*made)
    assert decisions.temperature == pytest.approx(2, rel=0.1) and 0 < decisions.share_90 < 0.1
    write_decisions(tmp_path / "decisions.json", decisions, {})
    assert read_decisions(tmp_path / "decisions.json", 10)[0] == decisions
    words = tuple(map(str, range(10)))
    values = json.loads((tmp_path / "decisions.json").read_text())
    del values["figures"]
    assert ModelConfig.from_dict({"type": "OlfactoryTransformer", "words": words, **values}).offsets


def test_decisions_of_1_0_are_read(tmp_path):
    path = tmp_path / "decisions.json"
    path.write_text('{"temperature": 1.06, "thresholds": [0.3, 0.4], "figures": {}}')
    decisions, _ = read_decisions(path, 2)
    assert decisions.temperature == 1.06 and decisions.offsets == () and decisions.share_90 == 0


def test_calibration_is_measured_on_the_fold_left_out(measured):
    raw, tempered, shipped = measured.calibrations.values()
    assert raw.cross_entropy > 1.1 * tempered.cross_entropy and raw.pooled > 0.05
    assert shipped.cross_entropy == pytest.approx(tempered.cross_entropy, rel=0.01)
    assert measured.calibration_error == shipped.pooled < 0.02 < raw.pooled
    assert shipped.mean_word <= shipped.worst_word


def test_sets_cover_the_folds_as_promised(measured):
    assert [s.share for s in measured.sets] == pytest.approx([0.9] * 5, abs=0.05)
    assert np.mean([s.share for s in measured.sets]) == pytest.approx(0.9, abs=0.02)
    assert np.mean([s.whole for s in measured.full_sets]) == pytest.approx(0.9, abs=0.02)
    assert all(full.size > some.size for some, full in zip(measured.sets, measured.full_sets, strict=True))


def test_confidence_is_what_was_right(measured):
    assert sum(band.count for band in measured.confidence) == 2000
    for band in measured.confidence:
        assert abs(band.stated - band.right) < 0.03 + 1.5 / band.count**0.5


def test_the_diagram_is_an_image_and_the_same_each_time(measured):
    series = [("words", "#111", measured.words), ("confidence", "#222", measured.confidence)]
    drawn = reliability_svg(series)
    assert drawn == reliability_svg(series)
    root = ElementTree.fromstring(drawn)
    circles = root.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(measured.words) + len(measured.confidence)
