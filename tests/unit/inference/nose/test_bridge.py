import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from olfactory_transformer.core.errors import UnknownSmell
from olfactory_transformer.inference.mixture_predictor import MixturePredictor
from olfactory_transformer.inference.nose.bridge import compositions, words_of
from olfactory_transformer.inference.predictor import ScentPredictor

EVERY = [(substance, each) for substance, found in compositions().items() for each in found]


@pytest.fixture(scope="module")
def predictor():
    return ScentPredictor.from_pretrained()


@pytest.mark.parametrize(("substance", "compound"), EVERY, ids=lambda x: getattr(x, "name", x))
def test_a_smiles_is_of_the_formula_of_the_compound_named(substance, compound):
    molecule = Chem.MolFromSmiles(compound.smiles)
    assert molecule is not None and CalcMolFormula(molecule) == compound.formula
    assert len(compound.source) > 20


def test_the_table():
    assert len(compositions()) == 47
    for substance, compounds in compositions().items():
        assert 2 <= len(compounds) <= 6, substance
        assert len({compound.name for compound in compounds}) == len(compounds)
    # One name is one structure, and one structure has one name.
    smiles = {compound.name: Chem.CanonSmiles(compound.smiles) for _, compound in EVERY}
    for _, compound in EVERY:
        assert smiles[compound.name] == Chem.CanonSmiles(compound.smiles)
    assert len(set(smiles.values())) == len(smiles)


@pytest.mark.parametrize(
    ("substance", "expected"),
    [
        ("lemon", "citrus"),
        ("garlic", "sulfurous"),
        ("cloves", "spicy"),
        ("mint", "mint"),
        ("banana", "fruity"),
        ("peanuts", "nutty"),
        ("star anise", "anisic"),
    ],
)
def test_words_are_those_of_the_compounds(predictor, substance, expected):
    found = words_of(substance, predictor)
    assert expected in list(found.words)[:7]
    chances = list(found.words.values())
    assert chances == sorted(chances, reverse=True)
    for word, chance in found.words.items():
        assert chance == pytest.approx(
            sum(prediction.words[word] for _, prediction in found.compounds) / len(found.compounds)
        )
    assert found.as_dict()["blend"] == [] and "not of this recording" in found.as_dict()["said"]


def test_the_blend_rates_words_too(predictor):
    found = words_of("lemon", predictor, MixturePredictor.from_pretrained())
    assert len(found.blend) == 51 and "Citrus" in list(found.blend)[:5]
    assert found.as_dict(3)["blend"][0]["rating"] == max(found.blend.values())


@pytest.mark.parametrize("substance", ["pili_nut", "my own smell", ""])
def test_of_what_no_compound_is_known_nothing_is_said(predictor, substance):
    with pytest.raises(UnknownSmell, match="no compounds"):
        words_of(substance, predictor)
