"""A board on a serial port that the server reads by itself: streamed, unplugged, replugged, and no frame lost silently.

What there is to lose is counted by the board's own numbers (`seq`): each frame that was sent is either in
`olfactory_sensor_readings_total`, or one of those that an error counts as lost.
"""

import os
import re
import signal
import time
import tty

import httpx2
import pytest
from integration.serving import START
from integration.test_serve_sensors import NoseServer
from nose import CHANNELS, levels


class BoardServer(NoseServer):
    command = (*NoseServer.command, "2", "1")


class Terminal:
    """A pseudo-terminal behind a link, which can be pulled out and put in again."""

    def __init__(self, link):
        self.link, self.sent, self._fds = link, 0, ()
        self.plug()

    def plug(self):
        self._fds = os.openpty()
        tty.setraw(self._fds[1])
        self.link.symlink_to(os.ttyname(self._fds[1]))

    def unplug(self):
        self.link.unlink()
        for fd in self._fds:
            os.close(fd)
        self._fds = ()

    def send(self, values, pause=0.01):
        """Send frames, which nobody hears while it is unplugged."""
        for each in values:
            fields = " ".join(f"{name}={value:g}" for name, value in each.items())
            if self._fds:
                self.raw(f"seq={self.sent} {fields}\r\n".encode())
            self.sent += 1
            time.sleep(pause)

    def raw(self, text):
        os.write(self._fds[0], text)


@pytest.fixture
def terminal(tmp_path):
    found = Terminal(tmp_path / "board")
    yield found
    if found._fds:
        found.unplug()


@pytest.fixture
def server(terminal, small_model, tmp_path):
    server = BoardServer(
        MODEL_PATH=str(small_model),
        MAX_WORKERS="1",
        SENSOR_PORT=str(terminal.link),
        SENSOR_ID="bench-1",
        SENSOR_TIMEOUT="1",
        DATABASE_URL=f"sqlite:///{tmp_path}/sensors.db",
    ).until_ready()
    yield server
    server.kill()


def until(true, what, seconds=START):
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def board(server):
    return httpx2.get(server.url + "/v1/sensors/bench-1").json()


def degraded(server):
    reply = httpx2.get(server.url + "/ready")
    assert reply.status_code == 200
    return reply.json()["degraded"]


def metrics(server):
    """Return what the server counts of its board: readings, and errors by kind."""
    text = httpx2.get(server.url + "/metrics").text
    errors = {
        kind: int(float(value))
        for kind, value in re.findall(
            r'^olfactory_sensor_errors_total\{error="([\w-]+)",sensor_type="serial"\} (\S+)$', text, re.M
        )
    }
    (readings,) = re.findall(r'^olfactory_sensor_readings_total\{sensor_type="serial"\} (\S+)$', text, re.M)
    return int(float(readings)), errors


def begun(server, terminal):
    """Wait until the server hears the board, and return how many frames it cannot have heard."""
    until(lambda: "serial:" in board(server)["source"] and server.logged("serving"), "it is not open")
    while not metrics(server)[0]:
        terminal.send(levels("CO", 1), pause=0.2)
    heard_out(server, terminal)
    return terminal.sent - metrics(server)[0]


def heard_out(server, terminal):
    """Send a frame unlike all others, and wait until it, and so all before it, was heard."""
    terminal.send([dict.fromkeys(CHANNELS, 999.0)])
    until(lambda: board(server)["values"].get("CO") == 999, "it is not heard")


def test_streamed_unplugged_and_replugged(server, terminal):
    before = begun(server, terminal)
    assert degraded(server) == []
    terminal.send(levels("CO", 250))
    smelt = until(lambda: board(server)["identification"], "nothing is named")
    assert smelt["name"] == "coffee" and "uncalibrated" in smelt["warnings"]
    assert board(server)["channels"] == list(CHANNELS)

    terminal.send(levels("CO", 50), pause=0)
    terminal.unplug()
    until(lambda: degraded(server) == ["sensor"], "it is not missed")
    assert metrics(server)[1]["unplugged"] == 1 and not board(server)["connected"]
    terminal.send(levels("CO", 40))  # into the void
    terminal.plug()
    until(lambda: board(server)["troubles"].get("replugged"), "it is not found again")
    terminal.send(levels("VOC", 250))
    until(lambda: degraded(server) == [], "it is still missed")
    until(lambda: (board(server)["identification"] or {}).get("name") == "mint", "nothing is named any more")

    # All that was sent is counted, one way or the other.
    until(
        lambda: metrics(server)[0] + metrics(server)[1]["lost"] == terminal.sent - before, "frames vanished"
    )
    readings, errors = metrics(server)
    assert errors["lost"] >= 40 and readings <= terminal.sent - before - 40
    assert errors["garbled"] == 0 and errors["unplugged"] == 1
    assert httpx2.post(server.url + "/v1/predict", json={"smiles": "CCO"}, timeout=START).status_code == 200
    assert not any("Traceback" in line for line in server.lines)
    assert server.stop() == 0


def test_a_board_that_is_not_there_yet_and_then_talks_nonsense(small_model, tmp_path):
    link = tmp_path / "board"
    server = BoardServer(
        MODEL_PATH=str(small_model), MAX_WORKERS="1", SENSOR_PORT=str(link), SENSOR_ID="bench-1"
    )
    try:
        server.until_ready()
        assert degraded(server) == ["sensor"] and not board(server)["connected"]
        terminal = Terminal(link)
        until(
            lambda: terminal.send(levels("CO", 1), pause=0.1) or board(server)["connected"], "it is not found"
        )
        assert degraded(server) == []
        heard_out(server, terminal)
        readings, sent = metrics(server)[0], terminal.sent
        terminal.send(levels("CO", 20))
        terminal.raw(b"\xff\xfe\x00 what is this?\r\n" * 3)
        terminal.send(levels("CO", 20))
        until(lambda: metrics(server)[0] - readings == terminal.sent - sent, "not all was read")
        errors = metrics(server)[1]
        assert (errors["garbled"], errors["lost"], errors["unplugged"]) == (3, 0, 1)
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
        terminal.unplug()
    finally:
        server.kill()
