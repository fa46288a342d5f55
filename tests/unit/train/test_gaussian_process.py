"""Gaussian processes: they follow what is near and the mean far away, and the model answers with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from olfactory_transformer.inference.runtime import OnnxRuntime
from olfactory_transformer.model.gaussian_process import distances, likeness
from olfactory_transformer.model.tokenizer import collate
from olfactory_transformer.model.transformer import PROCESSES, OlfactoryTransformer
from olfactory_transformer.train.finetune import embeddings, model_config, predict
from olfactory_transformer.train.gaussian_process import fit_process, fit_processes, likeliest
from olfactory_transformer.train.readout import counts
from olfactory_transformer.train.tasks import Task

SMALL = {
    "width": 16,
    "layers": 1,
    "heads": 2,
    "feedforward": 16,
    "embedding": 8,
    "dense": 12,
    "word_readers": 1,
}


def rated(values, log_dilution=None, molecule=None):
    kind = "regression" if log_dilution is None else "dilution"
    molecule = np.arange(len(values)) if molecule is None else molecule
    columns = tuple("abcdef"[: values.shape[1]])
    return Task("ratings", kind, columns, molecule, values.astype(np.float32), log_dilution)


def ask(process, points, log_dilution=-3.0):
    return process(torch.from_numpy(points), torch.full((len(points),), log_dilution)).numpy()


def test_it_follows_its_neighbours_and_far_away_the_mean():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 5)).astype(np.float32)
    points[38], points[39] = points[0], 100  # the first again, and one like none
    values = np.repeat(points[:38, :1] > 0, 2, 1) * [1.0, 10.0] + [0, 5]
    values[3, 1] = np.nan
    found = ask(fit_process(rated(values), np.arange(38), points), points[38:])
    assert np.isfinite(found).all()
    assert np.abs(found[0] - values[0]).max() < np.abs(np.nanmean(values, 0) - values[0]).max()
    mean = np.nanmean(values**0.75, 0) ** (4 / 3)  # of what ratings are learned as
    np.testing.assert_allclose(found[1], mean, atol=1e-3)


def test_it_tells_dilutions_apart_for_a_molecule_that_nobody_rated():
    points = np.eye(6, dtype=np.float32)
    dilution = np.repeat(np.array([-1.0, -5.0], np.float32), 3)
    strength = np.array([[9], [9], [8], [2], [1], [2]])
    process = fit_process(rated(strength, dilution, np.arange(6) % 3), np.arange(6), points)
    strong, weak = (ask(process, points[5:], at)[0, 0] for at in (-1.0, -5.0))
    assert strong > strength.mean() > weak


def test_without_dilutions_none_is_asked_for():
    points = np.random.default_rng(3).normal(size=(20, 3)).astype(np.float32)
    process = fit_process(rated(points[:, :2] + 5), np.arange(20), points)
    np.testing.assert_array_equal(ask(process, points, -7.0), ask(process, points, 0.0))


def test_numbers_are_not_below_zero():
    points = np.linspace(0, 1, 20, dtype=np.float32)[:, None]
    values = np.where(points > 0.5, 9.0, 0.0)
    found = ask(
        fit_process(rated(values), np.arange(20), points), np.linspace(-3, 3, 50, dtype=np.float32)[:, None]
    )
    assert (found >= 0).all() and found.max() > 4


def test_a_coordinate_in_which_all_rated_are_alike_does_not_decide():
    rng = np.random.default_rng(1)
    points = np.c_[rng.normal(size=(30, 3)), np.full(30, 7.0)].astype(np.float32)
    process = fit_process(rated(points[:, :1] + 5), np.arange(30), points)
    moved = points.copy()
    moved[:, 3] += 0.01  # thousands of times what those rated differ by
    np.testing.assert_allclose(ask(process, moved), ask(process, points), rtol=0.05)


def test_likeness_falls_with_distance_and_dilution():
    kernel = torch.tensor([1.0, 0.7, 0.3, 0.2])
    apart, step = torch.tensor([[0.0, 1.0, 0.0, 9.0]]), torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    same, further, diluted, far = likeness(apart, step, kernel)[0].tolist()
    assert same == pytest.approx(1.0) and same > further > far > 0.3 and same > diluted


def test_distances_are_those_of_numpy():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(4, 6)), rng.normal(size=(5, 6))
    found = distances(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(found, np.linalg.norm(a[:, None] - b[None], axis=-1))


def test_what_is_noise_is_followed_less():
    rng = np.random.default_rng(0)
    at = np.sort(rng.uniform(0, 10, 80))
    kernel = np.exp(-np.square(at[:, None] - at[None]))
    smooth, random = np.sin(at), rng.normal(size=80)
    found = kernel @ likeliest(kernel, np.full(80, 0.05), np.stack([smooth, random], 1))
    assert np.abs(found[:, 0] - smooth).mean() < 0.02
    usual = kernel @ np.linalg.solve(kernel + 0.05 * np.eye(80), random)
    assert np.square(found[:, 1]).mean() < 0.5 * np.square(usual).mean()


def fitted(labelled, molecules):
    torch.manual_seed(1)
    model = OlfactoryTransformer(replace(model_config(labelled), **SMALL)).eval()
    embedding = embeddings(model.encoder, labelled, np.arange(len(labelled.smiles)))
    dense = {name: predict(model, labelled, molecules)[name] for name in PROCESSES}
    fit_processes(model, embedding, labelled, molecules)
    return model, embedding, dense


def test_the_model_answers_with_them_from_its_folder_and_from_onnx(labelled, tmp_path):
    molecules = np.arange(len(labelled.smiles))
    model, embedding, dense = fitted(labelled, molecules)
    with torch.inference_mode():
        inputs = model.read("numbers", *map(torch.from_numpy, (embedding, counts(labelled)))).numpy()
    assert model.config.process_rows == tuple(len(labelled.task(name).molecule) for name in PROCESSES)
    found = predict(model, labelled, molecules)
    for name in PROCESSES:
        process = ask(model.processes[name], inputs)
        np.testing.assert_allclose(found[name], (dense[name] + process) / 2, rtol=1e-3, atol=1e-3)
    model.save_pretrained(tmp_path)
    loaded = OlfactoryTransformer.from_pretrained(tmp_path)
    assert loaded.config == model.config
    served = OnnxRuntime(tmp_path / "model.onnx").run(labelled.tokens[:9], np.full(9, -3.0, np.float32))
    batch = collate(labelled.tokens[:9])
    arrays = (batch.atoms, batch.relations, batch.fingerprint, batch.hands, np.full(9, -3.0, np.float32))
    with torch.inference_mode():
        expected = loaded(*map(torch.from_numpy, arrays))
    for name in PROCESSES:
        said = getattr(served, name)
        np.testing.assert_allclose(said, getattr(expected, name).numpy(), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(said, found[name][:9], rtol=0.05, atol=0.05 * np.abs(found[name]).max())


def test_nothing_is_learned_from_what_is_held_out_or_from_soft_labels(labelled):
    molecules = np.flatnonzero(labelled.fold != 0)
    model, *_ = fitted(labelled, molecules)
    rows = tuple(int((labelled.fold[labelled.task(name).molecule] != 0).sum()) for name in PROCESSES)
    assert model.config.process_rows == rows
    soft = replace(labelled, fold=np.where(np.arange(len(labelled.smiles)) % 2, labelled.fold, -1))
    halved, *_ = fitted(soft, np.arange(len(soft.smiles)))
    assert halved.config.process_rows == tuple(
        int((soft.fold[soft.task(name).molecule] >= 0).sum()) for name in PROCESSES
    )
