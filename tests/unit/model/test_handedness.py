"""Signed features of stereo centres: the mirror image has the negative ones, and no stereo none."""

import numpy as np
import pytest
from rdkit import Chem

from olfactory_transformer.model.handedness import handedness
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.mirror import mirrored


def of(smiles):
    return handedness(read_molecule(smiles).rdmol)


HANDED = {
    "R-carvone": "CC1=CC[C@@H](CC1=O)C(C)=C",
    "S-limonene": "CC1=CC[C@H](CC1)C(C)=C",
    "menthol": "CC(C)[C@@H]1CC[C@@H](C)C[C@H]1O",
    "2-octanol": "CCCCCC[C@H](C)O",
    "camphor": "CC1(C)[C@@H]2CC[C@@]1(C)C(=O)C2",
    "sulfoxide": "CCCC[S@](C)=O",
    "gamma-hexalactone": "CC[C@H]1CCC(=O)O1",
}


@pytest.mark.parametrize("smiles", HANDED.values(), ids=HANDED)
def test_the_mirror_image_has_the_negative(smiles):
    here, there = of(smiles), of(mirrored(smiles))
    assert len(here)
    np.testing.assert_array_equal(here, there * [1, -1])


@pytest.mark.parametrize("smiles", HANDED.values(), ids=HANDED)
def test_the_way_it_is_written_does_not_matter(smiles):
    mol = read_molecule(smiles).rdmol
    rng = np.random.default_rng(1)
    for _ in range(10):
        order = [int(i) for i in rng.permutation(mol.GetNumAtoms())]
        text = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
        np.testing.assert_array_equal(of(text), of(smiles))


@pytest.mark.parametrize("smiles", ["CCO", "CC(O)CC", "C/C=C/C=O", "[Cu]", "OC(=O)[C@H](O)[C@H](O)C(=O)O"])
def test_what_has_no_hand_has_no_features(smiles):
    assert of(smiles).shape == (0, 2)  # the last, meso-tartaric acid, is its own mirror image


def test_a_group_far_away_is_nearer_than_none():
    near, far = ("C[C@H](" + "C" * n + "O)CCCC" for n in (5, 12))

    def place(smiles):
        rows = of(smiles)
        return set(map(tuple, rows.tolist()))

    assert place(near) == place(far)


def test_homologues_have_a_hand_in_common():
    heptanol, octanol, other = of("CCCCC[C@H](C)O"), of("CCCCCC[C@H](C)O"), of("CCCCCC[C@@H](C)O")
    np.testing.assert_array_equal(heptanol, octanol)
    assert not np.array_equal(heptanol, other)
