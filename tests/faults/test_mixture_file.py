"""A file of mixtures that is damaged or of another model is a clear error when it is loaded, and not later."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from olfactory_transformer.core.errors import ModelCorrupt, ModelForeign
from olfactory_transformer.inference.mixture_predictor import MixturePredictor
from olfactory_transformer.inference.mixtures import MixtureModel
from olfactory_transformer.model.folder import MIXTURES, resolve, write_manifest

SHIPPED = resolve("olfactory-base-v1") / MIXTURES
# The shipped file with fewer of everything, to be written often: embedding, words, their sum, twice the embedding,
# rated pairs and blends, molecules of both, hidden.
SMALL = {256: 6, 138: 4, 394: 10, 512: 12, 692: 9, 592: 8, 203: 7, 194: 5, 64: 8}


@pytest.fixture(scope="module")
def arrays():
    found = {
        name: array[np.ix_(*(range(SMALL.get(size, size)) for size in array.shape))]
        for name, array in load_file(SHIPPED).items()
    }
    return found | {"blends/molecule": found["blends/molecule"] % SMALL[194]}


@pytest.fixture(scope="module")
def values():
    with safe_open(SHIPPED, framework="numpy") as file:
        return json.loads(file.metadata()["values"]) | {"width": [SMALL[256], SMALL[138]]}


@pytest.fixture
def refused(tmp_path):
    def refused(arrays, values, said, error=ModelCorrupt):
        path = tmp_path / MIXTURES
        save_file(arrays, path, {"values": values if isinstance(values, str) else json.dumps(values)})
        with pytest.raises(error, match=said) as caught:
            MixtureModel.load(path)
        assert type(caught.value) is error and len(str(caught.value)) < 500

    return refused


def test_the_file_itself_is_fine(arrays, values, tmp_path):
    save_file(arrays, tmp_path / MIXTURES, {"values": json.dumps(values)})
    found = MixtureModel.load(tmp_path / MIXTURES)
    assert len(found.columns) == 53 and found.blends.embedding.dtype == np.float64


def test_without_networks(arrays, values, tmp_path):
    kept = {name: array for name, array in arrays.items() if "/net." not in name}
    save_file(kept, tmp_path / MIXTURES, {"values": json.dumps(values)})
    assert MixtureModel.load(tmp_path / MIXTURES).pairs.studies


def test_each_array_is_needed_and_none_but_them(arrays, values, refused):
    for name in arrays:
        refused({n: a for n, a in arrays.items() if n != name}, values, f"array '{name}' is missing")
    for name in ("foreign", "blends/foreign", "pairs/net.foreign", "other/key"):
        refused(arrays | {name: np.zeros(1, np.float32)}, values, f"array '{name}' is not expected")


def test_each_array_has_its_type_and_shape(arrays, values, refused):
    for name, array in arrays.items():
        refused(arrays | {name: array.astype(np.int8)}, values, f"'{name}' is int8")
        refused(arrays | {name: array[..., None].copy()}, values, f"'{name}' is ")
        refused(arrays | {name: np.concatenate([array, array[:1]])}, values, "expected ")
        if array.dtype == np.float32:
            spoilt = array.copy()
            spoilt.flat[-1] = np.inf
            refused(arrays | {name: spoilt}, values, f"'{name}' has NaN or infinity")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("blends/molecule", 5, "'blends/molecule' is 0 to 5, expected 0 to 4"),
        ("blends/molecule", -1, "expected 0 to 4"),
        ("blends/molecule", 2**62, "expected 0 to 4"),
        ("blends/log_dilution", 0.5, "'blends/log_dilution' is"),
        ("blends/log_dilution", -1e30, "'blends/log_dilution' is"),
        ("blends/words", 1.5, "'blends/words' is"),
        ("pairs/study", 7, "to 7, expected -1 to 6"),
        ("pairs/study", -2, "expected -1 to 6"),
        ("blends/spread", 0, "'blends/spread' has 0"),
        ("blends/by_words", -1, "'blends/by_words' has -1"),
        ("blends/words_spread", 0, "'blends/words_spread' has 0"),
        ("pairs/spread.logits", 0, "'pairs/spread.logits' has 0"),
        ("pairs/median.apart", -1, "'pairs/median.apart' has -1"),
    ],
)
def test_numbers_out_of_range(arrays, values, refused, name, value, said):
    changed = arrays[name].copy()
    changed.flat[0] = value
    refused(arrays | {name: changed}, values, said)


def test_a_kernel_that_grows_with_distance(arrays, values, refused):
    changed = arrays["blends/kernels"].copy()
    changed[-1, 0] = -1  # the power, which may be
    changed[-1, -2] = -2
    refused(arrays | {"blends/kernels": changed}, values, "'blends/kernels' has -2")


def test_a_blend_of_nothing(arrays, values, refused):
    present = arrays["blends/present"].copy()
    present[-1] = False
    refused(arrays | {"blends/present": present}, values, "a blend without components")


def test_no_pairs_at_all(arrays, values, refused):
    rows = {
        "study",
        "coefficients",
        *(f"anchor.{n}" for n in ("scalars", "apart", "product", "molecules")),
    }
    refused(arrays | {f"pairs/{n}": arrays[f"pairs/{n}"][:0] for n in rows}, values, "is empty")


def test_heads_that_do_not_divide(arrays, values, refused):
    heads = {
        f"pairs/net.attention.{n}": arrays[f"pairs/net.attention.{n}"][:, :3].copy()
        for n in ("weight", "bias")
    }
    refused(arrays | heads, values, "3 heads for 8 hidden units")


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"format": "olfactory-mixtures-9"}, ModelForeign, "format 'olfactory-mixtures-9', expected"),
        ({"format": None}, ModelForeign, "format NoneType"),
        ({"columns": ["Green"]}, ModelCorrupt, "expected float32"),
        ({"columns": "Green"}, ModelCorrupt, "'columns' is 'Green', expected a list of str"),
        ({"columns": [1] * 53}, ModelCorrupt, "expected a list of str"),
        ({"columns": []}, ModelCorrupt, "expected a list of str"),
        ({"studies": {"Snitz 1": 1}}, ModelCorrupt, "'studies' is"),
        ({"studies": ["Snitz 1"]}, ModelCorrupt, "expected float32"),
        ({"width": None}, ModelCorrupt, "'width' is None"),
        ({"width": [256]}, ModelCorrupt, "1 widths"),
        ({"width": [256.0, 138.0]}, ModelCorrupt, "expected a list of int"),
        ({"width": [True, True]}, ModelCorrupt, "expected a list of int"),
        ({"width": [-256, 138]}, ModelCorrupt, "expected float32"),
        ({"width": [10**30, 138]}, ModelCorrupt, "expected float32"),
    ],
)
def test_values_of_no_such_file(arrays, values, refused, change, error, said):
    refused(arrays, values | change, said, error)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "null", "[" * 100_000, '{"width":' * 100_000, '{"format": ' + "9" * 5000 + "}"],
)
def test_values_that_are_none(arrays, refused, text):
    refused(arrays, text, MIXTURES, ModelForeign)


def test_no_values(arrays, tmp_path):
    save_file(arrays, tmp_path / MIXTURES)
    with pytest.raises(ModelForeign):
        MixtureModel.load(tmp_path / MIXTURES)


@pytest.mark.parametrize("data", [b"", b"PK", b"\xff" * 16, b"\x02" + b"\0" * 7 + b"[]", b"\x80\x04."])
def test_no_such_file_at_all(tmp_path, data):
    (tmp_path / MIXTURES).write_bytes(data)
    with pytest.raises(ModelCorrupt, match=MIXTURES):
        MixtureModel.load(tmp_path / MIXTURES)


def test_the_mixtures_of_another_model(small_model, tmp_path):
    folder = shutil.copytree(small_model, tmp_path / "model")
    shutil.copy(SHIPPED, folder / MIXTURES)
    write_manifest(folder)
    with pytest.raises(ModelCorrupt, match="widths"):
        MixturePredictor.from_pretrained(folder)
