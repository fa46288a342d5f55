from __future__ import annotations

import numpy as np
import pytest

from olfactory_transformer.model.folder import REFERENCE
from olfactory_transformer.model.reference import unit
from olfactory_transformer.train import reference as made
from olfactory_transformer.train.read import Builder
from olfactory_transformer.train.tasks import TrainingSet

SMILES = [
    "CCCO",
    "CCCCO",
    "CCC=O",
    "CC(C)O",
    "CCOC",
    "CCCCC",
    "CC(=O)C",
    "C[C@H](O)CC",
    "C[C@@H](O)CC",
    "CCCl",
]


@pytest.fixture
def data(monkeypatch) -> TrainingSet:
    builder = Builder()
    for smiles in SMILES:
        builder.molecule(smiles)
    found = builder.build()
    monkeypatch.setattr(made, "listed_connectivities", lambda: {builder.connectivity[0]})
    folds = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, -1])
    return TrainingSet(found.smiles, found.tokens, folds)


@pytest.fixture
def embedding() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(SMILES), 16)).astype(np.float32)


def test_an_index_of_what_was_learned(data, embedding):
    found = made.build_reference(data, embedding)
    assert found.smiles == ("CCCO", *[""] * 8)  # unlabelled structures are left out, unlisted ones not named
    assert found.domain.heavy_atoms == 5 and found.domain.elements == ("C", "H", "O")
    np.testing.assert_allclose(found.vectors, unit(embedding[:9]), atol=0.01)
    assert found.distances.shape == (101,) and (np.diff(found.distances) >= 0).all()


def test_a_fold_that_was_held_out_gives_the_distances(data, embedding):
    found = made.build_reference(data, embedding, hold_out=1)
    assert len(found.codes) == 6
    seen = unit(embedding[[0, 1, 2, 3, 7, 8]])
    nearest = np.sort(1 - unit(embedding[4:7]) @ seen.T, axis=1)[:, :5].mean(1)
    np.testing.assert_allclose(found.distances[[0, 100]], [nearest.min(), nearest.max()], atol=1e-5)


def test_stereoisomers_are_no_neighbours_of_one_left_out():
    vectors = unit(np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32))
    found = made.left_out_distances(vectors, ["a", "a", "b", "c"])
    expected = [1 - (0 + 0.6) / 2, 1 - (0 + 0.6) / 2, 1 - (0 + 0.8) / 2, 1 - (0.6 + 0.8) / 2]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_index_is_written_whole_or_not_at_all(data, embedding, tmp_path, monkeypatch):
    from pathlib import Path

    (tmp_path / "config.json").write_text("{}")
    made.write_reference(tmp_path, made.build_reference(data, embedding))
    before = (tmp_path / REFERENCE).read_bytes()

    def full(path, contents):
        with path.open("wb") as file:
            file.write(contents[:100])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        made.write_reference(tmp_path, made.build_reference(data, embedding, hold_out=1))
    assert (tmp_path / REFERENCE).read_bytes() == before
