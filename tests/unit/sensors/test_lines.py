"""What boards write, in any format, whole or broken."""

from __future__ import annotations

import json
import math
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olfactory_transformer.sensors.lines import FORMATS, BrokenLine, LineReader, Said


def xor(text):
    return reduce(lambda a, b: a ^ b, text, 0)


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
    stated = xor(text)
    assert LineReader().read(b"%s*%02X" % (text, stated)).values["CO"] == 830
    with pytest.raises(BrokenLine, match="checksum"):
        LineReader().read(b"%s*%02X" % (text, stated ^ 1))


def test_what_stands_for_no_value():
    said = LineReader().read(b"a=nan b=4294967295 c=ovf d=1")
    assert [math.isnan(said.values[name]) for name in "abcd"] == [True, True, True, False]


BOOT = [
    b"Nose v1.2 ready",
    b"ets Jun  8 2016 00:22:57",
    b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
    b"configsip: 0, SPIWP:0xee",
    b"mode:DIO, clock div:1",
    b"load:0x3fff0018,len:4",
    b"entry 0x400806ac",
]


@pytest.mark.parametrize("line", BOOT)
def test_what_a_board_says_when_it_starts(line):
    reader = LineReader()
    assert reader.read(line) == Said({})  # the first time it is no restart
    assert reader.read(b"1,2").values
    assert reader.read(line) == Said({}, starts=True)
    assert reader.read(b"1,2").values == {"c1": 1.0, "c2": 2.0}
    assert len(reader.messages) == 2


def test_words_for_people_are_kept_and_are_no_start():
    reader = LineReader()
    reader.read(b"CO=1")
    assert reader.read(b"warming up, please wait") == reader.read(b"# note") == Said({})
    assert list(reader.messages) == ["'warming up, please wait'", "'note'"]


def test_a_greeting_with_a_comma_does_not_name_columns():
    reader = LineReader()
    reader.read(b"Welcome,friend")  # which looks like a header, until three lines do not fit
    for _ in range(2):
        with pytest.raises(BrokenLine, match="3 values, expected 2"):
            reader.read(b"1,2,3")
    assert reader.read(b"1,2,3").values == {"c1": 1.0, "c2": 2.0, "c3": 3.0}


def test_a_header_that_came_again_and_another():
    reader = LineReader()
    assert reader.read(b"NO2,CO") == Said({}, header=True)
    reader.read(b"1,2")
    assert reader.read(b"NO2,CO") == Said({}, header=True, starts=True)
    reader.read(b"#CO,VOC,LPG")
    assert reader.read(b"1,2,3,").values == {"CO": 1.0, "VOC": 2.0, "LPG": 3.0}  # with a comma at the end
    with pytest.raises(BrokenLine, match="twice"):
        reader.read(b"CO,CO")


def test_units_are_kept():
    reader = LineReader()
    reader.read("Temperature (°C);Gas_Resistance [kΩ];mq3 (V);Humidity".encode())
    reader.read(b"21.5;70;1.2;40")
    assert [(each.name, each.unit, each.kind) for each in reader.channels] == [
        ("Temperature", "degC", "temperature"),
        ("Gas_Resistance", "kOhm", "gas"),
        ("mq3", "V", "gas"),
        ("Humidity", "%", "humidity"),
    ]
    reader = LineReader()
    assert reader.read(b"Temperature: 21.50 *C, Humidity: 40%").values == {
        "Temperature": 21.5,
        "Humidity": 40.0,
    }
    assert [each.unit for each in reader.channels] == ["degC", "%"]


@pytest.mark.parametrize(
    ("header", "cell", "seconds", "wraps"),
    [
        (b"t", b"2.5", 2.5, None),
        (b"millis", b"2500", 2.5, 2**32 * 1e-3),
        (b"time[ms]", b"2500", 2.5, 2**32 * 1e-3),
        (b"t_us", b"2500000", 2.5, 2**32 * 1e-6),
        (b"timestamp", b"1764000000000", 1764000000.0, None),
        (b"timestamp_ms", b"1764000000000", 1764000000.0, None),
        (b"time", b"2025-11-24T16:00:00Z", 1764000000.0, None),
    ],
)
def test_the_boards_clock(header, cell, seconds, wraps):
    reader = LineReader()
    reader.read(header + b",CO")
    said = reader.read(cell + b",1")
    assert said.device_time == pytest.approx(seconds) and said.values == {"CO": 1.0}
    assert said.wraps == (None if wraps is None else pytest.approx(wraps))


def test_words_are_no_channels():
    reader = LineReader()
    assert reader.read(b'{"device": "nose-1", "fan": "on", "heater": true, "CO": "830"}').values == {
        "heater": 1.0,
        "CO": 830.0,
    }
    assert reader.words == {"device": "nose-1", "fan": "on"}
    with pytest.raises(BrokenLine, match="not a number"):
        reader.read(b'{"CO": "8e"}')  # which was a number before
    assert reader.read(b"id=7 CO=1").values == {"CO": 1.0} and reader.words["id"] == "7"


def test_what_sense_read_prints_can_be_read():
    line = b'{"time": 1764000000.5, "source": "x", "sequence": 3, "device_time": 7.5, "values": {"CO": 1, "VOC": null}}'
    said = LineReader().read(line)
    assert (said.device_time, said.number, list(said.values)) == (1764000000.5, 3, ["CO", "VOC"])


