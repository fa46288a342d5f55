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


def test_what_is_refused_before_it_is_a_request_is_counted(server):
    def counted():
        text = httpx2.get(server.url + "/metrics").text
        found = re.search(r'^olfactory_errors_total\{error_type="bad-request"\} (\S+)$', text, re.M)
        return float(found[1]) if found else 0.0

    before = counted()
    assert sent(server, b"\x16\x03\x01\x02\x00\x01\x00")
    assert counted() == before + 1


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


def test_a_connection_is_kept_for_longer_than_nginx_keeps_it(server):
    """uvicorn alone closes after 5 s, and what a proxy sends just then is lost."""
    assert limits.IDLE_SECONDS > 60
    with connect(server) as connection:
        for idle in (7, 0):
            connection.sendall(GET + b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(idle)


CHUNKED = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"1\r\n \r\n0\r\n"


@pytest.mark.parametrize("method", [b"GET /health", b"POST /v1/predict"])
@pytest.mark.parametrize(
    ("before", "piece"),
    [
        (LAST_CHUNK, b"a:b\r\n" * 10_000),
        (LAST_CHUNK + b"a: ", b"a" * 50_000),
        (b"1;", b"a" * 50_000),
    ],
)
def test_nobody_keeps_what_follows_a_body(server, method, before, piece):
    """Trailers and chunk extensions count towards no body."""
    with connect(server) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        connection.sendall(method + b" HTTP/1.1\r\nHost: x\r\n" + CHUNKED + before)
        for _ in range(400):  # 20 MB
            connection.sendall(piece)
            time.sleep(0.005)


def answers_of(application, *parts):
    """Send all to an application behind a `Connection`, and return what comes until it hangs up."""
    import asyncio

    from uvicorn import Config
    from uvicorn.server import ServerState

    async def main():
        config = Config(application, log_config=None, lifespan="off", ws="none")
        config.load()
        loop, state = asyncio.get_running_loop(), ServerState()
        listening = await loop.create_server(lambda: limits.Connection(config, state, {}), "127.0.0.1", 0)
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.02)
            found = await reader.read()
        writer.close()
        listening.close()
        return found

    return asyncio.run(main())


async def tell_headers(scope, receive, send):
    while (await receive())["more_body"]:
        pass
    body = b" ".join(name for name, _ in scope["headers"] if name.startswith(b"x-"))
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("apart", [False, True])
def test_a_trailer_is_no_header(apart):
    parts = [
        b"POST / HTTP/1.1\r\nHost: x\r\nX-First: 1\r\n" + CHUNKED + b"1\r\n",
        b" \r\n0\r\nX-API-Key: secret\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Second: 1\r\n" + CHUNKED + b"0\r\nX-Trailer: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Third: 1\r\nConnection: close\r\n\r\n",
    ]
    found = answers_of(tell_headers, *(parts if apart else [b"".join(parts)]))
    assert re.findall(rb"x-[a-z-]+(?: x-[a-z-]+)*", found) == [b"x-first", b"x-second", b"x-third"]


def test_many_requests_at_once_are_not_taken_for_trailers():
    one = b"GET / HTTP/1.1\r\nHost: x\r\nX-A: %s\r\n\r\n" % (b"a" * 2000)
    last = b"POST / HTTP/1.1\r\nHost: x\r\nX-Last: 1\r\nConnection: close\r\nContent-Length: 1\r\n\r\n"
    found = answers_of(tell_headers, one * 60 + last, b" ")
    assert found.count(b"x-a") == 60
    assert found.endswith(b"x-last")


@pytest.mark.parametrize(
    "coding", ["gzip, chunked", "chunked\r\nTransfer-Encoding: chunked", "deflate, chunked"]
)
def test_a_body_of_another_transfer_coding(server, coding):
    head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: {coding}"
    found = sent(server, head.encode() + b'\r\n\r\n11\r\n{"smiles": "CCO"}\r\n0\r\n\r\n')
    assert problem(found) == (400, "bad-request")


@pytest.mark.parametrize("coding", ["chunked", "Chunked"])
def test_a_body_in_chunks_is_read(server, coding):
    head = "POST /v1/predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    head += f"Transfer-Encoding: {coding}\r\n\r\n"
    found = sent(server, head.encode() + b'11\r\n{"smiles": "CCO"}\r\n0\r\n\r\n')
    assert found.startswith(b"HTTP/1.1 200")
