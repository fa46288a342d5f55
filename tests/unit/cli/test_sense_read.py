"""Reading boards: simulated ones, and one on a pseudo-terminal; the table on a terminal."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from board import Board
from typer.testing import CliRunner

from olfactory_transformer.cli import app
from olfactory_transformer.cli.sense.listening import source_named
from olfactory_transformer.core.errors import SourceError
from olfactory_transformer.sensors.files import read_recording

COMMAND = [sys.executable, "-m", "olfactory_transformer.cli", "sense", "read"]


@pytest.fixture(autouse=True)
def _empty(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("SENSOR_PORT", "SENSOR_BAUDRATE", "OLFACTORY_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments):
    return CliRunner().invoke(app, ["sense", "read", *map(str, arguments)])


def test_json_lines_are_a_recording(tmp_path):
    result = run("simulated:3", "--count", 3)
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["sequence"] for each in lines] == [0, 1, 2]
    (tmp_path / "a.jsonl").write_text(result.stdout)
    found = read_recording(tmp_path / "a.jsonl")
    assert found.values.shape[0] == 3 and found.names == tuple(lines[0]["values"])
    assert found.notes["source"] == "simulated:3"


def test_csv_is_a_recording(tmp_path):
    result = run("simulated:3", "--seconds", 5, "--format", "csv")
    assert result.exit_code == 0
    (tmp_path / "a.csv").write_text(result.stdout)
    found = read_recording(tmp_path / "a.csv")
    assert len(found.times) == 6 and found.seconds == pytest.approx(5)
    assert result.stdout.startswith("time,NO2,")


def test_a_channel_that_comes_later(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"CO": 1}\n{"CO": null, "a,b": 3}\n{"CO": 2, "a,b": 4}\n')
    result = run("replay:a.jsonl", "--format", "jsonl")
    assert json.loads(result.stdout.splitlines()[1])["values"] == {"CO": None, "a,b": 3}
    assert run("replay:a.jsonl", "--format", "csv").stdout.startswith('time,CO,"a,b"\n0,1,\n1,,3\n')


def test_the_password_of_one_broker_is_given_to_no_other(monkeypatch):
    monkeypatch.setenv("SENSOR_PASSWORD", "only-for-friends")
    nobody = "mqtt://other/nose"  # a password for nobody would be refused
    with pytest.raises(SourceError, match="a password for nobody"):
        source_named(nobody, None)
    monkeypatch.setenv("SENSOR_PORT", "mqtt://bench@broker/nose")
    assert source_named(nobody, None).name == "mqtt:other/nose"
    assert source_named(None, None).name == "mqtt:broker/nose"


def test_a_board_by_the_settings_and_its_troubles(tmp_path, monkeypatch):
    rows = [{"CO": 1.0, "VOC": 2.0}, "CO=1x\r\n", {"CO": 3.0}, "CO=1x\r\n"]
    with Board(tmp_path / "board").sending(rows) as board:
        monkeypatch.setenv("SENSOR_PORT", str(board.link))
        result = run("--format", "csv", "--count", 3)
    assert result.exit_code == 0
    assert result.stdout.startswith("time,CO") and len(result.stdout.splitlines()) == 4
    assert "garbled: " in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_from_outside(tmp_path, number):
    with Board(tmp_path / "board").sending([{"CO": 1.0}]) as board:
        process = subprocess.Popen([*COMMAND, board.link], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert json.loads(process.stdout.readline())["values"] == {"CO": 1.0}
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert all(json.loads(line)["values"] for line in out.splitlines())


def test_who_reads_has_had_enough(tmp_path):
    command = " ".join([*COMMAND, "simulated", "|", "head", "-n", "2"])
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (0, b"", 2)


def test_a_board_that_says_nothing(tmp_path):
    with Board(tmp_path / "board") as board:
        result = run(board.link, "--seconds", 1)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not one frame came" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "got no SOURCE and no SENSOR_PORT"),
        (("/dev/none",), "is the board plugged in"),
        (("replay:none.csv",), "none.csv: cannot be replayed"),
        (("simulated", "--format", "table"), "needs a terminal"),
        (("simulated", "--baudrate", "1"), "--baudrate"),
    ],
)
def test_what_cannot_be_done(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2 and said in " ".join(result.stderr.replace("│", " ").split())


def test_the_table_on_a_terminal(tmp_path):
    """The board is pulled out, which is told below the table, and put back."""
    ours, theirs = pty.openpty()
    rows = [{"NO2": 200.0 + n, "Temperature": 25.5} for n in range(50)]
    with Board(tmp_path / "board").sending(rows, every=0.05) as board:
        process = subprocess.Popen(
            [*COMMAND, board.link],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "COLUMNS": "120"},
        )
        os.close(theirs)
        seen = shown(ours, "degC") + shown(ours, "a second")
        assert f"serial:{board.link}" in seen and "NO2" in seen
        assert any(block in shown(ours, "█") for block in "▂▃▄▅▆▇")
        board.unplug()
        shown(ours, "unplugged")
        board.plug()
        shown(ours, "replugged")
        process.send_signal(signal.SIGINT)
        shown(ours, None)
        assert process.wait(60) == 0
    os.close(ours)


def shown(terminal, text):
    """Read from a terminal until a text comes; None: until its end."""
    seen, deadline = "", time.monotonic() + 60
    while text is None or text not in seen:
        assert time.monotonic() < deadline, seen[-2000:]
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536).decode("utf-8", "replace")
            except OSError:  # how a terminal's end reads
                return seen
    return seen
