"""A model folder that is not whole, ours or honest is a clear error that names the path; nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import onnx
import onnx.helper
import pytest
import torch

from olfactory_transformer import OlfactoryTransformer, ScentPredictor
from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.core.errors import ModelCorrupt, ModelError, ModelForeign, ModelNotFound

FILES = ("config.json", "model.onnx", "model.safetensors", "tokenizer.json", "README.md")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(1)
    config = ModelConfig(
        words=("fruity", "green"), ratings=("intensity",), width=16, layers=1, heads=2, feedforward=16, embedding=12
    )  # fmt: skip
    OlfactoryTransformer(config).save_pretrained(path)
    return path


@pytest.fixture
def folder(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "model"))


@pytest.fixture(params=["torch", "onnx"])
def load(request):
    """Both ways a folder is loaded."""
    if request.param == "torch":
        return OlfactoryTransformer.from_pretrained
    return lambda path: ScentPredictor.from_pretrained(path, threads=1)


def vouch(folder: Path, *names: str) -> None:
    """Make the manifest agree with the files, as somebody who alters a folder on purpose would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in names:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def edit(path: Path, **changes: object) -> None:
    found = json.loads(path.read_text())
    found.update(changes)
    path.write_text(json.dumps(found))


def refused(load, path: object, kind: type[ModelError], *said: str) -> None:
    with pytest.raises(kind) as caught:
        load(path)
    for part in (str(path), *said):
        assert part in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_the_whole_folder_loads(folder, load):
    load(folder)


@pytest.mark.parametrize("name", FILES)
class TestFiles:
    def test_missing(self, folder, load, name):
        (folder / name).unlink()
        refused(load, folder, ModelCorrupt, name, "missing")

    def test_truncated(self, folder, load, name):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
        refused(load, folder, ModelCorrupt, name, "truncated")

    def test_altered(self, folder, load, name):
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)
        refused(load, folder, ModelCorrupt, name, "altered")

    def test_a_folder_in_its_place(self, folder, load, name):
        (folder / name).unlink()
        (folder / name).mkdir()
        refused(load, folder, ModelCorrupt, name)


def test_not_a_folder(tmp_path, load):
    (tmp_path / "file").write_text("{}")
    refused(load, tmp_path / "file", ModelNotFound, "expected a folder")
    refused(load, tmp_path / "none", ModelNotFound, "olfactory-base-v1")


def test_empty_or_foreign_folder(tmp_path, load):
    refused(load, tmp_path, ModelForeign, "no manifest.json")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    refused(load, tmp_path, ModelForeign, "no manifest.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\x00\x01", '{"files": {}}'])
def test_broken_manifest(folder, load, text):
    (folder / "manifest.json").write_text(text)
    refused(load, folder, ModelError, "manifest.json")


@pytest.mark.parametrize("change", [{"format_version": 2}, {"format": "other"}, {"format_version": "1"}])
def test_another_version(folder, load, change):
    edit(folder / "manifest.json", **change)
    refused(load, folder, ModelForeign, "expected 'olfactory-transformer-model' version 1")


@pytest.mark.parametrize("files", [{}, [], None, "all", {"README.md": {}}])
def test_manifest_without_the_files(folder, load, files):
    edit(folder / "manifest.json", files=files)
    refused(load, folder, ModelCorrupt, "manifest.json")


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "sub/../../secret", "..", ".", "", "a/b", "\x00"]
)
def test_manifest_that_leaves_the_folder(folder, load, name):
    (folder.parent / "secret").write_text("x")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    refused(load, folder, ModelCorrupt)


@pytest.mark.parametrize("entry", [None, [], "abc", {}, {"bytes": "1"}, {"sha256": None, "bytes": None}])
def test_manifest_with_a_broken_entry(folder, load, entry):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["model.onnx"] = entry
    (folder / "manifest.json").write_text(json.dumps(manifest))
    refused(load, folder, ModelCorrupt, "model.onnx")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", FILES[:4])
