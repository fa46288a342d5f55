"""Predictions of the bundled model: their shape, ranges and bookkeeping; what it says is the evaluation's matter."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from olfactory_transformer import ScentPrediction, ScentPredictor
from olfactory_transformer.core import errors as err
from olfactory_transformer.molecules import MoleculeLimits

SMILES = ["CCO", "COc1cc(C=O)ccc1O", "C[C@H](N)C(=O)O", "CC(=O)[O-].[Na+]", "[Cu]", "C" * 200, "O"]


@pytest.fixture(scope="module")
def predictor():
    return ScentPredictor.from_pretrained("olfactory-base-v1", threads=1)


def close(one: ScentPrediction, other: ScentPrediction) -> bool:
    a, b = list(one.words.values()), list(other.words.values())
    return np.allclose(a, b, atol=1e-5) and math.isclose(
        one.intensity or 0, other.intensity or 0, abs_tol=1e-3
    )


@pytest.mark.parametrize("smiles", SMILES)
def test_a_prediction(predictor, smiles):
    found = predictor.predict(smiles)
    assert found.smiles == smiles and "." not in found.canonical_smiles
    assert tuple(found.words) == predictor.config.words
    assert all(0 <= p <= 1 for p in found.words.values())
    assert 0 <= found.intensity <= 10 and 0 <= found.pleasantness <= 10
    assert 0 <= found.odorless_probability <= 1 and 0 <= found.confidence <= 1
    assert math.isfinite(found.log_inverse_threshold) and found.threshold_ppm > 0
    assert found.dilution == 1e-3
    assert found.model_version == predictor.version
    json.dumps(found.as_dict(), allow_nan=False)


def test_notes_are_the_words_above_their_thresholds(predictor):
    thresholds = predictor.config.thresholds or [0.5] * len(predictor.config.words)
    for found in predictor.predict(SMILES):
        above = {w for (w, p), t in zip(found.words.items(), thresholds, strict=True) if p >= t}
        assert set(found.primary_notes) == above
        chances = [found.words[note] for note in found.primary_notes]
        assert chances == sorted(chances, reverse=True)
        stated = np.mean(chances) if chances else max(found.words.values())
        if at := predictor.config.confidence_stated:
            stated = np.interp(stated, at, predictor.config.confidence_right)
        assert found.confidence == pytest.approx(stated)


def test_the_set_at_90_has_the_most_probable_words(predictor, monkeypatch):
    monkeypatch.setattr(predictor, "config", replace(predictor.config, share_90=0.02))
    found = predictor.predict("COc1cc(C=O)ccc1O")
    ranked = sorted(found.words, key=found.words.get, reverse=True)
    assert found.notes_90 and list(found.notes_90) == ranked[: len(found.notes_90)]
    total = sum(found.words.values())
    assert {w for w, p in found.words.items() if p >= 0.02 * total} == set(found.notes_90)


def test_a_list_keeps_its_order_and_agrees_with_one_by_one(predictor):
    together = predictor.predict(SMILES)
    assert [found.smiles for found in together] == SMILES
    assert all(
        close(predictor.predict(smiles), found) for smiles, found in zip(SMILES, together, strict=True)
    )
    assert predictor.predict([]) == []


def test_spellings_agree(predictor):
    one, other = predictor.predict(["COc1cc(C=O)ccc1O", "O=Cc1ccc(O)c(OC)c1"])
    assert one.canonical_smiles == other.canonical_smiles and close(one, other)


def test_errors_are_raised_or_returned(predictor):
    texts = ["CCO", "CC(", "CCN", "", None]
    found = predictor.predict(texts, errors="return")
    assert [type(f) for f in found] == [
        ScentPrediction, err.UnparsableMolecule, ScentPrediction, err.EmptyMolecule, err.NotText,
    ]  # fmt: skip
    assert found[2].smiles == "CCN"
    with pytest.raises(err.UnparsableMolecule):
        predictor.predict(texts)
    with pytest.raises(err.EmptyMolecule):
        predictor.predict("")
    found = predictor.predict(["", "("], errors="return")
    assert [type(f) for f in found] == [err.EmptyMolecule, err.UnparsableMolecule]


@pytest.mark.parametrize("dilution", [0, -1, 1.01, math.nan, math.inf])
def test_a_dilution_is_a_volume_fraction(predictor, dilution):
    with pytest.raises(ValueError, match="0 < dilution <= 1"):
        predictor.predict("CCO", dilution)


def test_only_intensity_and_pleasantness_depend_on_the_dilution(predictor):
    one, other = predictor.predict("CCO", 1e-5), predictor.predict("CCO", 1.0)
    assert (one.dilution, other.dilution) == (1e-5, 1.0)
    assert one.words == other.words and one.log_inverse_threshold == other.log_inverse_threshold


def test_warnings_say_what_was_changed_and_what_is_unknown(predictor):
    assert predictor.predict("CCO").warnings == ()
    salt = predictor.predict("CC(=O)[O-].[Na+]")
    assert salt.canonical_smiles == "CC(=O)O" and len(salt.warnings) == 2
    assert "1 atom features the model does not know" in predictor.predict("[Cu]").warnings


def test_embeddings(predictor):
    one, many = predictor.embed("CCO"), predictor.embed(SMILES)
    assert one.shape == (predictor.config.embedding,) and many.shape == (
        len(SMILES),
        predictor.config.embedding,
    )
    np.testing.assert_allclose(one, many[0], atol=1e-5)
    assert predictor.embed([]).shape == (0, predictor.config.embedding)
    with pytest.raises(err.UnparsableMolecule):
        predictor.embed(["CCO", "C("])


def test_threads_agree(predictor):
    texts = SMILES * 6
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predictor.predict, texts))
    expected = dict(zip(SMILES, predictor.predict(SMILES), strict=True))
    assert all(close(f, expected[text]) for text, f in zip(texts, found, strict=True))


def test_limits_are_the_callers():
    small = ScentPredictor.from_pretrained(threads=1, limits=MoleculeLimits(heavy_atoms=3))
    with pytest.raises(err.TooManyAtoms):
        small.predict("CCCO")


def test_a_tokenizer_of_another_folder(predictor, tmp_path):
    predictor.tokenizer.save_pretrained(tmp_path)
    other = ScentPredictor.from_pretrained(tokenizer=tmp_path, threads=1)
    assert close(other.predict("CCO"), predictor.predict("CCO"))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(err.ModelForeign):
        ScentPredictor.from_pretrained(tokenizer=tmp_path)
