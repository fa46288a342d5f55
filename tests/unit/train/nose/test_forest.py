"""A grown forest, as arrays."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from olfactory_transformer.core.errors import ModelCorrupt, ModelNotFound
from olfactory_transformer.model.forest import Forest, read_forest
from olfactory_transformer.train.nose.data import read_smellnet
from olfactory_transformer.train.nose.fit import config_for
from olfactory_transformer.train.nose.forest import LOOKED_AT, TREES, fit_forest, windows_of
from tests.smellnet import write_smellnet


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    recordings = read_smellnet(write_smellnet(tmp_path_factory.mktemp("data")))
    config = config_for(recordings)
    windows = [windows_of(each.gas, config).flat for each in recordings]
    smells = [config.smells.index(each.substance) for each in recordings]
    return fit_forest(recordings, config, 3, 1), windows, smells


def arrays(forest):
    return {name: getattr(forest, name).copy() for name in ("roots", "feature", "threshold", "right")}


def test_it_votes_as_scikit_learn_does(grown):
    forest, windows, smells = grown
    trees = ExtraTreesClassifier(TREES, max_features=LOOKED_AT, random_state=3)
    trees.fit(np.concatenate(windows), np.repeat(smells, [len(rows) for rows in windows]))
    new = np.concatenate(windows) + np.random.default_rng(0).normal(0, 0.1, (1, windows[0].shape[1]))
    new = new.astype(np.float32)
    np.testing.assert_allclose(forest.probabilities(new), trees.predict_proba(new), atol=1e-9)


def test_what_is_written_is_read(grown, tmp_path):
    forest, windows, _ = grown
    forest.save(tmp_path / "forest.safetensors")
    again = read_forest(tmp_path / "forest.safetensors", windows[0].shape[1], forest.smells)
    np.testing.assert_array_equal(again.probabilities(windows[0]), forest.probabilities(windows[0]))


def test_a_missing_or_cut_off_file_is_told(grown, tmp_path):
    path = tmp_path / "forest.safetensors"
    with pytest.raises(ModelNotFound):
        read_forest(path, 9, 9)
    grown[0].save(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelCorrupt, match="not a whole safetensors file"):
        read_forest(path, 9, 9)


@pytest.mark.parametrize(
    ("name", "value"),
    [("right", 0), ("right", 1), ("right", 10**6), ("feature", 3000), ("feature", -2)],
)
def test_a_way_down_that_would_not_end_is_refused(grown, tmp_path, name, value):
    forest, windows, _ = grown
    changed = arrays(forest)
    changed[name][0] = value
    Forest(**changed, smells=forest.smells).save(tmp_path / "forest.safetensors")
    with pytest.raises(ModelCorrupt, match="not a forest over"):
        read_forest(tmp_path / "forest.safetensors", windows[0].shape[1], forest.smells)


@pytest.mark.parametrize("change", ["same", "late", "far", "many"])
def test_trees_that_overlap_or_are_too_many_are_refused(grown, tmp_path, change):
    forest, windows, _ = grown
    changed, count = arrays(forest), len(forest.roots)
    if change == "same":
        changed["roots"][1] = changed["roots"][0]
    elif change == "late":
        changed["roots"][0] = 1
    elif change == "far":
        changed["roots"][-1] = len(forest.feature)
    else:
        changed["roots"] = np.tile(changed["roots"], 2000 // count)
    Forest(**changed, smells=forest.smells).save(tmp_path / "forest.safetensors")
    with pytest.raises(ModelCorrupt, match="do not follow one another"):
        read_forest(tmp_path / "forest.safetensors", windows[0].shape[1], forest.smells)


def test_a_child_in_another_tree_is_refused(grown, tmp_path):
    forest, windows, _ = grown
    changed = arrays(forest)
    changed["right"][0] = changed["roots"][1] + 1
    Forest(**changed, smells=forest.smells).save(tmp_path / "forest.safetensors")
    with pytest.raises(ModelCorrupt, match="not a forest over"):
        read_forest(tmp_path / "forest.safetensors", windows[0].shape[1], forest.smells)


def test_a_vote_for_a_smell_that_there_is_not_is_refused(grown, tmp_path):
    forest, windows, _ = grown
    forest.save(tmp_path / "forest.safetensors")
    with pytest.raises(ModelCorrupt, match="and 2 smells"):
        read_forest(tmp_path / "forest.safetensors", windows[0].shape[1], 2)


def test_a_forest_without_trees_is_refused(tmp_path):
    none = np.zeros(0)
    empty = Forest(
        none.astype(np.int32), none.astype(np.int16), none.astype(np.float32), none.astype(np.int32), 2
    )
    empty.save(tmp_path / "forest.safetensors")
    with pytest.raises(ModelCorrupt, match="are not 1 to 1000"):
        read_forest(tmp_path / "forest.safetensors", 9, 2)
