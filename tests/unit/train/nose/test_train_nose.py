"""The command that trains the sensor transformer, on a few made-up substances."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from olfactory_transformer.cli import app
from olfactory_transformer.core.errors import DataError, ModelCorrupt, ModelForeign, RecordingError
from olfactory_transformer.inference.nose.evidence import Evidence
from olfactory_transformer.inference.nose.joined import join
from olfactory_transformer.inference.nose.predictor import NosePredictor
from olfactory_transformer.model.forest import read_forest
from olfactory_transformer.model.nose_checkpoint import load_nose, save_nose
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.features import features_of
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.train.nose.data import GAS, read_smellnet
from olfactory_transformer.train.nose.fit import run
from tests.smellnet import CHANNELS, SUBSTANCES, values, write_smellnet

GAS_PLACES = [CHANNELS.index(name) for name in GAS]


def recording(substance="clove", seconds=160, seed=5, names=CHANNELS):
    rows = values(substance, seconds, np.random.default_rng(seed)).astype(np.float32)
    kept = [CHANNELS.index(name) for name in names]
    return Recording(tuple(channel(name) for name in names), np.arange(float(seconds)), rows[:, kept])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nose")
    data = write_smellnet(folder / "data")
    command = [
        "train-sensors", "--data", str(data), "--out", str(folder / "run"), "--members", "2",
        "--held-out-members", "1", "--steps", "40", "--name", "small-nose", "--jobs", "2",
    ]  # fmt: skip
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    return folder, command, first


def test_what_it_learned_is_named(trained):
    nose = NosePredictor.from_pretrained(trained[0] / "run" / "model")
    assert nose.smells == SUBSTANCES and nose.version == "small-nose@0"
    for substance in SUBSTANCES:
        evidence = Evidence(nose.config)
        evidence.add(nose.read(recording(substance)))
        answer = evidence.answer()
        assert answer.ranked[0].name == substance
        assert sum(each.probability for each in answer.ranked) + answer.unknown == pytest.approx(1)


def test_the_figures_are_those_of_recordings_that_it_had_not_heard(trained):
    figures = json.loads((trained[0] / "run" / "figures.json").read_text())
    assert figures["recording top-1"] > 0.8  # six substances that differ: chance is a sixth
    assert figures["recording top-5"] >= figures["recording top-1"]
    assert figures["recording top-1, shift 2"] <= 1
    assert "small-nose" in (trained[0] / "run" / "model" / "README.md").read_text()


def test_a_second_run_trains_only_what_was_cut_off(trained):
    folder, command, first = trained
    path = next((folder / "run" / "final").glob("all-1-*.safetensors"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    others = set((folder / "run").rglob("*-*.safetensors")) - {path}
    before = {each: each.stat().st_mtime_ns for each in others}
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0 and again.stdout == first.stdout
    assert {each: each.stat().st_mtime_ns for each in others} == before
    assert path.read_bytes() == whole  # the same seed, the same weights


def test_the_room_and_the_common_level_change_nothing(trained):
    nose = NosePredictor.from_pretrained(trained[0] / "run" / "model")
    one = recording()
    changed = one.values.copy()
    changed[:, 7:] = recording("mint", seed=9).values[:, 7:] + 50
    other = nose.read(Recording(one.channels, one.times, changed))
    np.testing.assert_array_equal(nose.read(one).logits, other.logits)


def test_any_subset_of_channels_and_any_rate(trained):
    nose = NosePredictor.from_pretrained(trained[0] / "run" / "model")
    few = nose.read(recording(names=("CO", "VOC", "Temperature", "NO2")))
    assert few.channels == ("NO2", "VOC", "CO") and np.isfinite(few.logits).all()
    one = recording()
    fast = Recording(one.channels, np.arange(320) / 2, np.repeat(one.values, 2, axis=0))
    np.testing.assert_allclose(nose.read(fast).logits, nose.read(one).logits, atol=1e-4)
    with pytest.raises(RecordingError, match="at least 2 of NO2"):
        nose.read(recording(names=("CO", "Temperature")))


@pytest.mark.parametrize("seconds", [12, 99, 100, 101, 160, 2000])
def test_recordings_of_any_length(trained, seconds):
    nose = NosePredictor.from_pretrained(trained[0] / "run" / "model")
    said = nose.read(recording(seconds=seconds))
    assert len(said.ends) == max((seconds - 100) // 25 + 1, 1)
    assert (np.diff(said.ends) > 0).all() and said.ends[-1] <= seconds - 1
    np.testing.assert_allclose(np.linalg.norm(said.embeddings, axis=1), 1, atol=1e-5)


def test_a_gap_parts_a_recording(trained):
    nose = NosePredictor.from_pretrained(trained[0] / "run" / "model")
    one = recording(seconds=200)
    times = one.times + np.where(one.times >= 100, 300, 0)
    parted = nose.read(Recording(one.channels, times, one.values))
    np.testing.assert_array_equal(parted.ends, [99, 499])  # and none over the gap


def test_what_is_read_is_what_network_and_forest_say(trained):
    folder = trained[0] / "run" / "model"
    nose, network = NosePredictor.from_pretrained(folder), load_nose(folder)
    one = recording(seconds=100)
    said = features_of(one.values[None, :, GAS_PLACES], np.array(network.config.floors))
    logits, embeddings = run(network, said)
    forest = read_forest(folder / "forest.safetensors", said.flat.shape[1], len(SUBSTANCES))
    both, agreement = join(logits, said, forest)
    read = nose.read(one)
    np.testing.assert_allclose(read.logits, both, atol=1e-4)
    np.testing.assert_allclose(read.agreement, agreement, atol=1e-4)
    np.testing.assert_allclose(read.embeddings, embeddings, atol=1e-4)
    assert np.exp(read.logits).sum() == pytest.approx(1, abs=1e-3)


def test_the_forest_is_asked_of_whole_windows_with_all_channels_alone(trained):
    nose = NosePredictor.from_pretrained(trained[0] / "run" / "model")
    assert np.isfinite(nose.read(recording()).agreement).all()
    assert np.isnan(nose.read(recording(seconds=60)).agreement).all()
    assert np.isnan(nose.read(recording(names=("CO", "VOC", "NO2"))).agreement).all()


def test_a_model_without_a_forest_names_by_its_networks(trained, tmp_path):
    network = load_nose(trained[0] / "run" / "model")
    save_nose(network, tmp_path)
    read = NosePredictor(tmp_path).read(recording())
    assert np.isnan(read.agreement).all() and network.config.smells[read.logits.mean(0).argmax()] == "clove"


def test_broken_folders_are_refused(trained, tmp_path):
    folder = trained[0] / "run" / "model"
    for name in ("model.onnx", "config.json", "forest.safetensors"):
        copy = tmp_path / name
        copy.mkdir()
        for path in folder.iterdir():
            (copy / path.name).write_bytes(path.read_bytes()[: -9 if path.name == name else None])
        with pytest.raises(ModelCorrupt, match=name):
            NosePredictor(copy)
    with pytest.raises(ModelForeign, match="no manifest"):
        NosePredictor.from_pretrained(trained[0].parent)


def test_a_wrong_data_file_says_where(tmp_path):
    with pytest.raises(DataError, match=r"train\.csv\.gz: missing"):
        read_smellnet(tmp_path)
