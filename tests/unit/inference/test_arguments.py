"""Arguments of `ScentPredictor.predict` that are not what they should be."""

import json

import numpy as np
import pytest

from olfactory_transformer import ScentPredictor
from olfactory_transformer.core.errors import NotText, UnparsableMolecule


@pytest.fixture(scope="module")
def predictor():
    return ScentPredictor.from_pretrained("olfactory-base-v1")


@pytest.mark.parametrize("dilution", [0, -1, 2, float("nan"), True, None, "0.1", np.array([0.1, 0.2])])
def test_a_dilution_that_is_no_volume_fraction(predictor, dilution):
    with pytest.raises(ValueError, match="expected a volume fraction"):
        predictor.predict("CCO", dilution)


def test_a_dilution_of_numpy_is_a_number_like_any(predictor):
    assert json.dumps(predictor.predict("CCO", np.float32(0.1)).as_dict())


@pytest.mark.parametrize("smiles", [None, 5, b"CCO"])
def test_what_is_neither_text_nor_a_list(predictor, smiles):
    with pytest.raises(NotText, match=type(smiles).__name__):
        predictor.predict(smiles)


def test_the_item_at_fault_is_named(predictor):
    with pytest.raises(UnparsableMolecule) as raised:
        predictor.predict(["CCO", "CC("])
    assert "item 1" in raised.value.__notes__[0]


def test_an_unknown_way_with_errors(predictor):
    with pytest.raises(ValueError, match="expected 'raise' or 'return'"):
        predictor.predict(["CCO"], errors="ignore")
