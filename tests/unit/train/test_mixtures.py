import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from olfactory_transformer.core.errors import DataError, ModelCorrupt
from olfactory_transformer.inference.mixture_predictor import MixturePredictor
from olfactory_transformer.inference.mixtures import MixtureModel
from olfactory_transformer.model.arrays import read_arrays
from olfactory_transformer.train.blend_kernel import KernelConfig
from olfactory_transformer.train.mixture_data import (
    leave_molecules_out,
    molecule_sets,
    parse_blend,
    random_folds,
    read_blends,
    read_pairs,
)
from olfactory_transformer.train.mixtures import (
    MixtureConfig,
    answer_blends,
    answer_pairs,
    fit_blends,
    fit_pairs,
    score_blends,
    score_pairs,
    train_mixtures,
)

ALKANOLS = ["C" * n + "O" for n in range(1, 13)]
WORDS = ("Green", "Sweet", "Sour")
CONFIG = MixtureConfig(KernelConfig(kernels=2, steps=20), networks=1, steps=20)


def embed(smiles):
    length = np.array([len(s) for s in smiles], float)
    table = np.stack([np.sin(length * k) for k in range(1, 5)], 1)
    return table, 1 / (1 + np.exp(-table[:, :3]))


def smell(parts):
    """Made up: the mean of the components' first coordinates, weaker by dilution."""
    table = embed([smiles for smiles, _ in parts])[0]
    strength = np.array([4 + np.log10(dilution) for _, dilution in parts])[:, None]
    profile = np.abs(table[:, :3] * strength).mean(0)
    return [*profile, float(strength.mean()), float(profile[1])]


def write(path, header, rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    columns = [*WORDS, "Intensity", "Pleasantness"]
    blends = []
    for i in range(60):
        chosen = rng.choice(ALKANOLS, rng.integers(2, 4), replace=False)
        parts = [(s, float(rng.choice([1.0, 0.1, 0.01]))) for s in chosen]
        blends.append([f"A{i}", ";".join(f"{s}@{d}" for s, d in parts), *smell(parts)])
    write(tmp_path / "mixtures/dream2025_profiles.csv", ["mixture", "components", *columns], blends)
    singles = [[s, 0.1, "PG", "L", *smell([(s, 0.1)])[:-1], ""] for s in ALKANOLS]
    header = ["smiles", "dilution", "solvent", "Intensity_label", *columns]
    write(tmp_path / "molecules/dream2025_single.csv", header, singles)
    sets = [list(rng.choice(ALKANOLS, rng.integers(1, 4), replace=False)) for _ in range(40)]
    write(
        tmp_path / "mixtures/mixtures.csv",
        ["dataset", "mixture", "smiles"],
        [["Made up", i, ".".join(s)] for i, s in enumerate(sets)],
    )
    pairs = []
    for _ in range(80):
        i, j = rng.integers(0, len(sets), 2)
        a, b = (embed(sets[k])[0].mean(0) for k in (i, j))
        pairs.append(["Made up", float(i), float(j), min(1.0, np.abs(a - b).mean())])
    write(tmp_path / "mixtures/pairs.csv", ["dataset", "mixture_1", "mixture_2", "distance"], pairs)
    return tmp_path


def test_training_writes_a_file_that_says_the_same_when_loaded(folder, tmp_path):
    path = tmp_path / "mixtures.safetensors"
    model, figures = train_mixtures(folder, embed, path, CONFIG, score=False)
    again = MixtureModel.load(path)
    assert figures == {}
    assert again.columns == (*WORDS, "Intensity", "Pleasantness")
    stimuli = [[("CCO", 0.1), ("CCCO", 1.0)], [("CCCCO", 0.01)]]
    mixtures = MixturePredictor(again, embed)
    found = mixtures.profiles(stimuli)
    assert found.shape == (2, 5) and (found >= 0).all()
    np.testing.assert_array_equal(found, MixturePredictor(model, embed).profiles(stimuli))
    one_by_one = [mixtures.profiles([s])[0] for s in stimuli]
    np.testing.assert_allclose(found, one_by_one, atol=1e-9)
    turned = mixtures.profiles([stimuli[0][::-1]])[0]
    np.testing.assert_allclose(found[0], turned, atol=1e-9)


def test_distances_are_the_same_both_ways_and_between_0_and_1(folder, tmp_path):
    model, _ = train_mixtures(folder, embed, tmp_path / "m", CONFIG, score=False)
    mixtures = MixturePredictor(model, embed)
    a, b = [["CCO", "CCCO"], ["CO"]], [["CCCCO"], ["CO"]]
    there, back = mixtures.distances(a, b, ["Made up", "Other"]), mixtures.distances(b, a)
    assert ((there >= 0) & (there <= 1)).all()
    np.testing.assert_allclose(mixtures.distances(a, b), back, atol=1e-9)
    assert there[1] < there[0]
    assert mixtures.distances([], []).shape == (0,)


def test_a_network_of_other_widths_is_refused(folder, tmp_path):
    model, _ = train_mixtures(folder, embed, tmp_path / "m", CONFIG, score=False)
    with pytest.raises(DataError, match="widths"):
        MixturePredictor(model, lambda s: (embed(s)[0][:, :2], embed(s)[1])).profiles([[("CCO", 0.1)]])
    with pytest.raises(DataError, match="length"):
        MixturePredictor(model, embed).distances([["CCO"]], [])
    for wrong in ("CCO", None, 7):  # not one molecule a letter
        with pytest.raises(DataError, match=r"pair 1, second: .* list of SMILES"):
            MixturePredictor(model, embed).distances([["CCO"]], [wrong])
        with pytest.raises(DataError, match="list"):
            MixturePredictor(model, embed).distances(wrong, [["CCO"]])
    with pytest.raises(DataError, match="list of studies"):
        MixturePredictor(model, embed).distances([["CCO"]], [["CCO"]], "Made up")


def test_mixtures_may_be_told_in_any_kind_of_list(folder, tmp_path):
    mixtures = MixturePredictor(train_mixtures(folder, embed, tmp_path / "m", CONFIG, score=False)[0], embed)
    a, b = [["CCO", "CCCO"]], [["CO", "CCCCO"]]
    expected = mixtures.distances(a, b)
    for kind in (tuple, np.array, lambda side: (set(parts) for parts in side)):
        np.testing.assert_allclose(mixtures.distances(kind(a), kind(b)), expected, atol=1e-9)
    expected = mixtures.profiles([[("CCO", 0.1)]])
    for part in (["CCO", np.float64(0.1)], np.array(["CCO", 0.1], object), ("CCO", np.array(0.1))):
        np.testing.assert_array_equal(mixtures.profiles([[part]]), expected)


@pytest.mark.parametrize("name", ["columns", "studies"])
def test_a_file_with_a_name_twice_is_refused(folder, tmp_path, name):
    path = tmp_path / "m"
    train_mixtures(folder, embed, path, CONFIG, score=False)
    arrays, metadata = read_arrays(path)
    values = json.loads(metadata["values"])
    values[name] = [values[name][0]] * max(len(values[name]), 2)
    save_file(arrays, path, {"values": json.dumps(values)})
    with pytest.raises(ModelCorrupt, match="twice"):
        MixtureModel.load(path)


def test_a_rating_that_no_blend_has_is_refused(folder):
    paths = (folder / "mixtures/dream2025_profiles.csv", folder / "molecules/dream2025_single.csv")
    for path, rated in zip(paths, ("", "1.5"), strict=True):
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([head + ",Musky", *(f"{row},{rated}" for row in rows)]) + "\n")
    with pytest.raises(DataError, match="Musky"):
        read_blends(folder, embed)


