"""A reference index that is damaged or of another model is a clear error, never a strange distance."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from olfactory_transformer import OlfactoryTransformer, ScentPredictor
from olfactory_transformer.core.errors import ModelCorrupt
from olfactory_transformer.model import checkpoint
from olfactory_transformer.model.folder import MANIFEST, REFERENCE, write_manifest


@pytest.fixture
def folder(small_model, tmp_path):
    return shutil.copytree(small_model, tmp_path / "model")


def refused(folder, said=REFERENCE):
    with pytest.raises(ModelCorrupt, match=said) as caught:
        ScentPredictor.from_pretrained(folder, threads=1)
    assert len(str(caught.value)) < 1000


def test_missing_truncated_or_altered(folder):
    path = folder / REFERENCE
    data = path.read_bytes()
    for damaged in (None, data[:-5], data[:-1] + bytes([data[-1] ^ 1])):
        path.unlink(missing_ok=True)
        if damaged is not None:
            path.write_bytes(damaged)
        refused(folder)


def test_one_that_nobody_vouches_for(folder):
    index = (folder / REFERENCE).read_bytes()
    (folder / REFERENCE).unlink()
    write_manifest(folder)
    ScentPredictor.from_pretrained(folder, threads=1)
    (folder / REFERENCE).write_bytes(index)
    refused(folder, f"{MANIFEST}: does not list {REFERENCE}")


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 16, b"\x02" + b"\0" * 7 + b"{}", b"\x02" + b"\0" * 7 + b"[]", b"\x80\x04."]
)
def test_no_index_at_all(folder, data):
    (folder / REFERENCE).write_bytes(data)
    write_manifest(folder)
    refused(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("codes", np.zeros((40, 11), np.int8)),
        ("codes", np.zeros((40, 12), np.uint8)),
        ("codes", np.zeros((0, 12), np.int8)),
        ("smiles", np.frombuffer(b"C\nC", np.uint8)),
        ("smiles", np.frombuffer(b"\xff", np.uint8)),
        ("scale", np.full(12, np.nan, np.float32)),
        ("scale", np.ones(3, np.float32)),
        ("distances", np.arange(101, 0, -1).astype(np.float32)),
        ("distances", np.zeros(5, np.float32)),
        ("heavy_atoms", np.zeros(2, np.int64)),
        ("heavy_atoms", np.zeros(1, np.float64)),
        ("elements", None),
    ],
)
def test_an_index_of_no_model(folder, name, value):
    arrays = load_file(folder / REFERENCE)
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    save_file(arrays, folder / REFERENCE)
    write_manifest(folder)
    refused(folder)


def test_new_weights_do_not_keep_the_index_of_the_old_ones(folder, monkeypatch):
    # The graph would be the same, and takes seconds.
    monkeypatch.setattr(checkpoint, "export_onnx", lambda model, path: None)
    OlfactoryTransformer.from_pretrained(folder).save_pretrained(folder)
    assert not (folder / REFERENCE).exists()
    assert ScentPredictor.from_pretrained(folder, threads=1).reference is None
