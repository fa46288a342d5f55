import errno
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.files import RecordingWriter, read_recording, write_recording
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.sources.contract import Trouble

NOW = 1764000000.25
NAN = float("nan")


def frame(second, **values):
    return Frame(NOW + second, values, "serial:/dev/ttyUSB0")


def notes_of(path):
    return json.loads(Path(f"{path}.json").read_text())


def test_lines_are_there_as_soon_as_frames_are(tmp_path):
    path = tmp_path / "a.csv"
    with RecordingWriter(path, {"substance": "clove"}) as writer:
        assert notes_of(path)["complete"] is False
        writer.add(frame(0, CO=830.0, Temperature=25.53))
        assert path.read_text() == "t,time,CO,Temperature\n0,2025-11-24T16:00:00.250Z,830,25.53\n"
        writer.add(frame(1.5, CO=NAN))
        assert path.read_text().splitlines()[2] == "1.5,2025-11-24T16:00:01.750Z,,"
        assert (writer.frames, writer.seconds, writer.kept_in) == (2, 1.5, path)
    notes = notes_of(path)
    assert notes.pop("software").startswith("olfactory-transformer ")
    assert notes == {
        "substance": "clove",
        "source": "serial:/dev/ttyUSB0",
        "simulated": False,
        "started": "2025-11-24T16:00:00.250Z",
        "ended": "2025-11-24T16:00:01.750Z",
        "frames": 2,
        "seconds": 1.5,
        "troubles": {},
        "units": {"CO": "count", "Temperature": "degC"},
        "complete": True,
    }
    found = read_recording(path)
    assert found.times.tolist() == [0, 1.5]
    assert found.notes["substance"] == "clove" and found.notes["simulated"] == "false"


def test_a_simulated_source_is_called_so(tmp_path):
    with RecordingWriter(tmp_path / "a.csv") as writer:
        writer.add(Frame(NOW, {"CO": 1.0}, "simulated:7"))
    assert notes_of(tmp_path / "a.csv")["simulated"] is True


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_board_that_gets_another_channel(tmp_path, name):
    with RecordingWriter(tmp_path / name) as writer:
        writer.add(frame(0, CO=1.0))
        writer.add(frame(1, CO=2.0))
        writer.add(frame(2, VOC=4.0, CO=3.0))
        writer.add(frame(3, CO=5.0))
    found = read_recording(tmp_path / name)
    assert found.names == ("CO", "VOC")
    np.testing.assert_array_equal(found.values, [[1, NAN], [2, NAN], [3, 4], [5, NAN]])
    assert sorted(each.name for each in tmp_path.iterdir()) == (
        ["a.csv", "a.csv.json"] if name == "a.csv" else ["a.parquet"]
    )


def test_names_that_need_quotation_marks(tmp_path):
    with RecordingWriter(tmp_path / "a.csv") as writer:
        writer.add(frame(0, **{'a,"b"': 1.0, "ö": 2.0}))
        writer.add(frame(1, **{'a,"b"': 1.0, "ö": 2.0, "c;d": 3.0}))
    assert read_recording(tmp_path / "a.csv").names == ('a,"b"', "ö", "c;d")


@pytest.mark.parametrize("name", ["t", "time", "a\nb", "x" * 101])
def test_names_that_no_column_can_have(tmp_path, name):
    with RecordingWriter(tmp_path / "a.csv") as writer:
        writer.add(frame(0, CO=1.0))
        with pytest.raises(RecordingError):
            writer.add(frame(1, **{name: 1.0}))
        writer.add(frame(2, CO=2.0))
    assert read_recording(tmp_path / "a.csv").values.tolist() == [[1], [2]]


@pytest.mark.parametrize("bad", [Frame(NOW, {}), Frame(math.nan, {"CO": 1.0}), Frame(math.inf, {"CO": 1.0})])
def test_frames_that_are_none(tmp_path, bad):
    with RecordingWriter(tmp_path / "a.csv") as writer:
        writer.add(frame(0, CO=1.0))
        with pytest.raises(RecordingError):
            writer.add(bad)
    assert read_recording(tmp_path / "a.csv").values.tolist() == [[1]]


def test_a_clock_that_was_set_back(tmp_path):
    with RecordingWriter(tmp_path / "a.csv") as writer:
        for second in (0, 1, 2, -3598, -3597, -3599, -3598):
            writer.add(frame(second, CO=float(second)))
    found = read_recording(tmp_path / "a.csv")
    assert found.times.tolist() == [0, 1, 2, 2, 3, 3, 4]
    assert found.notes["clock"] == "set back by 3602.000 s; the times go on from before"