@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_is_never_unpickled(folder, load, name, kind, tmp_path):
    sprung = tmp_path / "sprung"
    path = folder / name
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Trap(sprung)))
    else:
        torch.save({"weight": Trap(sprung)}, path)
    vouch(folder, name)
    try:
        load(folder)  # a loader need not look at the file that is for the other one
    except ModelError as error:
        assert str(folder) in str(error)
        refused_by_one = True
    else:
        refused_by_one = False
    assert not sprung.exists()
    assert refused_by_one or name in ("model.onnx", "model.safetensors")
    if kind == "pickle":  # the trap does work
        pickle.loads(path.read_bytes())
        assert sprung.exists()


def test_a_pickle_in_place_of_the_weights_is_refused(folder, tmp_path):
    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    vouch(folder, "model.safetensors")
    refused(OlfactoryTransformer.from_pretrained, folder, ModelCorrupt, "model.safetensors")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "BertModel"}, "expected 'OlfactoryTransformer'"),
        ({"type": None}, "type is"),
        ({"depth": 3}, "depth"),
        ({"words": []}, "'words'"),
        ({"words": "fruity"}, "words"),
        ({"words": ["a", 2]}, "words"),
        ({"width": "16"}, "width is"),
        ({"width": 0}, "width is"),
        ({"width": -16}, "width is"),
        ({"width": True}, "width is"),
        ({"width": 15}, "not a multiple"),
        ({"layers": 1.5}, "layers is"),
        ({"dropout": None}, "dropout is"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"thresholds": [0.5]}, "1 thresholds for 2 words"),
        ({"name": ["x"]}, "name is"),
    ],
)
def test_a_config_of_no_model(folder, load, change, said):
    edit(folder / "config.json", **change)
    vouch(folder, "config.json")
    refused(load, folder / ".", ModelForeign, "config.json", said)


@pytest.mark.parametrize("change", [{"words": ["a", "b", "c"]}, {"ratings": []}, {"embedding": 8}])
def test_a_config_of_another_shape(folder, load, change):
    edit(folder / "config.json", **change)
    vouch(folder, "config.json")
    refused(load, folder, ModelCorrupt, "config.json")


def test_a_config_of_another_size(folder):
    edit(folder / "config.json", layers=2, width=24)
    vouch(folder, "config.json")
    refused(OlfactoryTransformer.from_pretrained, folder, ModelCorrupt, "does not fit config.json")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", "\ufffe", "[" * 50_000])
def test_unreadable_json(folder, load, name, text):
    (folder / name).write_text(text)
    vouch(folder, name)
    refused(load, folder, ModelCorrupt, name)


def test_another_vocabulary(folder, load):
    edit(folder / "tokenizer.json", version=7)
    vouch(folder, "tokenizer.json")
    refused(load, folder, ModelForeign, "tokenizer.json", "version")


@pytest.mark.parametrize("data", [b"", b"not onnx", b"\x08\x0a"])
def test_a_graph_that_is_none(folder, data):
    (folder / "model.onnx").write_bytes(data)
    vouch(folder, "model.onnx")
    refused(ScentPredictor.from_pretrained, folder, ModelError, "model.onnx")


def test_a_graph_of_another_model(folder):
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "other", [value], [result])
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), str(folder / "model.onnx"))
    vouch(folder, "model.onnx")
    refused(ScentPredictor.from_pretrained, folder, ModelForeign, "a graph of x, y")


def test_links_are_followed_and_checked(folder, load, tmp_path):
    """Download caches keep files apart and link to them: fine, as long as the contents are those vouched for."""
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    load(linked)
    (linked / "model.onnx").unlink()
    (linked / "model.onnx").symlink_to(folder / "config.json")
    refused(load, linked, ModelCorrupt, "model.onnx")
    (linked / "model.onnx").unlink()
    (linked / "model.onnx").symlink_to(tmp_path / "nowhere")
    refused(load, linked, ModelCorrupt, "model.onnx", "missing")
