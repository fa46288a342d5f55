import numpy as np
import pytest

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
