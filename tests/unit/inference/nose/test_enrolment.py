import contextlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.core.errors import FileFormatError, RecordingError
from olfactory_transformer.inference.nose.enrolment import Enrolled, enrol, from_bytes, place, to_bytes
from olfactory_transformer.inference.nose.fake import FakeNose

sys.path.insert(0, str(Path(__file__).parent))
from smelling import recording

NOSE = FakeNose()


def coffee(count: int = 3) -> Enrolled:
    return enrol(NOSE, "coffee", [recording(seed=seed) for seed in range(count)], "board-1")


def test_a_recording_is_one_point_of_length_one():
    smell = coffee()
    assert smell.prototypes.shape == (3, 16) and smell.prototypes.dtype == np.float32
    assert np.linalg.norm(smell.prototypes, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert (smell.recordings, smell.model_version, smell.sensor_id) == (3, NOSE.version, "board-1")
    assert smell.channels == ("NO2", "CO", "VOC")  # the room is none of them
    assert smell.spread is not None and 0 < smell.spread < 0.05
    assert coffee(1).spread is None


def test_a_channel_that_one_recording_lacks_is_not_claimed():
    smell = enrol(NOSE, "coffee", [recording(), recording(seed=1, channels=("CO", "VOC"))])
    assert smell.channels == ("CO", "VOC")


def test_more_recordings_are_added():
    both = coffee(2).with_more(enrol(NOSE, "coffee", [recording(seed=9)], "board-2"))
    assert both.recordings == 3 and both.sensor_id is None
    with pytest.raises(FileFormatError, match="forget those first"):
        coffee(2).with_more(enrol(FakeNose(version="made-up-nose@2"), "coffee", [recording(seed=9)]))


def test_bytes_come_back():
    smell = coffee()
    again = from_bytes(to_bytes(smell))
    assert np.array_equal(again.prototypes, smell.prototypes)
    for field in ("name", "model_version", "channels", "sensor_id"):
        assert getattr(again, field) == getattr(smell, field)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "format version 2, expected 1"),
        ({"type": "other"}, "not a smell"),
        ({"width": 0}, "expected rows of 0 numbers"),
        ({"width": 5}, "expected rows of 5 numbers"),
        ({"prototypes": ""}, "0 bytes"),
        ({"prototypes": "A" * 1024, "counts": ""}, "not of length 1"),
        ({"prototypes": "!"}, "not a smell"),
        ({"name": "unknown"}, "not 'unknown'"),
        ({"name": " a"}, "printable"),
        ({"more": 1}, "not a smell"),
    ],
)
def test_wrong_bytes_are_refused_with_the_reason(change, said):
    stored = json.loads(to_bytes(coffee())) | change
    with pytest.raises(FileFormatError, match=said) as caught:
        from_bytes(json.dumps(stored).encode(), "smells.json, smell 1")
    assert str(caught.value).startswith("smells.json, smell 1: ")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_typed_error(data):
    with pytest.raises(FileFormatError):
        from_bytes(data)


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_damaged_bytes_are_a_smell_or_a_typed_error(at, damage):
    data = bytearray(to_bytes(coffee(1)))
    at %= len(data)
    data[at : at + len(damage)] = damage
    with contextlib.suppress(FileFormatError):
        assert from_bytes(bytes(data)).recordings


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101, "unknown", "a\x1b[2J"])
def test_names_that_are_none(name):
    with pytest.raises(FileFormatError, match="expected 1 to 100 printable"):
        enrol(NOSE, name, [recording()])


def test_no_recording_or_one_of_nothing():
    with pytest.raises(RecordingError, match="one or more"):
        enrol(NOSE, "coffee", [])
    with pytest.raises(RecordingError, match="a gas sensor"):
        enrol(NOSE, "coffee", [recording(channels=("Temperature",))])


def test_windows_that_cancel_out_still_have_a_place():
    assert place(np.array([[1, 0], [-1, 0]], np.float32)).tolist() == [-1, 0]
