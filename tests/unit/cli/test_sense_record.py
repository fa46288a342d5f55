"""Recording boards from the command line: made-up ones, replays, and one on a pseudo-terminal that goes away."""

import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from board import Board, until
from typer.testing import CliRunner

from olfactory_transformer.cli import app
from olfactory_transformer.database.calibrations import CalibrationStore
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.upgrade import upgrade
from olfactory_transformer.sensors.files import read_recording

COMMAND = [sys.executable, "-m", "olfactory_transformer.cli", "sense", "record"]
ROWS = [{"CO": 800.0, "VOC": 60.0}]


@pytest.fixture(autouse=True)
def _empty(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/keys.db")
    for name in ("SENSOR_PORT", "SENSOR_ID", "OLFACTORY_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments):
    return CliRunner().invoke(app, ["sense", "record", *map(str, arguments)])


def start(*arguments, **options):
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stderr=subprocess.PIPE, text=True, **options)


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_recording_is_read_again(tmp_path, name):
    result = run(name, "simulated:3", "--seconds", "50", "--note", "substance=air", "--note", "who=me=you")
    assert result.exit_code == 0 and f"{name}: 51 frames, 50 s" in result.stderr
    recording = read_recording(tmp_path / name)
    assert recording.values.shape == (51, 8) and recording.seconds == pytest.approx(50)
    assert recording.notes["substance"] == "air" and recording.notes["who"] == "me=you"
    assert recording.notes["source"] == "simulated:3" and recording.notes["simulated"] == "true"
    again = run(name, "simulated:3", "--seconds", "5")
    assert again.exit_code == 2 and f"{name}: File exists" in again.stderr
    assert run(name, "simulated:3", "--seconds", "5", "--overwrite").exit_code == 0
    assert len(read_recording(tmp_path / name).times) == 6


def test_a_csv_becomes_parquet(tmp_path):
    assert run("a.csv", "simulated:3", "--seconds", 20, "--note", "substance=air").exit_code == 0
    result = run("b.parquet", "replay:a.csv", "--note", "who=me")
    assert result.exit_code == 0 and "21 frames" in result.stderr
    first, again = read_recording("a.csv"), read_recording("b.parquet")
    np.testing.assert_array_equal(again.values, first.values)
    # A made-up recording stays one, whoever plays it.
    assert again.notes == {**first.notes, "who": "me", "file": "b.parquet"}
    assert run("c.csv", "replay:b.parquet").exit_code == 0
    assert (tmp_path / "c.csv").read_text() == (tmp_path / "a.csv").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_from_outside_leaves_a_whole_file(tmp_path, number):
    with Board(tmp_path / "board").sending(ROWS) as board:
        process = start("a.csv", board.link)
        until(lambda: len(lines(tmp_path / "a.csv")) > 2 or process.poll() is not None)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    recording = read_recording(tmp_path / "a.csv")
    assert recording.names == ("CO", "VOC") and f"{len(recording.times)} frames" in told
    assert recording.notes["complete"] == "true"
    assert recording.notes["frames"] == str(len(recording.times))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_kill_leaves_what_was_heard(tmp_path, name):
    kept = tmp_path / (name if name.endswith(".csv") else f"{name}.part.csv")
    with Board(tmp_path / "board").sending(ROWS) as board:
        process = start(name, board.link)
        until(lambda: len(lines(kept)) > 5 or process.poll() is not None)
        process.kill()
        process.communicate(timeout=60)
    recording = read_recording(kept)
    assert len(recording.times) >= 4 and (recording.values == [800, 60]).all()
    assert recording.notes["complete"] == "false" and "ended" not in recording.notes
    blocked = run(name, "simulated", "--seconds", 5)
    assert blocked.exit_code == 2 and "File exists" in blocked.stderr


def test_a_board_that_is_unplugged_and_put_back(tmp_path):
    path = tmp_path / "a.csv"
    with Board(tmp_path / "board").sending(ROWS) as board:
        process = start(path, board.link)
        until(lambda: len(lines(path)) > 5 or process.poll() is not None)
        board.unplug()
        said = process.stderr.readline() + process.stderr.readline()
        assert "partial" in said and "unplugged" in said
        before = len(lines(path))
        board.plug()
        until(lambda: len(lines(path)) > before + 5 or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert "replugged" in told and ", 1 unplugged, " in told
    recording = read_recording(path)
    troubles = json.loads(recording.notes["troubles"])
    assert (troubles["unplugged"], troubles["replugged"]) == (1, 1)
    # No frame is lost without being counted: all that the board numbered are there, or lost, or the first line.
    assert troubles["lost"] >= 1
    assert len(recording.times) + troubles["lost"] <= board.sent
    assert recording.notes["sensor"] == f"serial:{board.link}"


def test_a_full_disk(tmp_path):
    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))

    process = start("a.csv", "simulated:3", preexec_fn=small)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    recording = read_recording(tmp_path / "a.csv")
    assert f"{len(recording.times)} frames are kept in a.csv" in told
    assert "olfactory: a.csv: File too large" in told and len(recording.times) > 10


