import contextlib
import csv
import gzip
import io
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.sensors.files import Limits, read_recording, read_recordings
from olfactory_transformer.sensors.recording import Recording

SMELLNET = (
    "substance,recording,t,NO2,C2H5OH,VOC,CO,Alcohol,LPG,Benzene,Temperature,Pressure,Humidity,Gas_Resistance,Altitude\n"
    "mint,mint.1,0,216,305,494,830,2,38,4294967295,25.53,1022.84,27.95,69.69,-48.33\n"
    "mint,mint.1,1,215,304,492,828,3,38,0,25.53,1022.84,27.96,70.51,-48.33\n"
)


def of(text, limits=None):
    return read_recording(io.BytesIO(text.encode() if isinstance(text, str) else text), limits)


def refused(text, limits=None):
    with pytest.raises(RecordingError) as caught:
        of(text, limits)
    return caught.value


def test_the_columns_of_smellnet():
    found = of(SMELLNET)
    assert found.names == tuple(SMELLNET.split("\n")[0].split(",")[3:])
    assert found.times.tolist() == [0, 1]
    assert found.notes == {"substance": "mint", "recording": "mint.1"}
    assert [(c.unit, c.kind) for c in found.channels[6:8]] == [("count", "gas"), ("degC", "temperature")]
    # -1 without its sign
    assert np.isnan(found.values[0, 6]) and found.values[1, 6] == 0
    np.testing.assert_array_equal(found.values[:, 7], np.float32([25.53, 25.53]))


def test_without_a_time_a_frame_a_second_is_assumed():
    found = of("NO2,CO\n1,2\n3,4\n5,6\n")
    assert found.times.tolist() == [0, 1, 2]
    assert found.notes == {"times": "assumed: one frame a second"}


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("t", ["0", "0.5"], [0, 0.5]),
        ("time", ["1764000000", "1764000001"], [1764000000, 1764000001]),
        ("Timestamp", ["1764000000500", "1764000001500"], [1764000000.5, 1764000001.5]),
        ("timestamp", ["2025-11-24T16:00:00Z", "2025-11-24T17:00:01.5+01:00"], [1764000000, 1764000001.5]),
        ("time", ["2025-11-24 16:00:00", "2025-11-24 16:00:01"], [1764000000, 1764000001]),
        ("millis", ["100", "1100"], [0.1, 1.1]),
    ],
)
def test_times(name, cells, expected):
    found = of(f"{name},CO\n{cells[0]},1\n{cells[1]},2\n")
    assert found.times.tolist() == expected
    assert found.names == ("CO",)


def test_an_empty_row_among_others_is_a_moment():
    found = of("CO,VOC\n1,2\n,\n\n3,4\n,\n")
    assert found.times.tolist() == [0, 1, 2] and np.isnan(found.values[1]).all()
    assert refused("CO,VOC\n1,2\n,\n3,no\n").row == 2


def test_of_several_clocks_the_first_counts():
    found = of("t,time,CO\n0,yesterday,1\n1,,2\n")
    assert found.times.tolist() == [0, 1] and found.names == ("CO",)


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "null", "N/A", "4294967295", "inf", "-inf", "1e300"])
def test_cells_that_are_no_value(cell):
    found = of(f"CO,VOC\n{cell},1\n5,2\n")
    assert np.isnan(found.values[0, 0]) and found.values[1].tolist() == [5, 2]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffNO2,CO\r\n1.5,2\r\n3,4\r\n",
        "NO2;CO\n1.5;2\n3;4",
        "NO2;CO\n1,5;2\n3;4\n",
        "NO2\tCO\n1,5\t2\n3\t4\n",
        '"NO2","CO"\n"1.5","2"\n\n"3","4"\n\n',
        " NO2 , CO \n 1.5 , 2 \n 3 , 4 \n",
        "NO2,CO,\n1.5,2,\n3,4,\n",
        ",NO2,CO\n0,1.5,2\n1,3,4\n",  # as pandas writes its index
        "Unnamed: 0,NO2,CO\n0,1.5,2\n1,3,4\n",
        "seq,NO2,CO\n7,1.5,2\n8,3,4\n",
    ],
)
def test_ways_to_write_the_same(text):
    found = of(text)
    assert found.names == ("NO2", "CO")
    assert found.values.tolist() == [[1.5, 2], [3, 4]]


