"""Teachers and their soft labels on small data: what they may learn from, and what a student gets of it."""

from dataclasses import replace

import numpy as np
import pytest

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.dense import DenseConfig
from olfactory_transformer.train.distil import SoftLabels, digest, read_inputs, soft_labels
from olfactory_transformer.train.features import BITS, read_features
from olfactory_transformer.train.finetune import finetune, recipe
from olfactory_transformer.train.fit import FitConfig
from olfactory_transformer.train.pool import odorant_like
from olfactory_transformer.train.read import connectivity
from olfactory_transformer.train.structures import structure_smiles
from olfactory_transformer.train.tasks import MODEL_TASKS

POOL = ["CCCCCCCCC(=O)OC", "CCCCCCCCCC=O", "CCCCCCCCCC(=O)O", "CCCCCCCCCc1ccc(O)cc1", "CCCCCCCCC=CCO"]
QUICK = DenseConfig(epochs=20, batch_size=8, learning_rate=3e-3)


@pytest.fixture(scope="module")
def inputs(labelled, tmp_path_factory):
    return read_inputs(labelled, POOL, tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def taught(labelled, inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    return soft_labels(labelled, POOL, inputs, folder, 0, QUICK, made_from="these labels")


def test_unlabelled_structures_get_the_word_of_their_group(labelled, taught):
    words = labelled.task("words").columns
    best = [words[i] for i in taught.values["words"].argmax(1)]
    assert best == ["fruity", "fatty", "sour", "spicy", "green"]


def test_every_task_is_answered_for_the_pool_and_for_what_was_held_out(labelled, taught):
    for name in MODEL_TASKS:
        task = labelled.task(name)
        held_out = (labelled.fold[task.molecule] == 0).sum()
        assert taught.values[name].shape == (len(POOL), len(task.columns))
        assert taught.held_out[f"blend/{name}"].shape == (held_out, len(task.columns))
        if task.kind == "binary":
            assert 0 <= taught.values[name].min() <= taught.values[name].max() <= 1


def test_nothing_is_learned_from_the_fold_that_is_held_out(labelled, inputs, taught, tmp_path):
    """Turning all labels of the fold round changes no answer."""

    def turned(task):
        values = task.values.astype(np.float32)
        values[labelled.fold[task.molecule] == 0] = 1 - values[labelled.fold[task.molecule] == 0]
        return replace(task, values=values)

    other = replace(labelled, tasks=[turned(task) for task in labelled.tasks])
    again = soft_labels(other, POOL, inputs, tmp_path, 0, QUICK)
    for name, values in taught.values.items():
        np.testing.assert_array_equal(values, again.values[name], err_msg=name)


def test_what_is_saved_is_read_again(taught, tmp_path):
    taught.save(tmp_path / "fold-0.npz")
    again = SoftLabels.load(tmp_path / "fold-0.npz")
    assert again.made_from == "these labels"
    assert again.smiles == POOL and again.held_out.keys() == taught.held_out.keys()
    for name, values in taught.values.items():
        np.testing.assert_allclose(values, again.values[name], rtol=1e-2, atol=1e-3)


def test_a_killed_teacher_goes_on_to_the_same_answers(labelled, inputs, tmp_path):
    """With the first network finished and the others not, the answers are those of a run in one go."""
    whole = soft_labels(labelled, POOL, inputs, tmp_path / "whole", 0, QUICK)
    (tmp_path / "killed").mkdir()
    first = "network-0.safetensors"
    (tmp_path / "killed" / first).write_bytes((tmp_path / "whole" / first).read_bytes())
    again = soft_labels(labelled, POOL, inputs, tmp_path / "killed", 0, QUICK)
    for name, values in whole.values.items():
        np.testing.assert_array_equal(values, again.values[name], err_msg=name)


def test_the_digest_follows_what_is_learned_from(labelled):
    one = digest(labelled, POOL, QUICK)
    assert one == digest(labelled, POOL, QUICK)
    others = {
        digest(labelled, POOL[:-1], QUICK),
        digest(labelled, POOL, replace(QUICK, epochs=21)),
        digest(replace(labelled, tasks=labelled.tasks[1:]), POOL, QUICK),
        digest(replace(labelled, fold=labelled.fold[::-1].copy()), POOL, QUICK),
    }
    assert len({one, *others}) == 5


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "fold-0.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"fold-0\.npz: not soft labels"):
        SoftLabels.load(path)
    with pytest.raises(DataError, match=r"not structures\.npz"):
        structure_smiles(path)


def test_a_student_trains_on_both_and_the_held_out_fold_stays_out(labelled, taught, tmp_path):
    lessons = taught.added_to(labelled)
    assert len(lessons.smiles) == len(labelled.smiles) + len(POOL)
    assert (lessons.fold[-len(POOL) :] == -1).all()
    words = lessons.task("words")
    np.testing.assert_array_equal(words.values[-len(POOL) :], taught.values["words"])
    config, dropout = recipe(student=True)
    assert dropout < recipe(student=False)[1] and config.epochs < recipe(student=False)[0].epochs
    from olfactory_transformer.core.config import ModelConfig

    columns = {
        name: labelled.task(name).columns for name in ("words", "isomeric", "ratings", "profile", "atlas")
    }
    model = ModelConfig(**columns, width=16, layers=1, heads=2, feedforward=16, embedding=8)
    _, fitted = finetune(
        lessons,
        tmp_path,
        trunk=None,
        model=model,
        config=FitConfig(epochs=1, batch_size=8, device="cpu"),
        hold_out=0,
    )
    assert fitted.epochs == 1 and 0 <= fitted.score <= 1


def test_soft_labels_of_other_columns_are_refused(labelled, taught):
    wrong = replace(taught, values={**taught.values, "words": taught.values["words"][:, :2]})
    with pytest.raises(DataError, match=r"words: got shape \(5, 2\), expected \(5, 6\)"):
        wrong.added_to(labelled)


def test_features_are_computed_once_for_the_same_molecules(tmp_path, monkeypatch):
    path = tmp_path / "f.npz"
    first = read_features(["CCO", "CCCO"], path)
    stamp = path.stat().st_mtime_ns
    again = read_features(["CCO", "CCCO"], path)
    assert path.stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first.descriptors, again.descriptors)
    for kind, table in first.counts.items():
        assert table.any()
        np.testing.assert_array_equal(table, again.counts[kind])
    other = read_features(["CCO"], path).counts
    assert {kind: table.shape for kind, table in other.items()} == {k: (1, bits) for k, bits in BITS.items()}


def test_no_structure_of_the_pool_is_a_labelled_molecule(labelled):
    listed = [
        "OCCC",
        "CCCO",
        "CCCCCCCCCO",
        "[Na+].[Cl-]",
        "not a molecule",
        "C",
        "FC(F)(F)C(F)(F)F",
        *labelled.smiles,
    ]
    found = odorant_like(listed, labelled, seed=3)
    known = {connectivity(read_molecule(s)) for s in labelled.smiles}
    assert sorted(found) == ["CCCCCCCCCO", "CCCO"]
    assert not {connectivity(read_molecule(s)) for s in found} & known
    assert len(odorant_like(listed, labelled, size=1)) == 1
