import numpy as np
import pytest

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.evidence import probabilities_of, strangeness
from olfactory_transformer.inference.nose.joined import join
from olfactory_transformer.model.forest import Forest
from olfactory_transformer.sensors.features import features_of

NETWORK = np.log(np.array([[0.7, 0.2, 0.1]], np.float32))


def forest(votes):
    """Return a forest whose trees are leaves."""
    count = len(votes)
    return Forest(
        np.arange(count, dtype=np.int32),
        np.full(count, -1, np.int16),
        np.zeros(count, np.float32),
        np.array(votes, np.int32),
        smells=3,
    )


def window(missing=False):
    heard = np.random.default_rng(0).uniform(50, 90, (1, 100, 3))
    if missing:
        heard[0, 40, 1] = np.nan
    return features_of(heard, np.ones(3))


def test_trees_that_agree_count_for_as_much_as_the_network():
    both, agreement = join(NETWORK, window(), forest([1, 1, 1, 1]))
    assert np.exp(both) == pytest.approx(np.array([[0.35, 0.6, 0.05]]), abs=1e-6)
    assert agreement == pytest.approx([0.2])


def test_trees_that_do_not_agree_count_for_little():
    both, agreement = join(NETWORK, window(), forest([0, 1, 2, 1]))
    assert np.exp(both).argmax() == 0 and np.exp(both).sum() == pytest.approx(1)
    assert agreement == pytest.approx([0.25 * 0.7 + 0.5 * 0.2 + 0.25 * 0.1])


@pytest.mark.parametrize(("said", "trees"), [(window(missing=True), forest([1])), (window(), None)])
def test_without_all_channels_or_a_forest_the_network_speaks_alone(said, trees):
    both, agreement = join(NETWORK, said, trees)
    np.testing.assert_allclose(both, NETWORK, atol=1e-6)
    assert np.isnan(agreement).all()


def test_the_less_they_agree_the_more_probable_is_none_of_the_smells():
    config = NoseConfig(("CO", "VOC"), ("a", "b", "c"), unknown=(-3.0, 2.0, -1.0, 0.0))
    chances = [probabilities_of(NETWORK, np.array([each]), config)[1] for each in (0.9, 0.3, 0.01, 0.0)]
    assert chances == sorted(chances) and chances[0] < 0.1 < 0.9 < chances[-1] < 1


def test_where_the_network_is_alone_its_own_numbers_count():
    config = NoseConfig(("CO", "VOC"), ("a", "b", "c"), unknown=(-3.0, 2.0, -1.0, 0.0))
    smells, unknown = probabilities_of(NETWORK, np.array([np.nan]), config)
    assert unknown == pytest.approx(1 / (1 + np.e)) and smells.sum() + unknown == pytest.approx(1)
    assert strangeness(NETWORK, np.array([np.nan])) == (pytest.approx(-np.log(0.7), abs=1e-5), False)


def test_windows_without_a_forest_are_passed_over_where_others_have_one():
    assert strangeness(NETWORK, np.array([np.nan, 0.5])) == (pytest.approx(np.log(2), abs=1e-2), True)
