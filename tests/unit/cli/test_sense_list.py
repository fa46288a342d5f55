"""Ports on this machine are what they are; those that are probed are pseudo-terminals."""

import json
import threading

import pytest
from board import Board
from typer.testing import CliRunner

from olfactory_transformer.cli import app
from olfactory_transformer.sensors.sources.serial import list_ports

ROW = {"NO2": 216.0, "CO": 830.0}


@pytest.fixture
def board(tmp_path):
    with Board(tmp_path / "board") as board:
        yield board


def run(*arguments):
    return CliRunner().invoke(app, ["sense", "list", *map(str, arguments)])


def test_what_is_connected():
    result = run("--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, list_ports())
    text = run()
    assert text.exit_code == 0
    if not list_ports():
        assert "nothing is connected" in text.stderr and not text.stdout


def test_a_port_that_no_adapter_tells_of(board):
    (found,) = json.loads(run(board.link, "--json").stdout)
    assert found == {
        "device": str(board.link),
        "description": None,
        "usb_id": None,
        "serial_number": None,
        "manufacturer": None,
    }
    assert str(board.link) in run(board.link).stdout


def test_a_board_is_heard(board):
    board.sending([ROW], every=0.05)
    (found,) = json.loads(run(board.link, "--probe", "--json", "--seconds", 20).stdout)
    heard = found["heard"]
    assert heard["channels"] == ["NO2", "CO"] and heard["frames"] == 3
    assert heard["baudrate"] == 9600 and heard["trouble"] is None
    assert 0 < heard["per_second"] < 200
    text = run(board.link, "--probe", "--seconds", 20, "--baudrate", 115200).stdout
    assert "NO2, CO; " in text and "at 115200 baud" in text


@pytest.mark.parametrize(
    ("said", "trouble"), [("", "silent"), ("NO2=216 \x07\r\n", "garbled: control characters")]
)
def test_a_board_that_says_nothing_of_use(board, said, trouble):
    stop = threading.Event()

    def speak():
        while not stop.wait(0.05):
            board.say(said)

    speaker = threading.Thread(target=speak)
    speaker.start()
    (found,) = json.loads(run(board.link, "--probe", "--json", "--seconds", 2, "--baudrate", 9600).stdout)
    stop.set()
    speaker.join()
    assert found["heard"]["frames"] == 0 and found["heard"]["trouble"].startswith(trouble)


def test_a_port_that_is_not_there_does_not_stop_the_others(board, tmp_path):
    board.sending([ROW], every=0.05)
    result = run(tmp_path / "none", board.link, "--probe", "--json", "--seconds", 20)
    none, found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert none["heard"]["frames"] == 0 and "cannot be opened" in none["heard"]["trouble"]
    assert found["heard"]["frames"] == 3