def test_a_line_that_may_lack_its_beginning():
    for line in (b"30,2,38", b"16 CO=830", b"O2,CO,VOC"):
        with pytest.raises(BrokenLine):
            LineReader().read(line, whole=False)
    for line in (b'{"CO": 1}', b"CO=1*%02X" % xor(b"CO=1"), b"1,2*%02X" % xor(b"1,2")):
        assert LineReader().read(line, whole=False).values
    assert LineReader().read(b"NO2,CO", whole=False).header


def test_it_does_not_settle_how_many_columns_there_are():
    reader = LineReader()
    with pytest.raises(BrokenLine):
        reader.read(b"30,2", whole=False)
    assert len(reader.read(b"216,830,2").values) == 3


def test_a_header_that_lacked_its_beginning_is_given_up():
    reader = LineReader()
    assert reader.read(b"CO,VOC", whole=False).header
    told = []
    for _ in range(4):
        try:
            told.append(list(reader.read(b"216,830,2").values))
        except BrokenLine as error:
            told.append(str(error))
    assert told == ["3 values, expected 2"] * 2 + [["c1", "c2", "c3"]] * 2


def test_names_that_were_given_stand():
    reader = LineReader(("NO2", "CO"))
    reader.read(b"A,B")
    assert list(reader.read(b"1,2").values) == ["NO2", "CO"]
    for _ in range(5):
        with pytest.raises(BrokenLine, match="3 values, expected 2"):
            reader.read(b"1,2,3")


def test_frames_without_a_checksum_were_cut_where_others_have_one():
    reader = LineReader()
    reader.read(b"216,830*%02X" % xor(b"216,830"))
    with pytest.raises(BrokenLine, match="no checksum"):
        reader.read(b"216,83")
    assert reader.read(b"$216,830*%02X" % xor(b"216,830")).values


@pytest.mark.parametrize(
    ("stated", "line"),
    [("json", b"CO=1"), ("json", b"1,2"), ("pairs", b"1,2"), ("csv", b"CO=1"), ("csv", b"{}")],
)
def test_a_format_that_is_stated_is_held_to(stated, line):
    with pytest.raises(BrokenLine):
        LineReader(line_format=stated).read(line)


def test_names_cannot_grow_without_end():
    reader = LineReader()
    with pytest.raises(BrokenLine, match="different channels"):
        for at in range(500):
            reader.read(f"x{at}=1".encode())
    assert len(reader.channels) == 400
    with pytest.raises(BrokenLine, match="at most 200"):
        LineReader().read(b",".join([b"1"] * 201))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"1,2,3", "3 values, expected 2"),
        (b"1,zwei", "expected numbers"),
        (b"1.x,2", "expected numbers"),
        (b"21,5;830", "decimal comma"),
        (b"CO=1,5 NO2=2", "pairs"),  # a decimal comma
        (b"CO=1 CO=2", "twice"),
        (b'{"CO": 1, "CO": 2}', "twice"),
        (b"CO=83x", "not a number"),
        (b"seq=1.5 CO=1", "whole"),
        (b"t=now CO=1", "neither seconds"),
        (b"seq=1", "no channel"),
        (b'{"a<b": 1}', "called"),
        (b'{"CO": {"ppm": 1}}', "an object"),
        (b"[" * 4000, "expected numbers"),
        (b'{"CO": ' + b"[" * 4000, "broken JSON"),
        (b"CO=1_000", "not a number"),
        (b'{"CO": [1]}', "a list"),
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


ANY_LINE = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(str.encode),
    # What boards write, with anything in the places of names and values.
    st.text(alphabet="NO2CVt,;:=*{}[]\"'0123456789.-+eE#$ \t%nanoul", max_size=60).map(str.encode),
    st.dictionaries(
        st.sampled_from(["CO", "t", "millis", "seq", "id", "values", ""]) | st.text(max_size=5),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.lists(st.integers()),
        max_size=5,
    ).map(lambda found: json.dumps(found).encode()),
    st.lists(
        st.tuples(
            st.sampled_from(["CO", "t", "millis", "t_us", "seq", "Temperature (C)"]),
            st.integers().map(str) | st.floats().map(str) | st.text(max_size=8),
        ),
        max_size=5,
    ).map(lambda found: " ".join("=".join(pair) for pair in found).encode()),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(ANY_LINE, st.booleans()), max_size=8), st.sampled_from(FORMATS))
def test_any_bytes_are_a_frame_or_a_broken_line(lines, line_format):
    reader = LineReader(line_format=line_format)
    for line, whole in lines:
        try:
            said = reader.read(line, whole=whole)
        except BrokenLine as error:
            assert str(error)
            continue
        assert all(isinstance(value, float) and not math.isinf(value) for value in said.values.values())
        assert said.number is None or isinstance(said.number, int)
        assert said.device_time is None or math.isfinite(said.device_time)


VALUES = st.dictionaries(
    st.sampled_from(["NO2", "CO", "VOC", "mq3", "Gas_Resistance"]),
    st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    min_size=2,
)


@given(VALUES, st.integers(0, 10**6), st.sampled_from(["pairs", "csv", "json"]), st.booleans())
def test_what_was_written_is_what_is_read(values, number, line_format, checked):
    fields = {"seq": number, **values}
    lines = {
        "pairs": [" ".join(f"{name}={value}" for name, value in fields.items())],
        "csv": [",".join(fields), ",".join(map(str, fields.values()))],
        "json": [json.dumps(fields)],
    }[line_format]
    reader = LineReader()
    for line in lines:
        said = reader.read(line.encode() + (b"*%02x" % xor(line.encode()) if checked else b"") + b"\r\n")
    assert (said.values, said.number) == (values, number)
