"""What boards write, in any format, whole or broken."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.sensors.lines import BrokenLine, LineReader, Said


@pytest.mark.parametrize(
    "line",
    [
        b"NO2=216,CO=830",
        b"NO2: 216 CO: 830\r\n",
        b"NO2=216; CO=830",
        b'{"NO2": 216, "CO": 830}',
        b'{"values": {"NO2": 216, "CO": 830}}',
        b"\xef\xbb\xbfNO2=216 CO=830",
    ],
)
def test_the_same_in_every_format(line):
    assert LineReader().read(line).values == {"NO2": 216.0, "CO": 830.0}


@pytest.mark.parametrize("delimiter", [b",", b";", b"\t"])
def test_a_header_names_the_columns(delimiter):
    reader = LineReader()
    assert reader.read(delimiter.join([b"t", b"seq", b"Temperature [degC]", b"CO"])).header
    said = reader.read(delimiter.join([b"1.5", b"7", b"25.5", b""]))
    assert (said.device_time, said.number, said.values["Temperature"]) == (1.5, 7, 25.5)
    assert math.isnan(said.values["CO"])


def test_without_a_header_columns_are_numbered_or_named():
    assert LineReader().read(b"1,2").values == {"c1": 1.0, "c2": 2.0}
    assert LineReader(("NO2", "CO")).read(b"1 2").values == {"NO2": 1.0, "CO": 2.0}


def test_a_checksum_is_checked():
    text = b"NO2=216,CO=830"
    stated = 0
    for each in text:
        stated ^= each
    assert LineReader().read(b"%s*%02X" % (text, stated)).values["CO"] == 830
    with pytest.raises(BrokenLine, match="checksum"):
        LineReader().read(b"%s*%02X" % (text, stated ^ 1))


def test_what_stands_for_no_value():
    said = LineReader().read(b"a=nan b=4294967295 c=ovf d=1")
    assert [math.isnan(said.values[name]) for name in "abcd"] == [True, True, True, False]


def test_a_greeting_is_passed_over_and_words_between_frames_are_not():
    reader = LineReader()
    assert reader.read(b"Nose v1.2 ready") == Said({})
    assert reader.read(b"# warming up") == Said({})
    assert reader.read(b"1,2").values
    with pytest.raises(BrokenLine, match="numbers"):
        reader.read(b"Nose v1.2 ready")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"1,2,3", "3 values, expected 2"),
        (b"1,zwei", "expected numbers"),
        (b"CO=1,5 NO2=2", "pairs"),  # a decimal comma
        (b'{"CO": [1]}', "list"),
        (b'{"CO": ', "broken JSON"),
        (b"\xff\xfe", "no text"),
        (b"CO=1\x00", "control"),
        (b"CO=" + b"1" * 5000, "at most 4096"),
    ],
)
def test_broken_lines_say_what_is_wrong(line, told):
    reader = LineReader()
    reader.read(b"1,2")
    with pytest.raises(BrokenLine, match=told):
        reader.read(line)


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_are_a_frame_or_a_broken_line(lines):
    reader = LineReader()
    for line in lines:
        try:
            said = reader.read(line)
        except BrokenLine:
            continue
        assert all(isinstance(value, float) for value in said.values.values())
