"""Explanations of the bundled model: their shape and bookkeeping, and some whose answer any chemist knows."""

from __future__ import annotations

import json
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from rdkit import Chem

from olfactory_transformer import ScentPredictor, read_molecule
from olfactory_transformer.core import errors as err
from olfactory_transformer.inference.explain import Explanation, smiles_order, without


@pytest.fixture(scope="module")
def predictor():
    return ScentPredictor.from_pretrained("olfactory-base-v1", threads=1)


VANILLIN = "COc1cc(C=O)ccc1O"
DILUTIONS = np.full(2, -3, np.float32)


@pytest.mark.parametrize(
    "smiles", ["C", "CCO", VANILLIN, "[H]/N=C/C", "CC(=O)[O-].[Na+]", "[Cu]", "C[C@H](N)C(=O)O", "C" * 40]
)
def test_an_explanation(predictor, smiles):
    found, prediction = predictor.explain(smiles), predictor.predict(smiles)
    assert (found.smiles, found.canonical_smiles) == (smiles, prediction.canonical_smiles)
    assert len(found.contributions) == len(found.symbols) == read_molecule(smiles).heavy_atoms
    assert all(map(math.isfinite, found.contributions))
    assert found.warnings == prediction.warnings and found.model_version == predictor.version
    assert found.probability == pytest.approx(prediction.words[found.word], abs=1e-5)
    assert found.probability == pytest.approx(max(prediction.words.values()), abs=1e-5)
    ElementTree.fromstring(found._repr_svg_())
    values = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert Explanation(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}) == found


def test_a_contribution_is_what_the_log_odds_lose(predictor):
    found = predictor.explain(VANILLIN, "vanilla")
    molecule = read_molecule(found.canonical_smiles)
    oxygen = smiles_order(molecule)[found.symbols.index("O")]
    tokens = predictor.tokenizer(molecule)
    raw = predictor.runtime.run([tokens, without(tokens, [oxygen])], DILUTIONS)
    full, rest = predictor.probabilities(raw)[:, predictor.config.words.index("vanilla")]
    lost = math.log(full / (1 - full)) - math.log(rest / (1 - rest))
    assert found.contributions[found.symbols.index("O")] == pytest.approx(lost, abs=1e-3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (VANILLIN, "O=Cc1ccc(O)c(OC)c1"),
        ("CC1=CC[C@H](CC1)C(C)=C", "C=C(C)[C@@H]1CC=C(C)CC1"),
        ("[H]/N=C/CC", "CC/C=N/[H]"),
        ("[Na+].CCC(=O)[O-]", "OC(=O)CC"),
    ],
)
def test_the_writing_does_not_matter(predictor, one, other):
    a, b = predictor.explain(one, "sweet"), predictor.explain(other, "sweet")
    assert (a.canonical_smiles, a.symbols) == (b.canonical_smiles, b.symbols)
    assert a.contributions == pytest.approx(b.contributions, abs=1e-4)


def test_symbols_are_those_of_the_canonical_smiles(predictor):
    found = predictor.explain("OCCS")
    assert found.canonical_smiles == "OCCS" and found.symbols == ("O", "C", "C", "S")
    assert predictor.explain("SCCO").symbols == found.symbols


@pytest.mark.parametrize("smiles", ["CCCS", "CC(C)CS", "SCc1ccco1"])
def test_a_thiol_is_sulfurous_for_its_sulfur(predictor, smiles):
    found = predictor.explain(smiles, "sulfurous")
    top = max(range(len(found.contributions)), key=found.contributions.__getitem__)
    assert found.symbols[top] == "S"


def test_an_aldehyde_is_aldehydic_for_its_aldehyde(predictor):
    found = predictor.explain("CCCCCCCC=O", "aldehydic")
    assert found.canonical_smiles == "CCCCCCCC=O"
    top = max(range(9), key=found.contributions.__getitem__)
    assert top in (7, 8)


def test_vanilla_goes_with_the_atoms_that_speak_for_it(predictor):
    """Without its two top atoms, less is left of vanillin's vanilla than without its two bottom ones."""
    found = predictor.explain(VANILLIN, "vanilla")
    molecule = read_molecule(found.canonical_smiles)
    order = smiles_order(molecule)
    ranked = sorted(range(len(order)), key=found.contributions.__getitem__)
    tokens = predictor.tokenizer(molecule)
    variants = [without(tokens, [order[i] for i in atoms]) for atoms in (ranked[-2:], ranked[:2])]
    raw = predictor.runtime.run(variants, DILUTIONS)
    no_top, no_bottom = predictor.probabilities(raw)[:, predictor.config.words.index("vanilla")]
    assert found.probability - no_top > 2 * abs(found.probability - no_bottom)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("vanila", "'vanila' is no word of this model; expected 'vanilla' or another of its"),
        ("Vanilla", "expected 'vanilla' or another"),
        ("", "expected one of its"),
        ("\x1b[2J", r"'\x1b[2J' is no word"),
        (5, "int is no word"),
    ],
)
def test_a_word_that_the_model_does_not_have(predictor, word, message):
    with pytest.raises(err.UnknownWord) as raised:
        predictor.explain("CCO", word)
    assert message in str(raised.value) and isinstance(raised.value, ValueError)


@pytest.mark.parametrize(("smiles", "kind"), [("CC(", err.UnparsableMolecule), (None, err.NotText)])
def test_what_is_no_molecule(predictor, smiles, kind):
    with pytest.raises(kind):
        predictor.explain(smiles)


def test_an_atom_takes_the_substructures_with_it_that_it_is_part_of(predictor):
    molecule = read_molecule("CCCCCCO")
    tokens = predictor.tokenizer(molecule)
    oxygen = next(a.GetIdx() for a in molecule.rdmol.GetAtoms() if a.GetSymbol() == "O")
    apart = Chem.GetDistanceMatrix(molecule.rdmol)[oxygen]
    rest = without(tokens, [oxygen])
    kept = [(bit, radius) for bit, centre, radius in tokens.environments.tolist() if apart[centre] > radius]
    assert sorted(kept) == sorted((bit, radius) for bit, _, radius in rest.environments.tolist())
    assert len(kept) < len(tokens.environments)
    assert rest.environments[:, 1].max() < len(rest)
