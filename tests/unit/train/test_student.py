"""A student on small data: nothing of the held-out fold reaches it, and it learns from its own fold's teachers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.train.cross_validate import out_of_fold
from olfactory_transformer.train.distil import SoftLabels
from olfactory_transformer.train.finetune import (
    NETWORK,
    finetune,
    held_out_predictions,
    model_config,
    predict,
    read_run,
)
from olfactory_transformer.train.fit import FitConfig
from olfactory_transformer.train.state import load_state, save_state
from olfactory_transformer.train.tasks import MODEL_TASKS

POOL = ["CCCCCCCCC(=O)OC", "CCCCCCCCCC=O", "CCCCCCCCCC(=O)O"]
CONFIG = FitConfig(epochs=1, batch_size=16, ema=0.5, device="cpu")


@pytest.fixture(scope="module")
def small(labelled):
    return replace(
        model_config(labelled, dropout=0.0), width=16, layers=1, heads=2, feedforward=16, embedding=8
    )


@pytest.fixture(scope="module")
def soft(labelled):
    """What made-up teachers say: a word a structure, and ratings at a dilution."""
    words = np.eye(len(labelled.task("words").columns), dtype=np.float32)[: len(POOL)]
    ratings = np.full((len(POOL), len(labelled.task("ratings").columns)), 40, np.float32)
    return SoftLabels(
        POOL, {"words": words, "ratings": ratings}, {"ratings": np.full(len(POOL), -2, np.float32)}, {}
    )


def trained(data, model, folder, hold_out=0):
    return finetune(data, folder, trunk=None, model=model, config=CONFIG, hold_out=hold_out)[0]


def same_weights(one, two):
    return all(torch.equal(tensor, two.state_dict()[name]) for name, tensor in one.state_dict().items())


def turned(data, fold):
    """Turn every label of a fold round."""

    def of(task):
        values = task.values.astype(np.float32)
        rows = data.held_out(task, fold)
        values[rows] = 1 - values[rows]
        return replace(task, values=values)

    return replace(data, tasks=[of(task) for task in data.tasks])


def test_held_out_labels_do_not_reach_the_weights_of_a_student(labelled, small, soft, tmp_path):
    one = trained(soft.added_to(labelled), small, tmp_path / "1")
    other = trained(soft.added_to(turned(labelled, 0)), small, tmp_path / "2")
    assert same_weights(one, other)
    learned = trained(soft.added_to(turned(labelled, 1)), small, tmp_path / "3")
    assert not same_weights(one, learned)


def test_the_rows_that_a_fold_holds_out(labelled):
    for task in labelled.tasks:
        rows = [labelled.held_out(task.name, fold) for fold in range(5)]
        assert sorted(np.concatenate(rows)) == list(range(len(task.molecule)))
        assert (labelled.fold[task.molecule[rows[3]]] == 3).all()
    with pytest.raises(KeyError):
        labelled.held_out("no such task", 0)


def test_held_out_rows_are_predicted_at_their_own_dilution(labelled, small, tmp_path):
    network = trained(labelled, small, tmp_path)
    found = held_out_predictions(network, labelled, 0)
    assert found.keys() == set(MODEL_TASKS)
    task = labelled.task("ratings")
    for i, row in enumerate(labelled.held_out(task, 0)):
        alone = predict(network, labelled, task.molecule[[row]], task.log_dilution[[row]])["ratings"]
        np.testing.assert_allclose(found["ratings"][i], alone[0], rtol=1e-4, atol=1e-4)


def test_a_fold_learns_from_the_teachers_of_that_fold(labelled, small, soft, tmp_path):
    soft.save(tmp_path / "fold-2.npz")
    oof = out_of_fold(labelled, tmp_path / "cv", None, small, CONFIG, teachers=tmp_path, held_out=(2,))
    seeded = replace(CONFIG, seed=CONFIG.seed + 2)
    student, _ = finetune(
        SoftLabels.load(tmp_path / "fold-2.npz").added_to(labelled),
        tmp_path / "alone",
        trunk=None,
        model=small,
        config=seeded,
        hold_out=2,
    )
    for name, expected in held_out_predictions(student, labelled, 2).items():
        np.testing.assert_array_equal(oof.predictions[name][labelled.held_out(name, 2)], expected, name)
    with pytest.raises(DataError, match=r"fold-3\.npz"):
        out_of_fold(labelled, tmp_path / "cv", None, small, CONFIG, teachers=tmp_path, held_out=(3,))


def test_a_finished_run_is_read_again(labelled, small, tmp_path):
    network = trained(labelled, small, tmp_path)
    assert same_weights(network, read_run(tmp_path, small))
    with pytest.raises(DataError, match="of another network"):
        read_run(tmp_path, replace(small, width=32))
    _, values = load_state(tmp_path / NETWORK)
    save_state(tmp_path / NETWORK, {}, values)
    with pytest.raises(DataError, match="of another network"):
        read_run(tmp_path, small)
    with pytest.raises(DataError, match=NETWORK):
        read_run(tmp_path / "nothing", small)
