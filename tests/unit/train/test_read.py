import numpy as np
import pytest
from rdkit import Chem

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.train.read import read_training_set


def test_all_tasks_are_read_and_labels_stay_with_their_molecule(labelled):
    words = labelled.task("words")
    fruity = words.columns.index("fruity")
    ester = Chem.MolFromSmarts("C(=O)O[CH3]")  # what small_data calls fruity
    for molecule, values in zip(words.molecule, words.values, strict=True):
        assert bool(values[fruity]) == Chem.MolFromSmiles(labelled.smiles[molecule]).HasSubstructMatch(ester)
    assert {t.name for t in labelled.tasks} >= {"words", "ratings", "threshold", "odorless", "isomeric"}


def test_empty_labels_are_unknown_not_zero(labelled):
    isomeric = labelled.task("isomeric")
    assert np.isnan(isomeric.values[:, isomeric.columns.index("green")]).any()


def test_rows_that_cannot_be_read_are_listed(labelled):
    assert ("not a molecule" in {smiles for smiles, _ in labelled.refused}) and len(labelled.refused) == 4


def test_a_molecule_has_one_fold_in_all_files(labelled):
    assert len(labelled.smiles) == len(set(labelled.smiles)) == len(labelled.fold)
    assert set(labelled.fold) == {0, 1, 2, 3, 4}


def test_stereoisomers_share_a_fold(tmp_path):
    from olfactory_transformer.train.read import Builder

    builder = Builder()
    rows = [{"smiles": "CC(O)CC", "fold": "3"}, {"smiles": "C[C@H](O)CC"}, {"smiles": "C[C@@H](O)CC"}]
    builder.add("words", "binary", ["x"], rows, lambda row: [1.0], 1.0)
    built = builder.build()
    assert len(built.smiles) == 3 and set(built.fold) == {3}


def test_rows_of_gives_every_row_of_the_molecules_and_its_place(labelled):
    ratings = labelled.task("ratings")
    chosen = np.array([5, 2, 30])
    rows, place = ratings.rows_of(chosen)
    assert (ratings.molecule[rows] == chosen[place]).all()
    assert len(rows) == np.isin(ratings.molecule, chosen).sum() == 6


def test_a_missing_column_is_named(tmp_path, data_folder):
    import shutil

    shutil.copytree(data_folder, tmp_path / "copy")
    path = tmp_path / "copy" / "molecules" / "abraham2012.csv"
    path.write_text("smiles,odt\nCCO,1\n")
    with pytest.raises(DataError, match=r"abraham2012.csv: no column 'log_inv_odt'"):
        read_training_set(tmp_path / "copy")


def test_a_missing_folder_says_how_to_name_it(tmp_path):
    with pytest.raises(DataError, match="OLFACTORY_DATA_DIR"):
        read_training_set(tmp_path)