def test_a_board_that_says_nothing_leaves_no_file(tmp_path):
    with Board(tmp_path / "board") as board:
        result = run("a.csv", board.link, "--seconds", 1)
    assert result.exit_code == 1 and "not one frame came; there is no file" in result.stderr
    assert not list(tmp_path.glob("a.csv*"))


def test_a_board_that_cannot_be_reached_costs_no_recording(tmp_path):
    (tmp_path / "a.csv").write_text("CO\n1\n")
    assert run("a.csv", "/dev/none", "--overwrite").exit_code == 2
    assert (tmp_path / "a.csv").read_text() == "CO\n1\n"
    assert run("b.csv", "/dev/none").exit_code == 2
    assert not list(tmp_path.glob("b.csv*"))


def test_a_frame_that_no_file_can_hold_is_counted(tmp_path):
    channels = ", ".join(f'"c{n}": {n}' for n in range(120))
    more = ", ".join(f'"d{n}": {n}' for n in range(120))
    with Board(tmp_path / "board").sending([f"{{{channels}}}\r\n", f"{{{more}}}\r\n"]) as board:
        result = run("a.csv", board.link, "--seconds", 2)
    assert result.exit_code == 0 and "columns; expected at most 200" in result.stderr
    recording = read_recording(tmp_path / "a.csv")
    assert len(recording.names) == 120
    assert json.loads(recording.notes["troubles"])["garbled"] >= 1


def test_the_calibration_that_counts_is_noted(tmp_path, monkeypatch):
    now = datetime.now(UTC)
    database = Database(f"sqlite:///{tmp_path}/keys.db")
    upgrade(database)
    content = {
        "sensor_id": "bench",
        "made": now.isoformat(),
        "expires": (now + timedelta(days=1)).isoformat(),
    }
    made = CalibrationStore(database).save(content)
    database.close()
    with Board(tmp_path / "board").sending(ROWS) as board:
        monkeypatch.setenv("SENSOR_PORT", str(board.link))
        monkeypatch.setenv("SENSOR_ID", "bench")
        assert run("a.csv", "--seconds", 1).exit_code == 0
    notes = read_recording(tmp_path / "a.csv").notes
    assert (notes["sensor"], notes["calibration"]) == ("bench", str(made.id))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.csv", "simulated", "--note", "x"), "expected NAME=TEXT"),
        (("a.csv", "simulated", "--note", "frames=1"), "the note frames; expected another name"),
        (("a.txt", "simulated"), "expected a name that ends in .csv or .parquet"),
        (("none/a.csv", "simulated"), "No such file or directory"),
        (("a.csv",), "got no SOURCE and no SENSOR_PORT"),
    ],
)
def test_what_cannot_be_done(tmp_path, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2 and said in " ".join(result.stderr.replace("│", " ").split())
    assert not list(tmp_path.glob("a.*"))


def test_progress_on_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    with Board(tmp_path / "board").sending(ROWS) as board:
        process = subprocess.Popen(
            [*COMMAND, "a.csv", board.link],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"COLUMNS": "500"},
        )
        os.close(theirs)
        seen, deadline = "", time.monotonic() + 60
        while "count" not in seen and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                seen += os.read(ours, 65536).decode("utf-8", "replace")
        assert "a.csv: serial:" in seen and "VOC" in seen
        process.send_signal(signal.SIGINT)
        try:
            while chunk := os.read(ours, 65536):
                seen += chunk.decode("utf-8", "replace")
        except OSError:  # how a terminal's end reads
            pass
        code = process.wait(60)
    os.close(ours)
    assert code == 0 and f"{len(read_recording('a.csv').times)} frames" in seen
