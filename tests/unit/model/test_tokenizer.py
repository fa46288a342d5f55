from __future__ import annotations

import json

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from olfactory_transformer.core.errors import ModelCorrupt, ModelForeign, ModelNotFound
from olfactory_transformer.model import vocabulary as voc
from olfactory_transformer.model.tokenizer import MoleculeTokenizer, collate
from olfactory_transformer.molecules import Molecule, read_molecule

MOLECULES = [
    "C", "CCO", "COc1cc(C=O)ccc1O", "C[C@H](N)C(=O)O", "CC(C)=CCC/C(C)=C/CO", "C[N+](C)(C)CC(=O)[O-]", "C#CC=C=C",
    "C[C@H](CCCC(C)C)[C@H]1CC[C@@H]2[C@@]1(CC[C@H]3[C@H]2CC=C4[C@@]3(CC[C@@H](C4)O)C)C", "C12C3C4C1C5C2C3C45",
    "[Cu]", "[H]/N=C/C", "O=C1CCCCCCCCCCCCCCC1", "C" * 200, "FS(F)(F)(F)(F)F", "C$C",
]  # fmt: skip
tokenizer = MoleculeTokenizer()


def tokens(smiles):
    return tokenizer(read_molecule(smiles))


def feature(smiles, name):
    """Return the values of a feature by the vocabulary's names, an atom each."""
    column = list(voc.ATOM_FEATURES).index(name)
    values = (*voc.ATOM_FEATURES[name], "unknown")
    return [values[code - voc.atom_offsets()[name]] for code in tokens(smiles).atoms[:, column]]


def relation(smiles, i, j):
    return voc.RELATIONS[tokens(smiles).relations[i, j]]


@pytest.mark.parametrize("smiles", MOLECULES)
def test_arrays(smiles):
    found = tokens(smiles)
    n = read_molecule(smiles).rdmol.GetNumAtoms()
    assert len(found) == n
    assert found.atoms.shape == (n, len(voc.ATOM_FEATURES)) and found.atoms.dtype == np.uint8
    assert found.relations.shape == (n, n) and found.relations.dtype == np.uint8
    assert (found.relations == found.relations.T).all()
    assert (np.diag(found.relations) == voc.RELATIONS.index("self")).all()
    assert (found.relations[~np.eye(n, dtype=bool)] > voc.RELATIONS.index("self")).all()
    assert found.atoms.min() > voc.MASK and found.atoms.max() < voc.atom_codes() <= 256
    for column, (name, values) in enumerate(voc.ATOM_FEATURES.items()):
        codes = found.atoms[:, column] - voc.atom_offsets()[name]
        assert (codes <= len(values)).all()


@pytest.mark.parametrize("smiles", MOLECULES)
def test_another_order_of_the_atoms_permutes_the_arrays(smiles):
    molecule = read_molecule(smiles)
    one, n = tokenizer(molecule), molecule.rdmol.GetNumAtoms()
    order = np.random.default_rng(5).permutation(n)
    mol = Chem.RenumberAtoms(molecule.rdmol, [int(i) for i in order])
    other = tokenizer(Molecule(smiles, molecule.smiles, mol))
    assert (other.atoms == one.atoms[order]).all()
    assert (other.relations == one.relations[np.ix_(order, order)]).all()
    assert other.unknown == one.unknown


@pytest.mark.parametrize("smiles", MOLECULES)
def test_another_spelling_has_the_same_tokens(smiles):
    molecule = read_molecule(smiles)
    atoms = sorted(map(tuple, tokenizer(molecule).atoms.tolist()))
    relations = np.sort(tokenizer(molecule).relations, axis=None)
    for spelling in Chem.MolToRandomSmilesVect(molecule.rdmol, 3, randomSeed=3):
        other = tokens(spelling)
        assert sorted(map(tuple, other.atoms.tolist())) == atoms
        assert (np.sort(other.relations, axis=None) == relations).all()


def test_relations():
    assert relation("CC", 0, 1) == "SINGLE"
    assert relation("C=C", 0, 1) == "DOUBLE"
    assert relation("C#N", 0, 1) == "TRIPLE"
    assert relation("C$C", 0, 1) == "OTHER"
    assert relation("c1ccccc1", 0, 1) == "AROMATIC:ring"
    assert relation("C1CC1", 0, 1) == "SINGLE:ring"
    assert relation("C/C=C/C", 1, 2) == "DOUBLE:E"
    assert relation("C/C=C\\C", 1, 2) == "DOUBLE:Z"
    assert relation("CC=CC", 1, 2) == "DOUBLE"  # without stereo given
    assert relation("C" * 13, 0, 12) == "distance:12"
    assert relation("C" * 14, 0, 13) == "far"
    # Substituents two, three and four bonds apart over a ring, and the ring's own atoms.
    assert relation("CCC", 0, 2) == "distance:2"
    assert [relation("c1ccccc1", 0, i) for i in (2, 3)] == ["distance:2:ring", "distance:3:ring"]


def test_ortho_meta_and_para_differ():
    found = [
        np.sort(tokens(smiles).relations, axis=None).tolist()
        for smiles in ("Cc1ccccc1O", "Cc1cccc(O)c1", "Cc1ccc(O)cc1")
    ]
    assert found[0] != found[1] != found[2] != found[0]


