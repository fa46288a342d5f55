"""What of a window reaches the network, and what a session does to it."""

import numpy as np
import pytest

from olfactory_transformer.sensors.features import CHANNEL_FEATURES, LEVELS, PAIR_FEATURES, features_of

NONE = np.zeros(3)


def windows(length=100, seed=0):
    """Three channels about 100 counts: the second goes with the first, the third against it."""
    random = np.random.default_rng(seed)
    course = np.cumsum(random.normal(0, 0.02, (4, length, 1)), axis=1)
    return 100 * np.exp(course * [1.0, 0.5, -2.0])


def test_shapes_and_what_is_missing():
    some = windows()
    some[1, 50, 2] = np.nan
    said = features_of(some, NONE)
    assert said.pairs.shape == (4, 3, PAIR_FEATURES) and said.channels.shape == (4, 3, CHANNEL_FEATURES)
    assert said.present.tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1]]
    # Pairs are (1, 0), (2, 0), (2, 1).
    assert not said.pairs[1, 1:].any() and said.pairs[1, 0].any() and not said.channels[1, 2].any()


def test_channels_that_go_together_are_told_from_those_that_go_against_each_other():
    said = features_of(windows(), NONE).pairs[..., LEVELS:]
    # The deviations from the mean, whose spread is far above the least that counts as a move.
    assert said[:, 0, 0] == pytest.approx(np.ones(4), abs=0.25)
    assert said[:, 1:, 0] == pytest.approx(-np.ones((4, 2)), abs=0.25)
    assert np.abs(said).max() <= 1


def test_a_gain_changes_nothing_but_the_ratios_of_levels():
    before, after = (features_of(windows() * gain, NONE) for gain in (1.0, np.array([1.5, 0.7, 1.0])))
    assert after.channels == pytest.approx(before.channels, abs=1e-3)
    assert after.pairs[..., LEVELS:] == pytest.approx(before.pairs[..., LEVELS:], abs=1e-3)
    moved = (after.pairs - before.pairs)[..., :LEVELS]
    assert moved == pytest.approx(
        np.broadcast_to(np.log([[0.7 / 1.5], [1 / 1.5], [1 / 0.7]]), moved.shape), abs=1e-3
    )


@pytest.mark.parametrize("length", [10, 26])
def test_a_short_window_has_no_moves_over_lags_that_it_lacks(length):
    said = features_of(windows(length), NONE)
    assert np.isfinite(said.pairs).all() and np.isfinite(said.channels).all()
    assert bool(said.pairs[..., -1].any()) == (length > 25)


def test_a_board_that_stands_still_moves_with_nobody():
    said = features_of(np.full((1, 100, 3), 80.0), NONE)
    assert np.abs(said.pairs).max() < 1e-4 and np.isfinite(said.channels).all()
