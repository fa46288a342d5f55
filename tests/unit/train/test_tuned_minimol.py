"""MiniMol fine-tuned on small data: it learns groups, goes on after a kill, and is trained anew for other labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from olfactory_transformer.train.minimol.tuned import DEFAULTS, tuned

QUICK = replace(DEFAULTS, epochs=4, batch_size=8, ema=0.5, device="cpu")
SMILES = ["CCCCCCCCC(=O)OC", "CCCCCCCCCC=O", "CCCCCCCCCC(=O)O", "CCCCCCCCCc1ccc(O)cc1", "CCCCCCCCC=CCO"]


def asked(labelled, *names):
    """Return rows on the molecules of `SMILES`, by their places there."""
    tasks = [labelled.task(name) for name in names]
    dilution = np.full(len(SMILES), -2, np.float32)
    return [
        replace(
            task,
            molecule=np.arange(len(SMILES)),
            log_dilution=None if task.log_dilution is None else dilution,
        )
        for task in tasks
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("minimol")


@pytest.fixture(scope="module")
def network(labelled, folder):
    return tuned(labelled, np.arange(len(labelled.smiles)), folder, QUICK)


def test_it_learns_the_word_of_a_group(labelled, network):
    words = labelled.task("words").columns
    found = network.answers(asked(labelled, "words"), SMILES)["words"]
    assert [words[i] for i in found.argmax(1)] == ["fruity", "fatty", "sour", "spicy", "green"]


def test_each_row_is_answered_whatever_is_asked_beside_it(labelled, network):
    both = network.answers(asked(labelled, "words", "ratings"), SMILES)
    assert both["ratings"].shape == (len(SMILES), len(labelled.task("ratings").columns))
    (words,) = asked(labelled, "words")
    turned = network.answers([replace(words, molecule=words.molecule[::-1].copy())], SMILES)["words"]
    np.testing.assert_allclose(turned[::-1], both["words"], atol=0.05)  # bfloat16, where that is faster


def test_a_run_that_is_done_is_not_done_again_and_other_labels_have_their_own(labelled, network, folder):
    (run,) = folder.iterdir()
    stamp = (run / "state.safetensors").stat().st_mtime_ns
    again = tuned(labelled, np.arange(len(labelled.smiles)), folder, QUICK)
    assert (run / "state.safetensors").stat().st_mtime_ns == stamp
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    tuned(labelled, np.arange(10), folder, replace(QUICK, epochs=1))
    assert len(list(folder.iterdir())) == 2
