"""The figure of each task, on tables small enough to score by hand; and which molecules are mirror images."""

import numpy as np
import pytest

from olfactory_transformer.train.figures import figures
from olfactory_transformer.train.mirror import by_chance, mirror_pairs, mirrored, ordered_right
from olfactory_transformer.train.tasks import Task

NAN = np.nan


def test_ratings_are_correlated_over_rows_and_profiles_within_a_row():
    columns = ("intensity", "valence", "sweet", "sour", "fish")
    truth = np.array([[10.0, 50, 1, 2, 3], [20, 40, 2, 3, 4], [30, 45, 3, 4, NAN]])
    found = figures("ratings", columns, truth, truth * 2 + 1)
    assert found == pytest.approx({"r intensity": 1, "r pleasantness": 1, "mean r of words": 1})
    predicted = truth.copy()
    predicted[0, 2:] = [3, 2, 1]  # one profile upside down
    found = figures("profile", columns, truth, predicted)
    assert found["mean r of profiles"] == pytest.approx((-1 + 1 + 1) / 3)


def test_unknown_labels_are_left_out():
    truth = np.array([[1.0, 0], [0, 1], [NAN, 1]])
    score = np.array([[0.9, 0.2], [0.1, 0.1], [0.0, 0.3]])
    assert figures("isomeric", ("a", "b"), truth, score)["AUROC"] == pytest.approx((1.0 + 0.5) / 2)
    assert figures("odorless", ("odorless",), truth[:, :1], score[:, :1]) == {"AUROC": 1.0}
    r2 = figures(
        "volatility",
        ("bp", "vp"),
        np.array([[1.0, NAN], [3, 1], [5, 2]]),
        np.array([[1.0, 9], [3, 1], [5, 2]]),
    )
    assert r2 == pytest.approx({"R2 bp": 1, "R2 vp": 1})


CARVONE = "CC(=C)[C@@H]1CC=C(C)C(=O)C1"


def test_pairs_of_mirror_images_are_found_once():
    smiles = [CARVONE, mirrored(CARVONE), "CCO", "O[C@H]1CCCC[C@@H]1O"]  # the last is its own image (meso)
    task = Task("isomeric", "binary", ("minty", "spicy", "sweet"), np.arange(4), np.zeros((4, 3)))
    assert mirrored(mirrored(smiles[1])) == smiles[1] != mirrored(smiles[1])
    assert [set(pair) for pair in mirror_pairs(smiles, task)] == [{0, 1}]


def test_words_are_ordered_right_when_the_image_that_has_them_is_said_to():
    values = np.array([[1, 0, NAN], [0, 1, 1]], np.float32)
    task = Task("isomeric", "binary", ("minty", "spicy", "sweet"), np.arange(2), values)
    said = np.array([[2.0, 1, 0], [1, 0, 5]], np.float32)  # minty right, spicy wrong, sweet unknown
    assert ordered_right(task, said, [(0, 1)]) == (1, 2, 1)
    assert ordered_right(task, np.zeros((2, 3), np.float32), [(0, 1)]) == (0, 2, 1)


def test_what_is_right_by_chance():
    n = 20
    values = np.tile(np.array([[1.0], [0.0]], np.float32), (n, 1))
    task = Task("isomeric", "binary", ("mint",), np.arange(2 * n), values)
    pairs = [(2 * i, 2 * i + 1) for i in range(n)]
    assert by_chance(task, values, pairs) < 0.001
    assert by_chance(task, 1 - values, pairs) > 0.999
    half = np.where(np.arange(2 * n)[:, None] < n, values, 1 - values)
    assert 0.4 < by_chance(task, half, pairs) < 0.8
    assert by_chance(task, np.zeros_like(values), pairs) == 1  # nothing told apart, nothing shown
