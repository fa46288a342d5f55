"""Teachers and their soft labels on small data: what they may learn from, and what a student gets of it."""

from dataclasses import replace

import numpy as np
import pytest

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train import teacher
from olfactory_transformer.train.dense import DenseConfig
from olfactory_transformer.train.distil import SoftLabels, digest, read_inputs, soft_labels
from olfactory_transformer.train.features import BITS, read_features
from olfactory_transformer.train.finetune import finetune, recipe
from olfactory_transformer.train.fit import FitConfig
from olfactory_transformer.train.pool import Pool, read_pool
from olfactory_transformer.train.read import connectivity
from olfactory_transformer.train.structures import structure_smiles
from olfactory_transformer.train.tasks import MODEL_TASKS

SMILES = ["CCCCCCCCC(=O)OC", "CCCCCCCCCC=O", "CCCCCCCCCC(=O)O", "CCCCCCCCCc1ccc(O)cc1", "CCCCCCCCC=CCO"]
POOL = Pool(
    [*SMILES, "CCCCCCCCCCC"], np.array([-1, -1, 1, 4, -1, 0])
)  # the last is made of what fold 0 holds out
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
        assert taught.values[name].shape == (len(SMILES), len(task.columns))
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
    assert again.smiles == SMILES and again.held_out.keys() == taught.held_out.keys()
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
        digest(labelled, replace(POOL, smiles=POOL.smiles[::-1]), QUICK),
        digest(labelled, replace(POOL, fold=np.full(6, -1)), QUICK),
        digest(labelled, POOL, replace(QUICK, epochs=21)),
        digest(replace(labelled, tasks=labelled.tasks[1:]), POOL, QUICK),
        digest(replace(labelled, fold=labelled.fold[::-1].copy()), POOL, QUICK),
    }
    assert len({one, *others}) == 6


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
    assert len(lessons.smiles) == len(labelled.smiles) + len(SMILES)
    assert (lessons.fold[-len(SMILES) :] == -1).all()
    words = lessons.task("words")
    np.testing.assert_array_equal(words.values[-len(SMILES) :], taught.values["words"])
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
    pool = read_pool(listed, labelled, made=0, seed=3)
    known = {connectivity(read_molecule(s)) for s in labelled.smiles}
    assert sorted(pool.smiles) == ["CCCCCCCCCO", "CCCO"] and (pool.fold == -1).all()
    assert not {connectivity(read_molecule(s)) for s in pool.smiles} & known
    assert len(read_pool(listed, labelled, listed=1, made=0).smiles) == 1


def test_analogues_are_made_of_the_molecules_of_one_fold(labelled):
    """Where only the molecules of fold 4 have sulphur, only their analogues do."""
    others = [f"{'C' * i}OCCS" if labelled.fold[i] == 4 else s for i, s in enumerate(labelled.smiles)]
    data = replace(labelled, smiles=others)
    pool = read_pool(["CCCCCCCCCO"], data, made=50)
    assert pool.smiles[0] == "CCCCCCCCCO"
    assert [int((pool.fold == k).sum()) for k in range(-1, 5)] == [1, 10, 10, 10, 10, 10]
    with_sulphur = {int(f) for s, f in zip(pool.smiles, pool.fold, strict=True) if "S" in s}
    assert with_sulphur == {4}
    known = {connectivity(read_molecule(s)) for s in data.smiles}
    assert not {connectivity(read_molecule(s)) for s in pool.smiles} & known
    assert 4 not in pool.fold[pool.outside(4)] and len(pool.outside(4)) == 41
    assert len(pool.outside(5)) == 51


def test_volatility_is_told_by_the_networks_that_do_not_see_minimol(labelled, inputs, tmp_path):
    """Whatever MiniMol says of a molecule, its boiling point stays as it was; its words do not."""
    asked = [labelled.task("volatility"), labelled.task("words")]
    quick = replace(QUICK, epochs=1)
    one = teacher.teach(labelled, inputs, np.arange(20), asked, tmp_path / "1", quick).networks
    minimol = -inputs.others["minimol"]
    turned = replace(inputs, others={**inputs.others, "minimol": minimol})
    other = teacher.teach(labelled, turned, np.arange(20), asked, tmp_path / "2", quick).networks
    np.testing.assert_array_equal(one["volatility"], other["volatility"])
    assert np.abs(one["words"] - other["words"]).max() > 0
