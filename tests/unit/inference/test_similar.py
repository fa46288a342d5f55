"""Applicability and neighbours, of an untrained network with a small index."""

from __future__ import annotations

import json
import shutil

import pytest
from small_data import molecules

from olfactory_transformer import ScentPredictor, read_molecule
from olfactory_transformer.core import errors as err
from olfactory_transformer.model.folder import REFERENCE, write_manifest


@pytest.fixture(scope="module")
def predictor(small_model):
    return ScentPredictor.from_pretrained(small_model, threads=1)


def test_predictions_say_whether_they_apply(predictor):
    known, metal, long = predictor.predict([molecules()[0][0], "[Cu]", "C" * 90])
    assert known.applicability.inside and known.applicability.percentile <= 95
    assert any("Cu" in reason for reason in metal.applicability.reasons)
    assert any("90 heavy atoms" in reason for reason in long.applicability.reasons)
    json.dumps(long.as_dict(), allow_nan=False)


def test_the_nearest_molecule_is_itself(predictor):
    smiles = "CCCC(=O)OC"
    first, *others = predictor.similar(smiles, 4)
    assert first.smiles == smiles and first.similarity == pytest.approx(1, abs=1e-3)
    found = [neighbour.similarity for neighbour in others]
    assert len(found) == 3 and found == sorted(found, reverse=True)


def test_a_library(predictor):
    library = [read_molecule(smiles) for smiles in ("OCC", "CCC", "CCO")]
    found = predictor.similar("CCO", 2, library)
    assert [neighbour.smiles for neighbour in found] == ["OCC", "CCO"]
    assert predictor.similar("CCO", 2, []) == []


def test_what_cannot_be_asked(predictor):
    with pytest.raises(err.UnparsableMolecule):
        predictor.similar("CC(")
    with pytest.raises(ValueError, match="at least 1"):
        predictor.similar("CCO", 0)


def test_a_folder_without_an_index(small_model, tmp_path):
    folder = shutil.copytree(small_model, tmp_path / "small")
    (folder / REFERENCE).unlink()
    write_manifest(folder)
    predictor = ScentPredictor.from_pretrained(folder, threads=1)
    assert predictor.predict("CCO").applicability is None
    with pytest.raises(err.NoReference, match="no reference index"):
        predictor.similar("CCO")
    assert len(predictor.similar("CCO", 1, [read_molecule("CC")])) == 1
