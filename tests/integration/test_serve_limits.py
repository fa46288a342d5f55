"""What one connection may take of the real server."""

import json
import re
import time

import httpx2
import pytest
from integration.serving import Server, connect, head, rest

from olfactory_transformer.api import connection as limits


@pytest.fixture(scope="module")
def server():
    running = Server(MAX_WORKERS="1", INFERENCE_TIMEOUT="2").until_ready()
    yield running
    running.kill()


@pytest.fixture(autouse=True)
def still_works(server):
    yield
    assert httpx2.post(server.url + "/v1/predict", json={"smiles": "CCO"}, timeout=20).status_code == 200


def sent(server, *parts):
    """Send all, and return the reply when the server has hung up."""
    with connect(server) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break
        return rest(connection)


def problem(reply):
    top, _, body = reply.partition(b"\r\n\r\n")
    found = json.loads(body)
    assert b"application/problem+json" in top
    assert found["request_id"].encode() in top
    assert top.startswith(f"HTTP/1.1 {found['status']} ".encode())
    return found["status"], found["code"]


GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "request_head",
    [
        [GET, b"X-A: " + b"a" * (limits.HEAD_BYTES + 1) + b"\r\n\r\n"],
        [GET] + [b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(100)] + [b"\r\n"],
        [b"GET /" + b"a" * (limits.HEAD_BYTES + 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n"],
        [GET] + [b"X-A: " + b"a" * 10_000] * 1000,  # never ends
    ],
)
def test_headers_too_large(server, request_head):
    assert problem(sent(server, *request_head)) == (431, "headers-too-large")


def test_headers_just_within(server):
    reply = sent(server, GET, b"X-A: " + b"a" * (limits.HEAD_BYTES - 1000) + b"\r\nConnection: close\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "junk", [b"\x00" * 100, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"POST / HTTP/9.9\r\n\r\n"]
)
def test_what_is_not_http(server, junk):
    assert problem(sent(server, junk)) == (400, "bad-request")


def test_a_body_that_drips(server):
    with connect(server) as connection:
        connection.sendall(head("/v1/predict", 1000))
        began = time.monotonic()
        connection.settimeout(0.1)
        reply = b""
        while not reply and time.monotonic() < began + 30:
            connection.sendall(b" ")
            try:
                reply = connection.recv(65536)
            except TimeoutError:
                continue
        assert problem(reply + rest(connection)) == (408, "request-timeout")


def test_a_client_that_never_reads(server):
    """Its answers fill all buffers, and it is cut off."""
    body = json.dumps({"smiles": ["CCO"] * 1000, "words": "all"}).encode()
    with connect(server, 60) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        while True:
            connection.sendall(head("/v1/predict", len(body)) + body)


def test_one_that_says_nothing_or_little_does_not_stay(server, monkeypatch):
    """Twenty seconds are long for a test: the same class with less."""
    import asyncio

    from uvicorn import Config
    from uvicorn.server import ServerState

    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.2)
    results = {}

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def ask(port, name, *parts):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.02)
        results[name] = await reader.read()
        writer.close()

    async def main():
        config = Config(application, log_config=None, lifespan="off", ws="none", timeout_keep_alive=600)
        config.load()
        loop, state = asyncio.get_running_loop(), ServerState()
        listening = await loop.create_server(lambda: limits.Connection(config, state, {}), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        async with asyncio.timeout(20):
            await asyncio.gather(
                ask(port, "nothing"),
                ask(port, "little", b"GET / HT"),
                ask(port, "drip", b"GET / HTTP/1.1\r\nA: ", *[b"a"] * 15),
                ask(port, "after an answer", whole, b"GET"),
                ask(port, "empty lines", whole, b"\r\n"),
                ask(port, "a body nobody reads", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n", b"a"),
            )
        listening.close()

    asyncio.run(main())
    assert results["nothing"] == b""
    assert problem(results["little"]) == problem(results["drip"]) == (408, "request-timeout")
    first, second = re.split(rb"(?=HTTP/1.1 408)", results["after an answer"])
    assert first.startswith(b"HTTP/1.1 200")
    assert problem(second) == (408, "request-timeout")
    for name in ("empty lines", "a body nobody reads"):
        assert results[name].count(b"HTTP/1.1") == 1
