"""Electronic noses over real connections: streams through WebSockets, and a board on a serial port."""

import json
import re
import signal
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest
from integration.serving import Server, connect, head, rest
from nose import levels
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as websocket

from olfactory_transformer.api.socket import MESSAGE_BYTES

KEY = "a-key-for-the-sensors-of-the-test"
STREAM = "/v1/sensors/stream"


class NoseServer(Server):
    command = (sys.executable, str(Path(__file__).with_name("nose_server.py")))


@pytest.fixture(scope="module")
def server(small_model):
    server = NoseServer(MODEL_PATH=str(small_model), MAX_WORKERS="1", LOG_LEVEL="DEBUG").until_ready()
    yield server
    server.kill()


def talk(server, **options):
    return websocket(f"ws://{server.address[0]}:{server.address[1]}{STREAM}", max_size=None, **options)


def begin(socket, **start):
    socket.send(json.dumps({"type": "start", **start}))
    return hear(socket, "started")


def hear(socket, kind):
    found = json.loads(socket.recv(30))
    assert found["type"] == kind, found
    return found


def frames(first, values):
    return json.dumps(
        {
            "type": "frames",
            "frames": [
                {"sequence": first + n, "time": first + n, "values": each} for n, each in enumerate(values)
            ],
        }
    )


def closed(socket):
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            socket.recv(30)
    return caught.value.rcvd


def test_a_stream(server):
    with talk(server) as socket:
        assert socket.response.headers["X-Request-ID"] and socket.response.headers["X-Model-Version"]
        assert (
            "Sec-WebSocket-Extensions" not in socket.response.headers
        )  # no compression, whatever was offered
        session = begin(socket)["session"]
        socket.send(frames(0, levels("CO", 12)))
        assert [hear(socket, "identification")["name"] for _ in range(2)] == ["coffee"] * 2
        assert hear(socket, "received")["received"] == 12
        socket.socket.close()  # the network is gone
    with talk(server) as socket:
        assert begin(socket, session=session) | {"resumed": True, "resume_from": 12} == begin_again(
            socket, session
        )
    assert httpx2.get(server.url + "/health").status_code == 200


def begin_again(socket, session):
    """Another start on the same connection is the end of it; the session is still there."""
    socket.send(json.dumps({"type": "start"}))
    assert hear(socket, "closing")["session"] == session
    return {
        "type": "started", "session": session, "resumed": True, "resume_from": 12, "kept_seconds": 300.0,
        "idle_seconds": 30.0, "most_frames": 1000,
    }  # fmt: skip


def test_the_program_of_the_page(server, capsys):
    page = (Path(__file__).parents[2] / "docs" / "noses.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?stream.*?)^```", page, re.M | re.S)
    exec(program.replace("127.0.0.1:8000", server.url[7:]), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["coffee False ['uncalibrated', 'short']", "coffee False ['uncalibrated']"]


def test_it_lives_longer_than_headers_may_take(server):
    with talk(server) as socket:
        begin(socket)
        threading.Event().wait(1.5)  # more than HEAD_SECONDS of `nose_server`
        socket.send(frames(0, levels("CO", 3)))
        threading.Event().wait(1.5)
        assert hear(socket, "received")["received"] == 3


def test_no_key_is_in_the_log(server):
    for headers, status, code in (
        ({"X-API-Key": KEY, "X-Request-ID": "with-a-key"}, 401, "key-refused"),
        ({"X-API-Key": KEY, "Origin": "https://evil.example"}, 403, "origin-refused"),
    ):
        with pytest.raises(InvalidStatus) as caught, talk(server, additional_headers=headers):
            pass
        refused = caught.value.response
        assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
        assert json.loads(refused.body)["code"] == code
    server.logged("with-a-key")
    assert not any(KEY in line for line in server.lines)  # at LOG_LEVEL=DEBUG


def test_a_message_that_is_too_long(server):
    with talk(server) as socket:
        begin(socket)
        socket.send("x" * (MESSAGE_BYTES + 1))
        assert closed(socket).code == 1009


def test_other_paths_and_a_plain_request(server):
    for path, status in (("/v1/sensors", 404), ("/health", 404), ("/v1/predict", 404)):
        with pytest.raises(InvalidStatus) as caught, websocket(f"ws://{server.url[7:]}{path}"):
            pass
        assert caught.value.response.status_code == status
        assert json.loads(caught.value.response.body)["code"] == "not-found"
    assert httpx2.get(server.url + STREAM).status_code == 426


HANDSHAKE = (
    b"GET /v1/sensors/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize(
    "text",
    [
        HANDSHAKE.replace(b"13", b"12") + b"\r\n",
        HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short") + b"\r\n",
        HANDSHAKE.replace(b"GET", b"POST") + b"\r\n",
        HANDSHAKE + b"Content-Length: 5\r\n\r\nhello",
        HANDSHAKE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["version", "key", "method", "length", "chunked"],
)
def test_what_is_no_handshake_is_refused_as_a_problem(server, text):
    with connect(server) as connection:
        connection.sendall(text)
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"application/problem+json" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad-request"


def test_a_handshake_behind_an_answer_that_is_not_done_hangs_up(server):
    with connect(server) as connection:
        connection.sendall(head("/v1/predict/stream", None, "application/x-ndjson"))
        connection.sendall(b"0\r\n\r\n" + HANDSHAKE + b"\r\n")
        answer = rest(connection)
    assert b"101 Switching" not in answer


def test_the_end_says_which_session_to_go_on_with(small_model):
    server = NoseServer(MODEL_PATH=str(small_model), MAX_WORKERS="1", SHUTDOWN_TIMEOUT="10").until_ready()
    try:
        with talk(server) as socket:
            session = begin(socket)["session"]
            socket.send(frames(0, levels("CO", 3)))
            hear(socket, "received")
            server.signal(signal.SIGTERM)
            closing = hear(socket, "closing")
            assert (closing["code"], closing["session"], closing["resume_from"]) == ("draining", session, 3)
            goodbye = closed(socket)
            assert (goodbye.code, goodbye.reason) == (1012, f"session {session}")
        assert server.ended() == 0
    finally:
        server.kill()


def test_a_client_that_does_not_read_is_cut_off(small_model):
    server = NoseServer(MODEL_PATH=str(small_model), MAX_WORKERS="1", INFERENCE_TIMEOUT="1").until_ready()
    try:
        with talk(server, ping_interval=None) as socket:
            begin(socket)
            message = frames(0, levels("CO", 1)).encode()
            deadline = time.monotonic() + 30
            with pytest.raises((ConnectionClosed, OSError)):
                while time.monotonic() < deadline:
                    socket.send(message.decode())
    finally:
        server.kill()