def test_units_in_brackets():
    found = of("Temperature (C),Pressure [hPa],mq3 [kOhm],x\n1,2,3,4\n")
    assert [(c.name, c.unit, c.kind) for c in found.channels] == [
        ("Temperature", "degC", "temperature"),
        ("Pressure", "hPa", "pressure"),
        ("mq3", "kOhm", "gas"),
        ("x", "", "gas"),
    ]


def test_columns_of_words_are_notes():
    found = of("operator,batch,label,CO\nAnn,first,3,1\nAnn,second,3,2\n")
    assert found.names == ("CO",)
    assert found.notes["operator"] == "Ann" and found.notes["label"] == "3"
    assert found.notes["left out"] == "batch"


def test_several_recordings_in_a_file(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text("recording,t,CO\na,0,1\nb,0,5\na,1,2\nb,1,6\nc,5,1\nc,4,1\n")
    found = dict(read_recordings(path))
    assert list(found) == ["two.csv#a", "two.csv#b", "two.csv"]
    assert found["two.csv#a"].values.tolist() == [[1], [2]]
    assert found["two.csv#b"].values.tolist() == [[5], [6]]
    error = found["two.csv"]
    assert str(error) == "two.csv: 'c': time 4 after 5 in row 6; expected rising times"
    with pytest.raises(RecordingError, match="3 recordings in one file"):
        read_recording(path)


def test_a_folder_in_the_order_of_names_and_a_bad_file_does_not_stop_it(tmp_path):
    (tmp_path / "c.csv").write_text("CO\n3\n")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\0\0")
    (tmp_path / "a.jsonl").write_text('{"CO": 1}\n')
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"CO\n4\n"))
    (tmp_path / "e.csv.gz").write_bytes(gzip.compress(b"CO\n" + b"4\n" * 1000)[:-10])
    (tmp_path / "f.parquet").write_bytes(b"PAR1 and no more PAR1")
    (tmp_path / "g.csv").symlink_to(tmp_path / "gone.csv")
    (tmp_path / "readme.md").write_text("no recording")
    (tmp_path / ".hidden.csv").write_text("CO\n1\n")
    (tmp_path / "folder.csv").mkdir()
    found = dict(read_recordings(tmp_path))
    assert list(found) == ["a.jsonl", "b.csv", "c.csv", "d.csv.gz", "e.csv.gz", "f.parquet", "g.csv"]
    good = {name: each.values.tolist() for name, each in found.items() if isinstance(each, Recording)}
    assert good == {"a.jsonl": [[1]], "c.csv": [[3]], "d.csv.gz": [[4]]}
    assert str(found["b.csv"]).startswith("b.csv: bytes that are not UTF-8")
    assert "broken gzip" in str(found["e.csv.gz"])
    assert str(found["f.parquet"]).startswith("f.parquet: no")
    assert isinstance(found["g.csv"], FileNotFoundError)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(read_recordings(tmp_path / "none"))


def test_a_file_that_may_not_be_read():
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file, mode in (("a.csv", 0), ("b.csv", 0o644)):
            (folder / file).write_text("CO\n1\n")
            (folder / file).chmod(mode)
        root = os.geteuid() == 0  # who may read everything
        if root:
            os.seteuid(65534)
        try:
            found = dict(read_recordings(folder))
        finally:
            if root:
                os.seteuid(0)
    assert isinstance(found["a.csv"], PermissionError) and isinstance(found["b.csv"], Recording)


