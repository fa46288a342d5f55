"""Whatever lies in a safetensors file is arrays or a typed error."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

from olfactory_transformer.core.errors import ModelCorrupt, ModelNotFound
from olfactory_transformer.model.arrays import check_arrays, read_arrays


def content(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(dtype="F32", shape=(1,), offsets=(0, 4), data=b"\0" * 4):
    return content({"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}, data)


def test_arrays_are_read_as_they_were_written(tmp_path):
    arrays = {
        "real": np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32),
        "whole": np.arange(4),
        "small": np.arange(-2, 2, dtype=np.int8),
        "letters": np.frombuffer(b"abc", np.uint8),
        "yes": np.array([True, False]),
        "none": np.zeros((0, 3), np.float32),
    }
    save_file(arrays, tmp_path / "x", {"a": "b"})
    found, metadata = read_arrays(tmp_path / "x")
    assert metadata == {"a": "b"} and found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


HOSTILE = {
    "empty": b"",
    "a few bytes": b"PK",
    "a length beyond the file": struct.pack("<Q", 100) + b"{}",
    "the largest length": b"\xff" * 8 + b"{}",
    "no JSON": content(b"{,}"),
    "no UTF-8": content(b'{"\xff": 1}'),
    "a list": content([]),
    "null": content(b"null"),
    "nested lists": content(b"[" * 200_000 + b"]" * 200_000),
    "nested objects": content(b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
    "nested metadata": content(b'{"__metadata__":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001),
    "metadata of numbers": content({"__metadata__": {"a": 1}}),
    "an entry of text": content({"a": "F32"}),
    "an entry without a type": content({"a": {"shape": [], "data_offsets": [0, 4]}}, b"\0" * 4),
    "a shape of text": one(shape="1"),
    "a negative size": one(shape=[-1]),
    "a size beyond 64 bits": one(shape=[2**70]),
    "a product beyond 64 bits": one(shape=[2**62, 2**62]),
    "no elements, by an impossible size": one(shape=[2**63, 0], offsets=[0, 0], data=b""),
    "no elements, by an impossible product": one(shape=[0, 2**40, 2**40], offsets=[0, 0], data=b""),
    "a hundred dimensions": one(shape=[1] * 100),
    "negative offsets": one(offsets=[-4, 0]),
    "offsets turned round": one(offsets=[4, 0]),
    "offsets of fractions": one(offsets=[0.0, 4.0]),
    "one offset": one(offsets=[0]),
    "offsets beyond the file": one(shape=[2], offsets=[0, 8]),
    "more bytes than the shape": one(offsets=[0, 8], data=b"\0" * 8),
    "bytes that nothing names": one(data=b"\0" * 8),
    "an unknown type": one(dtype="O"),
    "a type that is a number": one(dtype=3),
    "a type that NumPy lacks": one(dtype="BF16", shape=[2]),
    "a type that NumPy lacks, too": one(dtype="F8_E4M3", shape=[4]),
    "a type that we do not write": one(dtype="F16", shape=[2]),
    "booleans that are neither": one(dtype="BOOL", shape=[4], data=b"\0\1\2\xff"),
    "a pickle": b"\x80\x04.",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_such_file(tmp_path, data):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(ModelCorrupt, match=r"x\.safetensors: .*\w") as caught:
        read_arrays(path)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_no_file(tmp_path):
    with pytest.raises(ModelNotFound, match="no such file"):
        read_arrays(tmp_path / "x")


WHOLE = save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True])}, {"c": "d"})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=4), st.integers(0, 8))
def test_any_change_is_read_or_refused(tmp_path_factory, at, put, drop):
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    path.write_bytes(WHOLE[:at] + put + WHOLE[at + drop :])
    try:
        arrays, _ = read_arrays(path)
    except ModelCorrupt:
        return
    for array in arrays.values():
        array.sum()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"a": None}, "array 'a' is missing"),
        ({"c": np.zeros(1)}, "array 'c' is not expected"),
        ({"a": np.zeros((2, 3))}, r"'a' is float64 \(2, 3\), expected float32 \(2, 3\)"),
        ({"a": np.zeros((2, 4), np.float32)}, r"expected float32 \(2, 3\)"),
        ({"a": np.zeros(2, np.float32)}, r"'a' is float32 \(2,\), expected float32 \(rows, 3\)"),
        ({"b": np.zeros(3, np.int64)}, r"'b' is int64 \(3,\), expected int64 \(2,\)"),
        ({"a": np.full((2, 3), np.nan, np.float32)}, "'a' has NaN"),
        ({"a": np.full((2, 3), -np.inf, np.float32)}, "'a' has NaN or infinity"),
    ],
)
def test_arrays_other_than_expected(tmp_path, change, said):
    expected = {"a": (np.float32, ("rows", 3)), "b": (np.int64, ("rows",))}
    arrays = {"a": np.zeros((2, 3), np.float32), "b": np.zeros(2, np.int64)}
    check_arrays(tmp_path, arrays, expected)
    changed = {name: array for name, array in (arrays | change).items() if array is not None}
    with pytest.raises(ModelCorrupt, match=said):
        check_arrays(tmp_path, changed, expected)
