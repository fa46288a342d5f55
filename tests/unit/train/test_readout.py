"""The model's last layers: the model says what the dense networks that trained them say, and the encoder stays."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from olfactory_transformer.model.transformer import READERS, OlfactoryTransformer
from olfactory_transformer.train.dense import DenseConfig, trained
from olfactory_transformer.train.finetune import embeddings, model_config, predict
from olfactory_transformer.train.readout import counts, fit_readout

QUICK = DenseConfig(epochs=2, batch_size=8)


@pytest.fixture(scope="module")
def everything(labelled):
    return np.arange(len(labelled.smiles))


@pytest.fixture
def model(labelled):
    torch.manual_seed(1)
    config = replace(
        model_config(labelled),
        width=16,
        layers=1,
        heads=2,
        feedforward=16,
        embedding=8,
        dense=12,
        word_readers=2,
    )
    return OlfactoryTransformer(config).eval()


def test_the_model_says_what_the_dense_networks_say(labelled, everything, model, tmp_path):
    embedding = embeddings(model.encoder, labelled, everything)
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    fit_readout(model, embedding, labelled, everything, tmp_path, QUICK)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.encoder.state_dict().items())
    standard = (embedding - embedding.mean(0)) / (embedding.std(0) + 1e-6)
    inputs = np.hstack([standard, counts(labelled)])
    for reader, names in READERS.items():
        tasks = [task for task in labelled.tasks if task.name in names or reader != "words"]
        networks = [
            # As they were left there.
            trained(inputs, tasks, (12,), labelled, everything, path, replace(QUICK, seed=number))
            for number, path in enumerate(sorted(tmp_path.glob(f"readout-{reader}-*")))
        ]
        assert len(networks) == (2 if reader == "words" else 1)
        for name in names:
            task = labelled.task(name)
            said = predict(model, labelled, task.molecule, task.log_dilution)[name]
            expected = np.mean([network.answer(task) for network in networks], 0)
            np.testing.assert_allclose(said, expected, rtol=1e-3, atol=1e-3, err_msg=name)


def test_a_finished_layer_is_not_trained_again(labelled, everything, model, tmp_path):
    embedding = embeddings(model.encoder, labelled, everything)
    fit_readout(model, embedding, labelled, everything, tmp_path, QUICK)
    stamps = [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())]
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fit_readout(model, embedding, labelled, everything, tmp_path, QUICK)
    assert stamps == [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())]
    assert all(torch.equal(tensor, first[name]) for name, tensor in model.state_dict().items())


def test_counts_are_those_of_the_molecules(labelled):
    found = counts(labelled, batch=7)
    assert found.shape == (len(labelled.smiles), 2048) and found.dtype == np.float32
    np.testing.assert_array_equal(found[[3]], counts(replace(labelled, tokens=[labelled.tokens[3]])))
