"""Hostile WebSockets: each connection ends as RFC 6455 has it, and the next good one works."""

import json
import re
import socket
import struct

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integration.serving import connect
from integration.test_serve_sensors import HANDSHAKE, NoseServer, begin, hear, talk
from nose import levels, made_up
from starlette.testclient import TestClient, WebSocketDenialResponse

from olfactory_transformer.api.app import create_app
from olfactory_transformer.api.socket import MESSAGE_BYTES
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.settings import Settings

TEXT, BINARY, CONTINUED, CLOSE, PING = 1, 2, 0, 8, 9
START = b'{"type": "start"}'


@pytest.fixture(scope="module")
def server(small_model):
    server = NoseServer(MODEL_PATH=str(small_model), MAX_WORKERS="1", INFERENCE_TIMEOUT="5").until_ready()
    yield server
    assert server.process.poll() is None
    server.kill()
    assert not any("Traceback" in line for line in server.lines + server.errors)


def still_works(server):
    with talk(server) as good:
        begin(good)
        good.send(json.dumps({"type": "frames", "frames": [{"sequence": 0, "time": 0, "values": {"CO": 1}}]}))
        assert hear(good, "received")["received"] == 1


def frame(opcode, body=b"", *, last=True, masked=True, reserved=0):
    """Return a frame as a client sends it."""
    first = (0x80 if last else 0) | reserved << 4 | opcode
    mask = 0x80 if masked else 0
    if len(body) < 126:
        head = struct.pack("!BB", first, mask | len(body))
    elif len(body) < 2**16:
        head = struct.pack("!BBH", first, mask | 126, len(body))
    else:
        head = struct.pack("!BBQ", first, mask | 127, len(body))
    # A mask of zeros leaves the body as it is.
    return head + (b"\0\0\0\0" if masked else b"") + body


def opened(server):
    connection = connect(server)
    connection.sendall(HANDSHAKE + b"\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1)
    assert answer.startswith(b"HTTP/1.1 101 ")
    return connection


def ended_with(connection, seconds=20):
    """Return the code of the server's close frame, None if there was none."""
    connection.settimeout(seconds)
    heard = b""
    try:
        while part := connection.recv(65536):
            heard += part
    except ConnectionResetError:
        pass
    finally:
        connection.close()
    # The last frame: 0x88, its length, the code.
    found = [m.start() for m in re.finditer(rb"\x88[\x02-\x7d]", heard)]
    return struct.unpack("!H", heard[found[-1] + 2 : found[-1] + 4])[0] if found else None


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, START, masked=False), 1002),
        (frame(TEXT, START, reserved=4), 1002),  # compressed, which was not agreed on
        (frame(3, START), 1002),
        (frame(CONTINUED, START), 1002),
        (frame(TEXT, START, last=False) + frame(TEXT, START), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"", last=False), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xed\xa0\x80"), 1007),
        (struct.pack("!BBQ", 0x81, 0xFF, 2**62) + b"\0\0\0\0", 1009),
        (struct.pack("!BBQ", 0x81, 0xFF, MESSAGE_BYTES + 1) + b"\0\0\0\0", 1009),
        (frame(TEXT, b"x" * 600_000, last=False) + frame(CONTINUED, b"x" * 600_000), 1009),
        (frame(BINARY, START), 4422),
        (frame(TEXT, b"[" * 500_000), 4422),
        (frame(TEXT, START) + frame(CLOSE, struct.pack("!H", 1000)), 1000),
    ],
)
def test_frames_that_no_client_sends(server, sent, code):
    connection = opened(server)
    connection.sendall(sent)
    assert ended_with(connection) == code
    still_works(server)


def test_a_message_in_ten_thousand_parts(server):
    connection = opened(server)
    parts = frame(TEXT, START[:1], last=False) + frame(CONTINUED, b"", last=False) * 10_000
    connection.sendall(parts + frame(CONTINUED, START[1:]) + frame(CLOSE, struct.pack("!H", 1000)))
    assert ended_with(connection) == 1000
    still_works(server)


def test_ten_thousand_pings(server):
    connection = opened(server)
    connection.settimeout(20)
    connection.sendall(frame(TEXT, START))
    pongs = b""
    for _ in range(100):
        connection.sendall(frame(PING, b"ping") * 100)
        pongs += connection.recv(65536)
    connection.sendall(frame(CLOSE, struct.pack("!H", 1000)))
    assert ended_with(connection) == 1000
    still_works(server)


def test_half_a_frame_and_nothing_more(server):
    connection = opened(server)
    connection.sendall(frame(TEXT, START)[:5])
    assert ended_with(connection) == 4408  # after INFERENCE_TIMEOUT
    still_works(server)


def test_connections_that_are_cut_leave_nothing_behind(server):
    for _ in range(100):
        connection = opened(server)
        connection.sendall(frame(TEXT, START))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # a reset
    still_works(server)  # there is room for 64 at a time
    text = httpx2.get(server.url + "/metrics").text
    assert re.search(r"^olfactory_sensor_streams_open [01]\.0$", text, re.M), text


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.lists(
        st.binary(max_size=200) | st.builds(frame, st.integers(0, 15), st.binary(max_size=100)), max_size=8
    )
)
def test_any_bytes(server, sent):
    connection = opened(server)
    try:
        connection.sendall(b"".join(sent) + frame(CLOSE, struct.pack("!H", 1000)))
        connection.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass
    ended_with(connection)
    assert server.process.poll() is None


def test_after_any_bytes(server):
    still_works(server)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('keys')}/keys.db"
    app = create_app(Settings(api_key_required=True, database_url=url), FakeEngine(), nose=made_up())
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/v1/sensors/stream",
        "//v1/sensors/stream",
        "/v1//sensors/stream",
        "/v1/./sensors/stream",
        "/v1/x/../sensors/stream",
        "/V1/SENSORS/STREAM",
        "/v1/sensors/stream/",
        "/v1/sensors%2fstream",
        "/v1/sensors/stream?key=x",
        "/v1/sensors/stream?X-API-Key=x",
        "/health/../v1/sensors/stream",
        "/v1/sensors\\stream",
    ],
)
def test_no_way_of_writing_the_path_opens_a_stream_without_a_key(keyed, path):
    with pytest.raises(WebSocketDenialResponse) as caught, keyed.websocket_connect(path):
        pass
    assert caught.value.status_code in (401, 404)
    assert caught.value.headers["content-type"] == "application/problem+json"


def test_a_stream_of_numbers_at_their_limits(keyed):
    app = create_app(Settings(), FakeEngine(), nose=made_up())
    with TestClient(app) as client, client.websocket_connect("/v1/sensors/stream") as stream:
        stream.send_json({"type": "start"})
        stream.receive_json()
        values = [{"CO": 1e15}, {"CO": -1e15}, {"CO": 5e-324}, {"CO": None}, *levels("CO", 4)]
        for sequence, each in zip(
            (0, 1, 2**52, 2**53 - 4, 2**53 - 3, 2**53 - 2, 2**53 - 1, 2**53), values, strict=True
        ):
            one = {"sequence": sequence, "time": sequence % 7 * 1e14, "values": each}
            stream.send_json({"type": "frames", "frames": [one]})
            while (heard := stream.receive_json())["type"] != "received":
                assert heard["type"] in ("identification", "problem")
            json.dumps(heard, allow_nan=False)