def test_held_out_blends_and_pairs_are_predicted(folder):
    blends, pairs = (
        score_blends(read_blends(folder, embed), partial(answer_blends, config=CONFIG)),
        score_pairs(read_pairs(folder, embed), partial(answer_pairs, config=CONFIG)),
    )
    assert blends["profile_r"] > 0.8
    assert blends["intensity_r"] > 0.5
    assert blends.keys() == {"profile_r", "intensity_r", "pleasantness_r", "profile_r_molecules_out"}
    assert pairs.keys() == {"r", "rmse", "r_molecules_out", "rmse_molecules_out"}
    assert pairs["r"] > 0.5 and 0 < pairs["rmse"] < 0.3


def test_ratings_learned_from_come_back_in_their_units(folder):
    blends = read_blends(folder, embed)
    rows = np.arange(len(blends.values))
    found = fit_blends(blends, rows, CONFIG).predict(blends.components, blends.mixtures)
    known = np.isfinite(blends.values)
    assert np.abs(found - blends.values)[known].mean() < 0.1 * blends.values[known].std()


def test_intensity_does_not_shape_the_kernel(folder):
    blends = read_blends(folder, embed)
    rows, changed = np.arange(len(blends.values)), blends.values.copy()
    changed[:, blends.columns.index("Intensity")] = np.random.default_rng(0).random(len(rows)) * 9
    one, other = (fit_blends(each, rows, CONFIG) for each in (blends, replace(blends, values=changed)))
    np.testing.assert_array_equal(one.kernels, other.kernels)


def test_a_pair_is_told_by_what_was_learned_with_its_study_or_without(folder):
    pairs = read_pairs(folder, embed)
    config = replace(CONFIG, networks=0)
    model = fit_pairs(pairs, np.arange(len(pairs.values)), config)
    sides = pairs.components, pairs.first, pairs.second
    near = model.kernel(model.features(*sides))
    mean, (untold, told) = model.arrays["mean"][0], model.arrays["coefficients"].T
    without, within = (model.predict(*sides, study) for study in (None, list(pairs.study)))
    np.testing.assert_allclose(without, np.clip(mean + near @ untold, 0, 1), atol=1e-9)
    np.testing.assert_allclose(within, np.clip(mean + 2 * near @ told, 0, 1), atol=1e-9)
    for found in (without, within):
        assert np.abs(found - pairs.values).mean() < 0.5 * pairs.values.std()