def test_times_from_the_start_have_no_date(tmp_path):
    with RecordingWriter(tmp_path / "a.csv") as writer:
        writer.add(Frame(5.0, {"CO": 1.0}))
        writer.add(Frame(5.1, {"CO": 1.0}))
    assert (tmp_path / "a.csv").read_text() == "t,CO\n0,1\n0.1,1\n"
    assert "started" not in notes_of(tmp_path / "a.csv")


def test_troubles_are_counted(tmp_path):
    with RecordingWriter(tmp_path / "a.csv") as writer:
        writer.trouble(Trouble("lost", "", NOW, count=3))
        writer.add(frame(0, CO=1.0))
        writer.trouble(Trouble("lost", "", NOW, count=2))
        writer.trouble(Trouble("unplugged", "", NOW))
    assert notes_of(tmp_path / "a.csv")["troubles"] == {"lost": 5, "unplugged": 1}


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_without_a_frame_there_is_no_file(tmp_path, name):
    with RecordingWriter(tmp_path / name):
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_only_if_asked(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("CO\n1\n")
    with pytest.raises(FileExistsError) as caught:
        RecordingWriter(path)
    assert caught.value.filename == str(path) and path.read_text() == "CO\n1\n"
    with RecordingWriter(path, overwrite=True) as writer:
        writer.add(frame(0, VOC=1.0))
    assert read_recording(path).names == ("VOC",)


def test_a_file_that_is_to_be_replaced_stays_until_there_is_a_frame(tmp_path):
    path = tmp_path / "a.csv"
    write_recording(path, Recording.of([frame(0, CO=1.0)], {"substance": "clove"}))
    before = path.read_bytes(), notes_of(path)
    with RecordingWriter(path, overwrite=True):
        pass
    assert (path.read_bytes(), notes_of(path)) == before


def test_what_a_cut_off_recording_left_is_not_replaced(tmp_path):
    (tmp_path / "a.parquet.part.csv").write_text("t,CO\n0,1\n")
    with pytest.raises(FileExistsError) as caught:
        RecordingWriter(tmp_path / "a.parquet")
    assert caught.value.filename.endswith("a.parquet.part.csv")


@pytest.mark.parametrize("name", ["a.txt", "a", "csv"])
def test_other_kinds_of_files(tmp_path, name):
    with pytest.raises(RecordingError, match="a name that ends in"):
        RecordingWriter(tmp_path / name)


def test_notes_of_the_writer_itself(tmp_path):
    with pytest.raises(RecordingError, match="the note frames; expected another name"):
        RecordingWriter(tmp_path / "a.csv", {"frames": "1"})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        RecordingWriter(tmp_path / "none" / "a.csv")


# -- Parquet -------------------------------------------------------------------------------------------------


def test_parquet_is_read_by_others(tmp_path):
    path = tmp_path / "a.parquet"
    with RecordingWriter(path, {"substance": "clove"}) as writer:
        writer.add(frame(0, CO=830.0, VOC=NAN))
        assert [each.name for each in tmp_path.glob("*.csv")] == ["a.parquet.part.csv"]
        assert writer.kept_in.name == "a.parquet.part.csv"
        writer.add(frame(0.5, CO=831.5, VOC=2.0))
    assert writer.kept_in == path
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == ["t", "time", "CO", "VOC"]
    assert [str(each.type) for each in table.schema] == ["double", "timestamp[ms, tz=UTC]", "float", "float"]
    assert table["t"].to_pylist() == [0, 0.5]
    assert table["time"].to_pylist()[1].timestamp() == NOW + 0.5
    assert table["VOC"].to_pylist() == [None, 2.0]
    assert json.loads(table.schema.metadata[b"olfactory"])["substance"] == "clove"
    found = read_recording(path)
    assert found.notes["substance"] == "clove" and found.notes["frames"] == "2"
    np.testing.assert_array_equal(found.values, np.float32([[830, NAN], [831.5, 2]]))


def test_parquet_of_others_is_read(tmp_path):
    moments = np.array(["2025-11-24T16:00:00.000000001", "2025-11-24T16:00:01"], "datetime64[ns]")
    table = pyarrow.table(
        {
            "time": moments,
            "label": ["clove", None],
            "CO": pyarrow.array([1, None], pyarrow.int64()),
            "VOC": pyarrow.array([1.5, 4294967295.0]),
            "dictionary": pyarrow.array(["a", "a"]).dictionary_encode(),
            "nothing": pyarrow.nulls(2),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    found = read_recording(tmp_path / "a.parquet")
    assert found.names == ("CO", "VOC", "nothing")
    np.testing.assert_array_equal(found.values, [[1, 1.5, NAN], [NAN, NAN, NAN]])
    assert found.times.tolist() == [NOW - 0.25, NOW + 0.75]
    assert found.notes == {"dictionary": "a", "left out": "label", "file": "a.parquet"}


def test_parquet_with_other_things(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"CO": [1.0], "x": [[1]]}), tmp_path / "a.parquet")
    with pytest.raises(RecordingError, match="the column 'x' of List"):
        read_recording(tmp_path / "a.parquet")


@pytest.mark.parametrize("cut", [0, 3, 11, -1, -20, "middle"])
def test_broken_parquet(tmp_path, cut, capfd):
    path = tmp_path / "a.parquet"
    write_recording(path, Recording.of([frame(n, CO=float(n)) for n in range(100)]))
    body = bytearray(path.read_bytes())
    if cut == "middle":
        body[10:60] = b"\xff" * 50
    else:
        body = body[:cut]
    path.write_bytes(body)
    with pytest.raises(RecordingError, match="Parquet"):
        read_recording(path)
    assert "panicked" not in capfd.readouterr().err


# -- a recording that is there already -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["b.csv", "b.parquet"])
def test_writing_what_was_read_changes_nothing(tmp_path, name):
    with RecordingWriter(tmp_path / "a.csv", {"substance": "clove"}) as writer:
        writer.trouble(Trouble("lost", "", NOW, count=3))
        for second in range(5):
            writer.add(frame(second / 3, CO=25.53 + second, VOC=NAN))
    first = read_recording(tmp_path / "a.csv")
    write_recording(tmp_path / name, first)
    again = read_recording(tmp_path / name)
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_allclose(again.times, first.times, atol=1e-6)
    assert {**again.notes, "file": ""} == {**first.notes, "file": ""}
    if name == "b.csv":
        assert (tmp_path / name).read_text() == (tmp_path / "a.csv").read_text()


def test_channels_without_any_value(tmp_path):
    given = Recording((channel("CO"),), np.arange(2.0), np.full((2, 1), NAN, np.float32))
    write_recording(tmp_path / "a.parquet", given)
    assert np.isnan(read_recording(tmp_path / "a.parquet").values).all()


# -- the end of the process, and of the disk -----------------------------------------------------------------

RECORD = textwrap.dedent("""
    import itertools, resource, sys
    from olfactory_transformer.sensors.files import RecordingWriter
    from olfactory_transformer.sensors.frame import Frame

    if limit := int(sys.argv[2]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with RecordingWriter(sys.argv[1]) as writer:
        for n in itertools.count():
            try:
                writer.add(Frame(1764000000.0 + n, {"n1": n, "CO": 100.5}))
            except OSError as error:
                print(writer.frames, error.errno, error.filename)
                raise
            if n >= 100:
                print(n, flush=True)
""")


def record(path, limit=0):
    command = [sys.executable, "-c", RECORD, str(path), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_kill_costs_no_frame_that_was_written(tmp_path, name):
    with record(tmp_path / name) as process:
        told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")
        process.stderr.close()
    told = max([told, *(int(each) for each in rest[:-1])])
    kept = tmp_path / (name if name.endswith(".csv") else f"{name}.part.csv")
    found = read_recording(kept)
    assert len(found.times) > told
    assert found.values[:, 0].tolist() == list(range(len(found.times)))
    assert (found.values[:, 1] == 100.5).all()
    assert json.loads(Path(f"{kept}.json").read_text())["complete"] is False


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_full_disk_leaves_whole_lines(tmp_path, name):
    with record(tmp_path / name, limit=3001) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "File too large" in err
    frames, number, where = out.split("\n")[-2].split()
    kept = tmp_path / (name if name.endswith(".csv") else f"{name}.part.csv")
    assert (int(number), where) == (errno.EFBIG, str(kept))
    if name.endswith(".parquet"):  # which is smaller, so there was room for it
        assert not kept.exists()
        kept = tmp_path / name
    found = read_recording(kept)
    assert len(found.times) == int(frames) > 50
    assert "cut" not in found.notes


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_with_no_room_for_anything(tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)]).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        path = tmp_path / "a.parquet"
        with pytest.raises(OSError) as caught, RecordingWriter(path) as writer:
            for n in range(100_000):
                writer.add(Frame(NOW + n, {"CO": float(np.random.default_rng(n).normal())}))
        assert caught.value.errno == errno.ENOSPC
        kept = read_recording(writer.kept_in)
        assert len(kept.times) == writer.frames > 500
        assert kept.notes.get("cut") is None
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