@pytest.mark.parametrize(
    ("text", "got", "row"),
    [
        ("", "an empty file", None),
        ("\nCO\n1\n", "an empty first line", None),
        ("CO,VOC\n", "a header without rows", None),
        ("1,2\n3,4\n", "a first line of numbers, '1,2'", None),
        ("CO,CO\n1,2\n", "the column 'CO' twice", None),
        ("CO,CO [ppm]\n1,2\n", "channels CO, CO", None),
        ("t,substance\n1,clove\n", "the columns t, substance", None),
        ("CO,VOC\n1,2\n3\n4,5\n", "1 cells", 1),
        ("CO,VOC\n1,2\n3,4,5\n", "3 cells", 1),
        ("CO,VOC\n1,2\n3,1_000\n", "'VOC': '1_000' is not a number", 1),
        ("CO,VOC\n1,2\n3,4x\n", "'VOC': '4x' is not a number", 1),
        ("CO,VOC\n1,2\n3,broken\n", "'VOC': 'broken'", 1),
        ("CO;VOC\n1;2\n3;1.234,5\n", "'VOC': '1.234,5' is not a number", 1),
        ("t,CO\n0,1\nsoon,2\n", "'t': 'soon' is neither seconds nor an ISO 8601 moment", 1),
        ("t,CO\n0,1\n,2\n", "'t': '' is neither seconds nor an ISO 8601 moment", 1),
        ("t,CO\n5,1\n4,2\n", "time 4 after 5", 1),
        ('CO,"V\nOC"\n1,2\n', "the column 'V\\nOC'", None),
        ("C" * 200 + "\n1\n", f"the column '{'C' * 60}'...", None),
        (b"CO\n1\n\xff\n", "bytes that are not UTF-8, b'\\xff\\n'", 1),
        ("CO\n1\n" + "9" * 200_000, "a line without an end", None),
        (
            b"CO\r1\r2\r",
            "broken CSV, new-line character seen in unquoted field",
            0,
        ),
    ],
)
def test_what_is_refused_and_where(text, got, row):
    error = refused(text)
    assert error.got == got
    assert error.row == row
    assert error.expected


def test_the_row_of_an_error_far_down():
    rows = [f"{n},1" for n in range(10_000)]
    rows[9_000] = "9000,oops"
    assert refused("t,CO\n" + "\n".join(rows)).row == 9_000


def test_a_quotation_mark_without_its_fellow_is_not_taken_for_a_cut():
    assert refused('CO,VOC\n1,2\n3,"4\n5,6\n7,8').row == 1


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(rows=2), "CO\n1\n2\n3\n"),
        (Limits(columns=1), "CO,VOC\n1,2\n"),
        (Limits(size=10), "CO\n1\n2\n3\n4\n5\n"),
        (Limits(size=10), "CO" * 10 + "\n"),
    ],
)
def test_limits(limits, text):
    assert "at most" in refused(text, limits).expected
    of("CO\n1\n2\n", limits)


def test_gzip_is_bounded_by_what_comes_out(tmp_path):
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"CO\n" + b"1\n" * 100_000))
    with pytest.raises(RecordingError, match="bytes or more"):
        read_recording(tmp_path / "bomb.csv.gz", Limits(size=1000))


def test_a_binary_file_stays_open():
    file = io.BytesIO(b"CO\n1\n")
    read_recording(file)
    assert not file.closed


# -- what a writer that was cut off left ---------------------------------------------------------------------


def test_a_last_line_that_is_not_whole_is_left_out_and_said(tmp_path):
    found = of("CO,VOC\n1,2\n3")
    assert found.values.tolist() == [[1, 2]]
    assert found.notes["cut"] == "the last line, which was not whole"