def test_mirror_images_differ_in_sign_alone():
    left, right, none = (tokens(smiles) for smiles in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CC(N)C(=O)O"))
    assert len(left.hands) and not len(none.hands)
    np.testing.assert_array_equal(left.hands, right.hands * [1, -1])
    for field in ("atoms", "relations", "environments"):
        np.testing.assert_array_equal(getattr(left, field), getattr(right, field))


def test_features():
    assert feature("C[N+](C)(C)C", "charge")[1] == "1"
    assert feature("CCO", "hydrogens") == ["3", "2", "1"]
    assert feature("CC#N", "hybridisation") == ["SP3", "SP", "SP"]
    assert feature("Cc1ccco1", "ring") == ["0", "a5", "a5", "a5", "a5", "a5"]
    assert feature("C1CC12CCC2", "ring")[2] == "3"  # the smaller of two
    assert feature("C1CCCCCCCCCCC1", "ring")[0] == "8"  # and above
    assert feature("CC(C)Br", "degree") == ["1", "3", "1", "1"]


def test_unknown_values_are_counted():
    assert tokens("CCO").unknown == 0
    assert feature("[Cu]", "element") == ["unknown"] and tokens("[Cu]").unknown == 1
    assert tokens("C[Na]").unknown == 1
    assert feature("[C-10]", "charge") == ["unknown"]
    assert tokens("C[Na].C").unknown == 1
    assert tokens("OCl(=O)(=O)=O").unknown == 1  # Cl+3


def test_collate_pads_with_zeros():
    batch = collate([tokens("CCO"), tokens("C")], 5)
    assert batch.atoms.shape == (2, 5, len(voc.ATOM_FEATURES)) and batch.relations.shape == (2, 5, 5)
    assert (batch.atoms[0, :3] == tokens("CCO").atoms).all() and not batch.atoms[0, 3:].any()
    assert (batch.relations[0, :3, :3] == tokens("CCO").relations).all()
    assert not batch.relations[1, 1:].any() and not batch.relations[1, :, 1:].any()
    assert collate([tokens("CCO")]).atoms.shape[1] == 3


def test_the_vocabulary_has_no_doubles():
    assert len(set(voc.RELATIONS)) == len(voc.RELATIONS) <= 256
    assert voc.RELATIONS[0] == "pad"
    for values in voc.ATOM_FEATURES.values():
        assert len(set(values)) == len(values)


def test_saved_and_loaded(tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = MoleculeTokenizer.from_pretrained(tmp_path)
    molecule = read_molecule("COc1cc(C=O)ccc1O")
    assert (again(molecule).atoms == tokenizer(molecule).atoms).all()
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]


def reorder(found):
    features = found["atom_features"]
    found["atom_features"] = dict(reversed(features.items()))


@pytest.mark.parametrize(
    "alter",
    [
        lambda found: found.update(version=1),
        lambda found: found.update(type="BertTokenizer"),
        lambda found: found["relations"].reverse(),
        lambda found: found["atom_features"]["element"].append("Xe"),
        lambda found: found["atom_features"].pop("ring"),
        lambda found: found.pop("relations"),
        reorder,
    ],
)
def test_another_vocabulary_is_refused(tmp_path, alter):
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    found = json.loads(path.read_text())
    alter(found)
    path.write_text(json.dumps(found))
    with pytest.raises(ModelForeign, match="vocabulary version 2") as caught:
        MoleculeTokenizer.from_pretrained(tmp_path)
    assert str(path) in str(caught.value)


def test_no_tokenizer_file(tmp_path):
    with pytest.raises(ModelCorrupt, match="missing"):
        MoleculeTokenizer.from_pretrained(tmp_path)
    with pytest.raises(ModelNotFound, match="no-such-model"):
        MoleculeTokenizer.from_pretrained("no-such-model")


@pytest.mark.parametrize("smiles", MOLECULES)
def test_the_fingerprint_is_rdkits_count_fingerprint(smiles):
    generator = rdFingerprintGenerator.GetMorganGenerator(
        radius=voc.FINGERPRINT_RADIUS, fpSize=voc.FINGERPRINT_BITS
    )
    expected = generator.GetCountFingerprintAsNumPy(read_molecule(smiles).rdmol).clip(0, 255)
    np.testing.assert_array_equal(collate([tokens(smiles)]).fingerprint[0], expected)


@pytest.mark.parametrize("smiles", ["CCO", "COc1cc(C=O)ccc1O", "C12C3C4C1C5C2C3C45"])
def test_substructures_lie_where_they_say(smiles):
    """Each is made of the atoms within its radius: all of them, and only they, make its place in the fingerprint."""
    mol = read_molecule(smiles).rdmol
    generator = rdFingerprintGenerator.GetMorganGenerator(
        radius=voc.FINGERPRINT_RADIUS, fpSize=voc.FINGERPRINT_BITS
    )
    for place, centre, radius in tokens(smiles).environments.tolist():
        assert radius <= voc.FINGERPRINT_RADIUS
        assert generator.GetCountFingerprint(mol, fromAtoms=[centre])[place] >= 1
