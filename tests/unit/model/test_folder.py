from __future__ import annotations

import json

import pytest

from olfactory_transformer.core.errors import ModelCorrupt, ModelForeign, ModelNotFound
from olfactory_transformer.model.folder import (
    MOLECULES,
    bundled_models,
    read_json,
    resolve,
    verify,
    write_json,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path):
    for name in (*MOLECULES.required, "README.md"):
        (tmp_path / name).write_text(f"contents of {name}")
    write_manifest(tmp_path)
    return tmp_path


def test_the_hash_is_that_of_the_contents(folder):
    before = verify(folder)
    assert len(before) == 64 and verify(folder) == before
    (folder / "README.md").write_text("another card")
    write_manifest(folder)
    assert verify(folder) != before


def test_the_manifest_lists_all_but_itself(folder):
    (folder / "manifest.json.part").write_text("left by a save that was interrupted")
    write_manifest(folder)
    assert set(json.loads((folder / "manifest.json").read_text())["files"]) == {
        *MOLECULES.required,
        "README.md",
    }
    verify(folder)


@pytest.mark.parametrize("name", MOLECULES.required)
def test_every_file_that_is_read_has_to_be_listed(folder, name):
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"][name]
    write_json(folder / "manifest.json", manifest)
    with pytest.raises(ModelCorrupt, match="does not list " + name):
        verify(folder)


def test_resolve(tmp_path):
    assert resolve(tmp_path) == tmp_path == resolve(str(tmp_path))
    assert resolve("olfactory-base-v1").name == "olfactory-base-v1" in bundled_models()
    for name in ("no-such", "../olfactory-base-v1", "", "a\0b", "x" * 5000, str(tmp_path / "file")):
        (tmp_path / "file").write_text("")
        if name == "":
            continue  # the current folder
        with pytest.raises(ModelNotFound, match="expected a folder"):
            resolve(name)


def test_json_is_written_whole(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"ü": 1})
    with pytest.raises(TypeError):
        write_json(path, {"ü": object()})
    assert read_json(path) == {"ü": 1}


@pytest.mark.parametrize(
    ("contents", "reason"),
    [(b"{", "not readable"), (b"\xff\xfe{}", "not readable"), (b"[1]", "a JSON list"), (b"[" * 99999, "not readable")],
)  # fmt: skip
def test_json_that_is_none(tmp_path, contents, reason):
    path = tmp_path / "a.json"
    path.write_bytes(contents)
    with pytest.raises(ModelCorrupt, match=reason) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_no_manifest(tmp_path):
    with pytest.raises(ModelForeign, match="no manifest"):
        verify(tmp_path)
