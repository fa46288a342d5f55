"""Pre-training on small data: what it is not told, and what it says of that."""

import numpy as np
import pytest

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.core.errors import DataError
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train import structures
from olfactory_transformer.train.fit import FitConfig
from olfactory_transformer.train.pretrain import TRUNK, pretrain, saw_boiling_points
from olfactory_transformer.train.read import connectivities, connectivity
from olfactory_transformer.train.structures import read_structures

LISTED = {"CCCO": 370.0, "C[C@H](O)CC": 372.0, "CCCCCO": 411.0, "CCCCC": float("nan")}


@pytest.fixture(autouse=True)
def listed(monkeypatch):
    monkeypatch.setattr(structures, "listed_compounds", lambda: LISTED)


def test_boiling_points_of_labelled_molecules_are_held_back_with_their_stereoisomers(tmp_path):
    (tmp_path / "labelled.csv").write_text("smiles,word\nC[C@@H](O)CC,1\nnot a molecule,1\n")
    labelled = connectivities(tmp_path / "labelled.csv")
    assert labelled == {connectivity(read_molecule("CCC(C)O"))}
    every = read_structures(tmp_path / "every.npz").task("boiling")
    assert sorted(every.values[:, 0]) == [370, 372, 411]
    some = read_structures(tmp_path / "some.npz", held_back=labelled)
    assert sorted(some.task("boiling").values[:, 0]) == [370, 411]
    assert len(some.smiles) == 4  # the structure itself is learned


def test_a_trunk_says_whether_it_saw_them(tmp_path):
    model = ModelConfig(
        words=("none",), ratings=("none",), width=16, layers=1, heads=2, feedforward=16, embedding=8
    )
    config = FitConfig(epochs=1, batch_size=4, masked_share=0.5, device="cpu")
    pretrain(tmp_path / "a", model, config)
    pretrain(tmp_path / "b", model, config, held_back={"no such"})
    assert saw_boiling_points(tmp_path / "a" / TRUNK) and not saw_boiling_points(tmp_path / "b" / TRUNK)
    assert not saw_boiling_points(None)
    # A run that is called again has the structures it began with, and does not claim otherwise.
    pretrain(tmp_path / "a", model, config, held_back={"no such"})
    assert saw_boiling_points(tmp_path / "a" / TRUNK)


def test_structures_of_before_are_read_as_not_held_back(tmp_path):
    np.savez(tmp_path / "structures.npz", smiles=np.array(["C"]))
    assert not structures.boiling_held_back(tmp_path / "structures.npz")


@pytest.mark.parametrize("arrays", [{"smiles": np.array(["C"])}, None])
def test_structures_of_before_or_damaged_are_named(tmp_path, arrays):
    path = tmp_path / "structures.npz"
    path.write_bytes(b"not an archive") if arrays is None else np.savez(path, **arrays)
    with pytest.raises(
        DataError, match=r"structures\.npz: not structures\.npz of this version's .* delete it"
    ):
        read_structures(path)