def test_a_study_of_which_nothing_was_learned_is_one_that_is_not_known(folder):
    pairs = read_pairs(folder, embed)
    study = tuple("Other" if i % 2 else "Made up" for i in range(len(pairs.values)))
    rows = np.flatnonzero([each == "Made up" for each in study])
    model = fit_pairs(replace(pairs, study=study), rows, CONFIG)
    assert model.studies == ("Made up",)
    sides = pairs.components, pairs.first, pairs.second
    np.testing.assert_array_equal(model.predict(*sides, ["Other"] * len(study)), model.predict(*sides, None))


def test_extra_trees_are_scored_in_the_same_folds(folder, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    import mixture_trees

    found = mixture_trees.scores(folder, folder / "kept", 0)
    ours = score_pairs(read_pairs(folder, embed), partial(answer_pairs, config=CONFIG))
    assert found["pairs"].keys() == ours.keys()
    assert found["dream2025_profiles"]["profile_r"] > 0.3
    pairs = read_pairs(folder, embed)
    turned = replace(pairs, first=pairs.second, second=pairs.first)
    np.testing.assert_allclose(mixture_trees._pair_inputs(pairs), mixture_trees._pair_inputs(turned))


def test_the_same_seed_gives_the_same_models(folder):
    pairs = read_pairs(folder, embed)
    rows = np.arange(50)
    a, b = (fit_pairs(pairs, rows, CONFIG).arrays for _ in range(2))
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_pairs_are_alike_whichever_side_comes_first(folder):
    pairs, rows = read_pairs(folder, embed), np.arange(50)
    model = fit_pairs(pairs, rows, replace(CONFIG, networks=0))
    there = model.kernel(model.features(pairs.components, pairs.first, pairs.second))
    back = model.kernel(model.features(pairs.components, pairs.second, pairs.first))
    np.testing.assert_allclose(there, back, atol=1e-9)
    np.testing.assert_allclose(there[rows], there[rows].T, atol=1e-6)
    np.testing.assert_allclose(there[rows, rows], 1, atol=1e-6)
    assert (there > 0).all() and (there < 1 + 1e-9).all()


def test_molecules_that_no_rated_pair_has_make_pairs_less_alike(folder):
    pairs = read_pairs(folder, embed)
    sets = [a | b for a, b in zip(molecule_sets(pairs.first), molecule_sets(pairs.second), strict=True)]
    train, test, _ = next(leave_molecules_out(sets))
    model = fit_pairs(pairs, train, replace(CONFIG, networks=0))
    features = model.features(pairs.components, pairs.first, pairs.second)
    assert (features["strange"][train] == 0).all() and (features["strange"][test] > 0).any()
    told = model.kernel(features)
    assert (told <= model.kernel(features | {"strange": 0 * features["strange"]})).all()
    assert (told[test] < 1).all()


def test_a_pair_is_answered_on_the_scale_of_the_study_that_is_told(folder):
    pairs, rows = read_pairs(folder, embed), np.arange(80)
    study = tuple("AB"[i % 2] for i in rows)
    values = np.where(rows % 2, 0.4, 1.0) * pairs.values
    model = fit_pairs(replace(pairs, study=study, values=values), rows, replace(CONFIG, networks=0))
    sides = pairs.components, pairs.first, pairs.second
    a, b, neither = (model.predict(*sides, names).mean() for names in (["A"] * 80, ["B"] * 80, None))
    assert a > neither + 0.02 > b + 0.04


def test_an_unknown_rating_is_left_out_of_its_column_alone(folder):
    data = read_blends(folder, embed)
    model = fit_blends(data, np.arange(len(data.values)))
    assert np.isnan(data.values[data.single, -1]).all()
    assert np.isfinite(model.coefficients).all()
    assert (model.coefficients[data.single, -1] == 0).all()
    assert (model.coefficients[data.single, 0] != 0).all()


def test_only_molecules_trained_on_are_kept(folder):
    data = read_blends(folder, embed)
    sets = molecule_sets(data.mixtures)
    rows = np.array([i for i, s in enumerate(sets) if 0 not in s])
    assert len(fit_blends(data, rows).key) == len(data.components.key) - 1


def test_folds_never_share_a_set_or_a_molecule(folder):
    sets = molecule_sets(read_blends(folder, embed).mixtures)
    tested = []
    for train, test in random_folds(sets):
        assert not {sets[i] for i in train} & {sets[i] for i in test}
        tested += test.tolist()
    assert sorted(tested) == list(range(len(sets)))
    for train, test, left in leave_molecules_out(sets):
        assert not any(sets[i] & left for i in train)
        assert all(sets[i] & left for i in test)


@pytest.mark.parametrize("text", ["CCO", "@0.1", "CCO@0", "CCO@x", "CCO@0.1;", ""])
def test_a_blend_that_cannot_be_read_names_its_row(text):
    with pytest.raises(DataError, match="row 7"):
        parse_blend(text, "row 7")


def test_a_pair_of_an_unknown_mixture_is_named(folder):
    with (folder / "mixtures/pairs.csv").open("a") as file:
        file.write("Made up,1.0,99.0,0.5\n")
    with pytest.raises(DataError, match="row 81: no mixture '99'"):
        read_pairs(folder, embed)
