"""The training loop on small data: it learns, masks what is unknown, stops early, and resumes to the same weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from olfactory_transformer.core.errors import DataError, SettingsError
from olfactory_transformer.train.finetune import finetune, model_config, new_encoder, predict
from olfactory_transformer.train.fit import FitConfig, Run, batches, device_of
from olfactory_transformer.train.learner import Learner
from olfactory_transformer.train.metrics import label_scores

CONFIG = FitConfig(epochs=3, batch_size=8, learning_rate=2e-3, ema=0.9, device="cpu")


@pytest.fixture
def small(labelled):
    return replace(
        model_config(labelled, dropout=0.1), width=32, layers=2, heads=4, feedforward=32, embedding=16
    )


def trained(labelled, small, folder, **changes):
    return finetune(labelled, folder, trunk=None, model=small, config=replace(CONFIG, **changes), hold_out=0)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_it_learns_words_that_follow_from_structure(labelled, small, tmp_path):
    model, fitted = trained(labelled, small, tmp_path, epochs=50, learning_rate=1e-2)
    task = labelled.task("words")
    held_out = np.flatnonzero(labelled.fold[task.molecule] == 0)
    scores = label_scores(
        task.columns, task.values[held_out], predict(model, labelled, task.molecule[held_out])["words"], 0
    )
    assert scores.macro_auroc.value > 0.9
    assert fitted.epochs == 50 and fitted.score > 0.8


def test_a_run_that_was_stopped_resumes_to_the_same_weights(labelled, small, tmp_path):
    whole, _ = trained(labelled, small, tmp_path / "whole")

    class KilledError(Exception):
        pass

    learner = Learner(new_encoder(small, None, CONFIG.seed), labelled.tasks, masked=False)
    molecules = np.flatnonzero(labelled.fold != 0)
    learner.set_statistics(labelled.tasks, molecules)
    run = Run(learner, CONFIG, tmp_path / "killed")
    original = learner.losses

    def killed_in_the_second_epoch(*args):
        if run.step == 6:
            raise KilledError
        return original(*args)

    learner.losses = killed_in_the_second_epoch
    with pytest.raises(KilledError):
        run.fit(labelled, molecules)
    resumed, fitted = trained(labelled, small, tmp_path / "killed")
    assert fitted.epochs == 3
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    lines = (tmp_path / "killed" / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "1", "2", "3"]


def test_another_seed_gives_other_weights(labelled, small, tmp_path):
    one, _ = trained(labelled, small, tmp_path / "1", epochs=1)
    two, _ = trained(labelled, small, tmp_path / "2", epochs=1, seed=1)
    assert not torch.equal(one.encoder.readout, two.encoder.readout)


def test_a_state_of_other_settings_is_refused(labelled, small, tmp_path):
    trained(labelled, small, tmp_path, epochs=1)
    with pytest.raises(DataError, match="other settings"):
        trained(labelled, small, tmp_path, epochs=2)


def test_a_state_of_another_network_is_refused(labelled, small, tmp_path):
    trained(labelled, small, tmp_path, epochs=1)
    with pytest.raises(DataError, match="of another network"):
        trained(labelled, replace(small, embedding=8), tmp_path, epochs=1)


def test_a_truncated_state_is_refused_with_what_to_do(labelled, small, tmp_path):
    trained(labelled, small, tmp_path, epochs=1)
    path = tmp_path / "state.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="delete it to start"):
        trained(labelled, small, tmp_path, epochs=1)


def test_patience_stops_early_and_keeps_the_best(labelled, small, tmp_path):
    _, fitted = trained(labelled, small, tmp_path, epochs=40, patience=2, learning_rate=0.05)
    assert fitted.epochs < 40
    assert fitted.epochs - fitted.epoch == 2


def test_held_out_labels_do_not_reach_the_weights(labelled, small, tmp_path):
    from olfactory_transformer.train.tasks import Task, TrainingSet

    def scrambled(task):
        values = task.values.copy()
        outside = labelled.fold[task.molecule] == 0
        values[outside] = 1 - values[outside] if task.kind == "binary" else values[outside] + 100
        return Task(task.name, task.kind, task.columns, task.molecule, values, task.log_dilution, task.weight)

    other = TrainingSet(
        labelled.smiles, labelled.tokens, labelled.fold, [scrambled(t) for t in labelled.tasks]
    )
    one, _ = trained(labelled, small, tmp_path / "1", epochs=1)
    two, _ = trained(other, small, tmp_path / "2", epochs=1)
    for name, tensor in weights(one).items():
        assert torch.equal(tensor, two.state_dict()[name]), name


def test_unknown_labels_give_no_gradient(labelled, small):
    learner = Learner(new_encoder(small, None, 0), labelled.tasks, masked=False)
    learner.set_statistics(labelled.tasks, np.arange(len(labelled.smiles)))
    losses = learner.losses(labelled, np.arange(16), 0.0)
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())


def test_batches_hold_every_molecule_once():
    lengths = np.arange(100) % 17
    found = batches(lengths, np.arange(100), 8, np.random.default_rng(0))
    assert sorted(np.concatenate(found)) == list(range(100))


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(SettingsError, match="got 'quantum', expected auto, cpu"):
        device_of("quantum")
