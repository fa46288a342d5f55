from dataclasses import replace

import numpy as np
import pytest
import torch

from olfactory_transformer.inference.blends import BlendModel
from olfactory_transformer.train.blend_kernel import BlendKernel, KernelConfig, learn_kernel, started

CONFIG = KernelConfig(kernels=2, steps=40)


@pytest.fixture
def model():
    """Sixty made-up stimuli of twelve molecules, some of them with one molecule twice."""
    rng = np.random.default_rng(0)
    present = np.arange(3) < rng.integers(1, 4, 60)[:, None]
    embedding = rng.normal(size=(12, 4))
    none = np.zeros(0)
    return BlendModel(
        key=np.arange(12),
        embedding=embedding,
        words=rng.random((12, 3)),
        molecule=rng.integers(0, 12, (60, 3)) * present,
        log_dilution=rng.integers(-3, 1, (60, 3)) * present * 1.0,
        present=present,
        centre=embedding.mean(0),
        spread=embedding.std(0),
        words_centre=np.full(3, 0.5),
        words_spread=np.full(3, 0.3),
        potency=none,
        kernels=none,
        by_words=none,
        coefficients=none,
        mean=none,
    )


def test_what_is_learned_is_what_serves(model):
    torch.manual_seed(0)
    begun = started(model, CONFIG)
    kernel = BlendKernel(begun)
    np.testing.assert_allclose(kernel().detach(), begun.kernel(model.components, model.mixtures), atol=2e-3)
    with torch.no_grad():
        for parameter in kernel.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    serves = kernel.put(begun)
    assert np.abs(serves.potency).min() > 0
    found = serves.kernel(model.components, model.mixtures)
    np.testing.assert_allclose(kernel().detach(), found, atol=2e-3)
    assert np.abs(found - begun.kernel(model.components, model.mixtures)).max() > 0.05


def test_the_molecule_that_decides_is_found_potent(model):
    true = np.array([2.0, 0, 0, 0])  # along the first coordinate of the map
    share = np.exp(model.standard(model.components) @ true)[model.molecule] * model.present
    share /= share.sum(1, keepdims=True)
    values = np.einsum("sk,skw->sw", share, np.sin(model.embedding * 2)[model.molecule])
    single = model.present.sum(1) == 1
    values -= values.mean(0)
    learned, noise = learn_kernel(started(model, CONFIG), values, single, CONFIG)
    assert (learned.kernels[:, 1:] > 0).all() and np.isfinite(learned.potency).all()
    assert learned.kernels[:, -1].sum() + learned.by_words[1] == pytest.approx(1)
    assert len(set(noise[single])) == len(set(noise[~single])) == 1 and noise[single][0] != noise[~single][0]
    potency, expected = (model.standard(model.components) @ p for p in (learned.potency.mean(0), true))
    assert np.corrcoef(potency, expected)[0, 1] > 0.6


def test_ratings_that_are_all_the_same_are_no_error(model):
    single = np.zeros(60, bool)
    learned, noise = learn_kernel(started(model, CONFIG), np.zeros((60, 2)), single, CONFIG)
    assert np.isfinite(learned.kernels).all() and (noise > 0).all()


def test_one_molecule_alone(model):
    one = replace(
        model,
        key=model.key[:1],
        embedding=model.embedding[:1],
        words=model.words[:1],
        molecule=np.zeros_like(model.molecule),
    )
    learned, _ = learn_kernel(started(one, CONFIG), np.ones((60, 1)), np.zeros(60, bool), CONFIG)
    assert np.isfinite(learned.kernel(one.components, one.mixtures)).all()
