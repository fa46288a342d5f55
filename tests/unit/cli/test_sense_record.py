"""Reading and recording boards from the command line, on a simulated one and on replays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from olfactory_transformer.cli import app
from olfactory_transformer.sensors.files import read_recording


@pytest.fixture(autouse=True)
def _empty(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return CliRunner().invoke(app, ["sense", *arguments])


def test_frames_in_a_pipe():
    result = run("read", "simulated:3", "--count", "3")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["sequence"] for each in lines] == [0, 1, 2] and lines[0]["source"] == "simulated:3"
    assert set(lines[0]["values"]) >= {"NO2", "CO", "Temperature"}


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_recording_is_read_again(tmp_path, name):
    result = run("record", name, "simulated:3", "--seconds", "50", "--note", "substance=air")
    assert result.exit_code == 0 and "51 frames" in result.stderr
    recording = read_recording(tmp_path / name)
    assert recording.values.shape == (51, 8) and recording.notes["substance"] == "air"
    assert recording.notes["source"] == "simulated:3"
    again = run("record", name, "simulated:3", "--seconds", "5")
    assert again.exit_code == 2 and "exists" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_from_outside_leaves_a_whole_file(tmp_path, number):
    board, other = os.openpty()
    command = [
        sys.executable,
        "-m",
        "olfactory_transformer.cli",
        "sense",
        "record",
        "a.csv",
        os.ttyname(other),
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "a.csv").exists() or len((tmp_path / "a.csv").read_text().splitlines()) < 3:
        assert time.monotonic() < deadline and process.poll() is None
        os.write(board, b"CO=800 VOC=60\n")
        time.sleep(0.05)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    recording = read_recording(tmp_path / "a.csv")
    assert recording.names == ("CO", "VOC") and f"{len(recording.times)} frames" in told
    assert json.loads((tmp_path / "a.csv.json").read_text())["complete"] is True
    os.close(board)
    os.close(other)


def test_what_cannot_be_done():
    assert run("record", "a.csv", "simulated", "--note", "x").exit_code == 2
    assert "expected a name that ends" in run("record", "a.txt", "simulated").stderr
    missing = run("read", "/dev/none")
    assert missing.exit_code == 2 and "is the board plugged in" in missing.stderr


def test_ports_as_json():
    result = run("list", "--json")
    assert result.exit_code == 0 and isinstance(json.loads(result.stdout), list)