def test_a_last_number_without_an_end_counts_only_if_the_recording_is_complete(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("CO,VOC\n1,2\n3,4")  # 4, or the beginning of 417
    assert read_recording(path).values.tolist() == [[1, 2], [3, 4]]
    (tmp_path / "a.csv.json").write_text('{"complete": false}')
    found = read_recording(path)
    assert found.values.tolist() == [[1, 2]] and "cut" in found.notes


# -- notes ---------------------------------------------------------------------------------------------------


def test_notes_beside_a_file(tmp_path):
    (tmp_path / "a.csv").write_text("mq3,CO\n1,2\n")
    notes = {"device": "bench", "troubles": {"lost": 2}, "frames": 1, "units": {"mq3": "kOhm", "no": 5}}
    (tmp_path / "a.csv.json").write_text(json.dumps(notes))
    found = read_recording(tmp_path / "a.csv")
    assert found.notes == {
        "times": "assumed: one frame a second",
        "device": "bench",
        "troubles": '{"lost": 2}',
        "frames": "1",
        "file": "a.csv",
    }
    assert [each.unit for each in found.channels] == ["kOhm", "count"]


@pytest.mark.parametrize("text", [b"{", b"[1]", b"\xff", b"[" * 100_000, b'"' + b"x" * (2 << 20) + b'"'])
def test_broken_notes_cost_themselves_alone(tmp_path, text):
    (tmp_path / "a.csv").write_text("CO\n1\n")
    (tmp_path / "a.csv.json").write_bytes(text)
    found = read_recording(tmp_path / "a.csv")
    assert found.values.tolist() == [[1]]
    assert found.notes["notes"].startswith("not readable: ")


# -- JSON Lines ----------------------------------------------------------------------------------------------


def lines(tmp_path, *objects, end="\n"):
    path = tmp_path / "a.jsonl"
    texts = [each if isinstance(each, str) else json.dumps(each) for each in objects]
    path.write_text("\n".join(texts) + end)
    return path


def test_frames_as_they_are_printed(tmp_path):
    frame = {"time": 1764000000.5, "sequence": 0, "source": "serial:x", "device_time": 3.5}
    path = lines(tmp_path, frame | {"values": {"CO": 1, "VOC": None}}, "", frame | {"values": {"VOC": 2.5}})
    found = read_recording(path)
    assert found.names == ("CO", "VOC")
    np.testing.assert_array_equal(found.values, [[1, np.nan], [np.nan, 2.5]])
    assert found.times.tolist() == [1764000000.5] * 2
    assert found.notes["source"] == "serial:x"


def test_flat_objects(tmp_path):
    found = read_recording(lines(tmp_path, {"CO": 1, "VOC": "2.5"}, {"CO": 4294967295, "VOC": ""}))
    np.testing.assert_array_equal(found.values, [[1, 2.5], [np.nan, np.nan]])
    assert found.times.tolist() == [0, 1] and "assumed" in found.notes["times"]


@pytest.mark.parametrize(
    ("objects", "got", "row"),
    [
        ([], "an empty file", None),
        ([{"CO": 1}, "[1]"], "list", 1),
        ([{"CO": 1}, "{", {"CO": 1}], "'{'", 1),
        ([{"CO": 1}, {"CO": True}], "'CO': bool is not a number", 1),
        ([{"CO": 1}, {"CO": [1]}], "'CO': list is not a number", 1),
        ([{"CO": 1}, {"CO": "high"}], "'CO': 'high' is not a number", 1),
        ([{"CO": 10**400}], "'CO': int too large to convert to float", 0),
        ([{"t": 1, "CO": 1}, {"CO": 1}], "1 of 2 lines with a time", None),
        ([{"t": None, "CO": 1}], "'t': NoneType is not a time", 0),
        ([{"t": 1}], "lines without a channel", None),
        ([{"t": 2, "CO": 1}, {"t": 1, "CO": 1}], "time 1 after 2", 1),
        (["[" * 100_000], f"'{'[' * 60}'...", 0),
    ],
)
def test_json_lines_that_are_refused(tmp_path, objects, got, row):
    with pytest.raises(RecordingError) as caught:
        read_recording(lines(tmp_path, *objects))
    assert (caught.value.got, caught.value.row) == (f"a.jsonl: {got}", row)


def test_json_lines_cut_off(tmp_path):
    found = read_recording(lines(tmp_path, {"CO": 1}, '{"CO": ', end=""))
    assert found.values.tolist() == [[1]] and "cut" in found.notes


def test_limits_of_json_lines(tmp_path):
    path = lines(tmp_path, *[{f"c{n}": n} for n in range(10)])
    for limits in (Limits(rows=9), Limits(columns=9), Limits(size=90)):
        with pytest.raises(RecordingError, match="at most"):
            read_recording(path, limits)
    assert read_recording(path, Limits(rows=10, columns=10)).values.shape == (10, 10)


# -- any bytes, and what another program writes --------------------------------------------------------------


@given(st.one_of(st.binary(max_size=300), st.text("0123456789.,;\n\r\"' tCO{}:[]\0-e\ufeff", max_size=300)))
def test_any_bytes_are_a_recording_or_a_recording_error(content):
    body = content if isinstance(content, bytes) else content.encode()
    with contextlib.suppress(RecordingError):
        assert isinstance(of(body), Recording)


@given(
    st.lists(
        st.tuples(*[st.one_of(st.none(), st.floats(-(2**40), 2**40, width=32))] * 3), min_size=1, max_size=20
    )
)
def test_what_python_writes_is_read_as_it_was(rows):
    text, rows = io.StringIO(), list(rows)
    csv.writer(text).writerows([("a", "b", "c"), *rows])
    while rows and rows[-1] == (None, None, None):
        rows.pop()  # nothing is known of it, and nothing follows
    if not rows:
        assert refused(text.getvalue()).got == "a header without rows"
        return
    values = of(text.getvalue()).values
    expected = np.array(
        [[np.nan if v is None or v == 4294967295 else v for v in row] for row in rows], np.float32
    )
    np.testing.assert_array_equal(values, expected)
