"""What one of two mirror images smells of is learned, and told of their homologues."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.model.tokenizer import MoleculeTokenizer
from olfactory_transformer.model.transformer import OlfactoryTransformer
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.hands import fit_hands, signed_features
from olfactory_transformer.train.tasks import Task, TrainingSet

SMILES = ["CCCCC[C@H](C)O", "CCCCC[C@@H](C)O", "CCCCCC[C@H](C)O", "CCCCCC[C@@H](C)O", "CCCCCC(C)O"]


@pytest.fixture
def data():
    values = np.array([[1, 0, 1], [0, 1, 1], [np.nan] * 3, [np.nan] * 3, [0, 0, 0]], np.float32)
    tokenizer = MoleculeTokenizer()
    tokens = [tokenizer(read_molecule(smiles)) for smiles in SMILES]
    task = Task("isomeric", "binary", ("mushroom", "sweet", "oily"), np.arange(5), values)
    return TrainingSet(SMILES, tokens, np.zeros(5, np.int64), [task])


@pytest.fixture
def model(data):
    words = {"words": ("sweet", "rose"), "isomeric": data.tasks[0].columns}
    return OlfactoryTransformer(ModelConfig(**words, ratings=("i",), profile=("p",), atlas=("a",)))


def test_a_word_of_one_hand_goes_with_it(data, model):
    fit_hands(model, data, np.array([0, 1, 4]))
    turn = {
        name: signed_features(data, np.array([2, 3])) @ layer.weight.detach().double().numpy().T
        for name, layer in model.hands.items()
    }
    one, other = turn["isomeric"]
    np.testing.assert_allclose(one, -other)
    assert one[0] > 0 > one[1] and abs(one[2]) < 1e-6
    np.testing.assert_allclose(turn["words"][0], [one[1], 0], atol=1e-6)  # by the word's name


def test_what_teachers_say_of_a_structure_is_not_learned(data, model):
    fit_hands(model, data, np.array([0, 1, 4]))
    before = model.hands["isomeric"].weight.detach().clone()
    soft = replace(data, fold=np.array([0, 0, -1, -1, 0]))
    task = replace(soft.tasks[0], values=np.nan_to_num(soft.tasks[0].values, nan=0.5))
    fit_hands(model, replace(soft, tasks=[task]), np.arange(5))
    assert before.any() and torch.equal(before, model.hands["isomeric"].weight)


def test_without_labels_nothing_is_told_apart(data, model):
    fit_hands(model, data, np.array([], np.int64))
    assert not model.hands["isomeric"].weight.any()
