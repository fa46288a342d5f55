"""The model card says of a model what is so of it, and nothing else."""

from dataclasses import replace

import pytest

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.train.card import Origin, model_card

CONFIG = ModelConfig(words=("fruity", "green"), ratings=("intensity",), name="nose", version="1")


def card(figures=(), process_rows=(), **case):
    config = replace(CONFIG, process_rows=process_rows)
    text = model_card(config, 1234, Origin("olfactory train --out x", "abc", **case), dict(figures))
    return " ".join(text.split())


def test_every_card_names_the_model_and_what_trained_it():
    text = card()
    assert text.startswith("# nose 1 ") and "2 odour descriptors" in text and "parameters: 1,234 " in text
    assert "`olfactory train --out x`, commit abc" in text


@pytest.mark.parametrize(
    ("case", "said", "not_said"),
    [
        ({}, "The network began without pre-training. The network learned from the labels alone.", "teachers"),
        ({"trunk": True}, "The trunk was pre-trained on unlabelled structures", "without pre-training"),
        ({"taught": 1200}, "say of 1,200 unlabelled structures", "from the labels alone"),
        ({}, "molecules/gs_lf.csv", "mixtures/pairs.csv"),
        ({}, "whether it is odourless.", "mixtures.safetensors"),
        ({"mixtures": True}, "`mixtures.safetensors` predicts the profile of a blend", "smellnet"),
        ({"mixtures": True}, "| mixtures/pairs.csv |", "smellnet"),
        ({"process_rows": (3, 4, 5)}, "is the mean of a Gaussian process on its dense layer", "smellnet"),
        ({}, "whether it is odourless.", "Gaussian process on its"),
        ({}, "trained on all folds", "of fold"),
        ({"hold_out": 0}, "trained on no label of the molecules of fold 0;", "all folds"),
    ],
)  # fmt: skip
def test_a_sentence_stands_where_it_is_true(case, said, not_said):
    text = card(**case)
    assert said in text and not_said not in text


def test_scores_are_shown_where_there_are_any():
    assert "Not measured" in card() and "--report" not in card()
    text = card({"macro AUROC": "0.89"})
    assert "| macro AUROC | 0.89 |" in text and "--report` says how" in text and "Not measured" not in text
