"""Analogues: whole, new, like odorants, and of atoms with such neighbours as were seen."""

import pytest
from rdkit import Chem

from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.analogues import analogues, neighbourhoods
from olfactory_transformer.train.odorants import like_odorant
from olfactory_transformer.train.read import connectivity

ESTERS = ["CCCCOC(C)=O", "CCC(=O)OCC", "CCCCCC(=O)OCC=C", "CC(C)CCOC(C)=O"]
RINGS = ["COc1cc(C=O)ccc1O", r"CC(=O)/C=C/C1C(C)=CCCC1(C)C", "C[C@@H]1CC[C@@H](C(C)C)[C@H](O)C1"]


def keys(many):
    return {connectivity(read_molecule(smiles)) for smiles in many}


@pytest.fixture(scope="module")
def made():
    return analogues(ESTERS + RINGS, set(), keys(ESTERS + RINGS), 60)


def test_they_are_new_molecules_like_odorants_each_once(made):
    assert len(made) == len(keys(made)) == 60 and not keys(made) & keys(ESTERS + RINGS)
    for molecule in map(read_molecule, made):
        assert like_odorant(molecule)
        assert not any(atom.GetNumRadicalElectrons() for atom in molecule.rdmol.GetAtoms())


def test_no_atom_has_neighbours_that_no_parent_or_known_structure_has(made):
    seen = set().union(*(neighbourhoods(Chem.MolFromSmiles(s)) for s in ESTERS + RINGS))
    assert all(neighbourhoods(Chem.MolFromSmiles(s)) <= seen for s in made)
    sulphide = neighbourhoods(Chem.MolFromSmiles("CCCCCSCCCC"))
    assert any("S" in s for s in analogues(ESTERS, sulphide, set(), 300))
    assert not any("S" in s for s in made)


def test_pieces_of_two_are_joined_and_single_places_are_changed():
    assert "CCCCOC(=O)CC" in analogues(["CCCCOC(C)=O", "CCC(=O)OCC"], set(), set(), 40)
    ketone = neighbourhoods(Chem.MolFromSmiles("CCCC(C)=O"))
    assert "CCCCCC(C)=O" in analogues(["CCCCCC(C)O"], ketone, set(), 40)


def test_the_same_seed_makes_the_same(made):
    assert analogues(ESTERS + RINGS, set(), keys(ESTERS + RINGS), 60) == made
    assert analogues(ESTERS + RINGS, set(), keys(ESTERS + RINGS), 60, seed=1) != made


def test_what_is_taken_is_not_made_again(made):
    taken = keys(made[:30])
    again = analogues(ESTERS + RINGS, set(), taken, 20)
    assert len(again) == 20 and not keys(again) & keys(made[:30])
    assert taken == keys(made[:30]) | keys(again)


def test_few_parents_have_few_analogues():
    assert analogues([], set(), set(), 5) == []
    assert analogues(["CCO"], set(), set(), 0) == []
    assert analogues(["CCO"], set(), keys(["CCO"]), 100) == []
