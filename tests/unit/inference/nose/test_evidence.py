import numpy as np
import pytest

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.contract import NoseReadings
from olfactory_transformer.inference.nose.evidence import Evidence, probabilities_of, strangeness

NETWORK = np.log(np.array([[0.7, 0.2, 0.1]], np.float32))
CONFIG = NoseConfig(("CO", "VOC"), ("a", "b", "c"), unknown=(-3.0, 2.0, -1.0, 0.0))
NEITHER = np.array([np.nan])


def readings(logits, agreement=None, start=0):
    count = len(logits)
    ends = 99.0 + 25 * np.arange(start, start + count)
    return NoseReadings(
        np.asarray(logits, np.float32),
        np.ones((count, 1), np.float32),
        ends,
        ("CO", "VOC"),
        np.full(count, 100.0),
        agreement,
    )


def test_the_less_they_agree_the_more_probable_is_none_of_the_smells():
    chances = [probabilities_of(NETWORK, np.array([each]), CONFIG)[1] for each in (0.9, 0.3, 0.01, 0.0)]
    assert chances == sorted(chances) and chances[0] < 0.1 < 0.9 < chances[-1] < 1


def test_where_the_network_is_alone_numbers_of_its_own_count():
    smells, unknown = probabilities_of(NETWORK, NEITHER, CONFIG)
    assert unknown == pytest.approx(1 / (1 + np.e)) and smells.sum() + unknown == pytest.approx(1)
    assert strangeness(NETWORK, NEITHER) == (pytest.approx(-np.log(0.7), abs=1e-5), False)
    sharp = NoseConfig(("CO", "VOC"), ("a", "b", "c"), sharpness=(1.0, 0.0, 3.0, 0.0))
    alone, both = (probabilities_of(NETWORK, each, sharp)[0] for each in (NEITHER, np.array([0.5])))
    assert alone[0] > both[0] == pytest.approx(0.7, abs=1e-5)


def test_the_forest_decides_where_it_was_asked_of_half_the_windows():
    said = np.repeat(NETWORK, 3, axis=0)
    asked = strangeness(said, np.array([np.nan, 0.5, 0.5]))
    assert asked == (pytest.approx(np.log(2), abs=1e-2), True)
    assert not strangeness(said, np.array([np.nan, 0.5, np.nan]))[1]


@pytest.mark.parametrize("agreement", [None, np.full(6, 0.6)])
def test_it_settles_on_a_name_that_stays(agreement):
    config = NoseConfig(("CO", "VOC"), ("a", "b", "c"))
    evidence = Evidence(config)
    said = np.repeat(np.log([[0.9, 0.05, 0.05]]), 6, axis=0)
    for row in range(6):
        evidence.add(readings(said[[row]], None if agreement is None else agreement[[row]], row))
        assert evidence.answer().settled == (row >= 3)
    evidence.add(readings(np.log([[0.05, 0.9, 0.05]]), NEITHER, 6))
    answer = evidence.answer()
    assert not answer.settled and answer.name == "a" and answer.windows == 7 and answer.seconds == 250


def test_the_order_in_which_windows_come_does_not_matter_to_the_probabilities():
    rows = np.log(np.random.default_rng(0).dirichlet(np.ones(3), 8))
    agreement = np.linspace(0.1, 0.9, 8)
    one, other = (
        probabilities_of(rows[order], agreement[order], CONFIG)
        for order in (slice(None), slice(None, None, -1))
    )
    np.testing.assert_allclose(one[0], other[0])
    assert one[1] == pytest.approx(other[1])


@pytest.mark.parametrize("row", [0, 1, -1])
def test_one_window_of_readings(row):
    agreement = np.array([0.1, 0.2, 0.3])
    one = readings(np.log(np.random.default_rng(0).dirichlet(np.ones(3), 3)), agreement).window(row)
    assert one.agreement.tolist() == [agreement[row]] and len(one.ends) == len(one.logits) == 1
    assert readings(NETWORK).window(0).agreement is None
