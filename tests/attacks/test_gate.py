"""Attempts to get past the gate, as bytes on a real connection: only a right key in its place opens anything."""

import json
import socket
import statistics
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olfactory_transformer.api.app import create_app
from olfactory_transformer.api.connection import Connection
from olfactory_transformer.api.gate import WRONG_KEYS_PER_MINUTE
from olfactory_transformer.database.audit import AuditStore
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keys import KeyStore
from olfactory_transformer.database.upgrade import upgrade
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.settings import Settings

BODY = b'{"smiles": "CCO"}'
START = 30  # seconds


class Attacked:
    """A server on a port, and how to send it bytes."""

    def __init__(self, app, port, url):
        self.app, self.port, self.url = app, port, url

    def send(self, data):
        """Return status, headers and body of the reply."""
        with socket.create_connection(("127.0.0.1", self.port), START) as connection:
            connection.sendall(data)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += received(connection)
            head, _, body = answer.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
            if not data.startswith(b"HEAD "):
                while len(body) < int(headers.get("content-length", 0)):
                    body += received(connection)
            return int(lines[0].split()[1]), headers, body

    def ask(self, target="/v1/predict", method="POST", *headers, body=BODY):
        """Send a request; headers are (name, value) as text in latin-1, or bytes."""
        lines = [f"{method} ".encode() + encoded(target) + b" HTTP/1.1", b"Host: x"]
        lines += [encoded(name) + b": " + encoded(value) for name, value in headers]
        lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body), b"", body]
        return self.send(b"\r\n".join(lines))

    def code(self, *arguments, **more):
        """Return status and the problem's code."""
        status, headers, body = self.ask(*arguments, **more)
        is_problem = headers.get("content-type") == "application/problem+json" and body
        return status, json.loads(body)["code"] if is_problem else None


def encoded(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def received(connection):
    data = connection.recv(65536)
    assert data, "the connection was cut"
    return data


@contextmanager
def serving(url, **changes):
    app = create_app(Settings(database_url=url, **changes), FakeEngine())
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, http=Connection, ws="none", lifespan="on", proxy_headers=False, log_config=None)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    end = time.monotonic() + START
    while not server.started:
        assert time.monotonic() < end and thread.is_alive()
        time.sleep(0.01)
    try:
        yield Attacked(app, listening.getsockname()[1], url)
    finally:
        server.should_exit = True
        thread.join(START)
        listening.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('gate')}/keys.db"
    upgrade(Database(url))
    return url


@pytest.fixture(scope="module")
def keys(url):
    store = KeyStore(Database(url))
    return {scope: store.create(scope, [scope])[0] for scope in ("predict", "admin")}


@pytest.fixture(scope="module")
def server(url, keys):
    with serving(url, api_key_required=True, trusted_proxies="10.0.0.0/8") as server:
        yield server


@pytest.fixture(autouse=True)
def the_right_key_still_works(server, keys):
    server.app.state.access.wrong_keys._arrivals.clear()  # each test may try anew
    yield
    assert server.code("/v1/predict", "POST", ("X-API-Key", keys["predict"]))[0] == 200


def test_a_key_in_the_query_is_not_looked_at(server, keys):
    for name in ("X-API-Key", "x-api-key", "api_key", "apikey", "key", "token", "access_token"):
        assert server.code(f"/v1/predict?{name}={keys['predict']}") == (401, "key-required")


def test_a_key_elsewhere_is_not_looked_at(server, keys):
    key = keys["predict"]
    for header in (
        ("Authorization", f"Bearer {key}"),
        ("Authorization", key),
        ("Cookie", f"X-API-Key={key}"),
        ("X-API-Key-2", key),
        ("X_API_Key", key),
        ("Api-Key", key),
    ):
        assert server.code("/v1/predict", "POST", header) == (401, "key-required")
    body = json.dumps({"smiles": "CCO", "X-API-Key": key}).encode()
    assert server.code("/v1/predict", "POST", body=body) == (401, "key-required")


def test_the_header_twice_is_refused(server, keys):
    right, wrong = ("X-API-Key", keys["predict"]), ("x-api-key", "x" * 56)
    for pair in ((right, wrong), (wrong, right), (right, right)):
        assert server.code("/v1/predict", "POST", *pair) == (401, "key-refused")
    joined = f"{keys['predict']}, {keys['predict']}"
    assert server.code("/v1/predict", "POST", ("X-API-Key", joined)) == (401, "key-refused")


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1],
        lambda key: key + "A",
        lambda key: key.upper(),
        lambda key: key.replace("olf_", "olf_ "),
        lambda key: key.replace("_", "-"),
        lambda key: f'"{key}"',
        lambda key: f"{key}\x00".replace("\x00", "%00"),
        lambda key: key + "\xe9",
        lambda key: key.encode() + b"\xff\xfe",
        lambda key: "\uff4f".encode() + key[1:].encode(),  # a wide o
        lambda key: f"olf_{key[4:12]}_' OR '1'='1",
        lambda key: f"olf_%_{key[13:]}",
        lambda key: f"olf_********_{key[13:]}",
        lambda key: f"olf_........_{key[13:]}",
        lambda key: "",
        lambda key: "null",
        lambda key: "x" * 201,
        lambda key: "x" * 60_000,
        lambda key: key + " " * 300 + "x",
    ],
)
def test_nearly_right_keys(server, keys, change):
    status, code = server.code("/v1/predict", "POST", ("X-API-Key", change(keys["predict"])))
    assert (status, code) in ((401, "key-refused"), (400, "bad-request"), (431, "headers-too-large"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300).filter(lambda value: not {0, 10, 13} & set(value)))
def test_any_bytes_for_a_key(server, value):
    server.app.state.access.wrong_keys._arrivals.clear()
    status, code = server.code("/v1/predict", "POST", ("X-API-Key", value))
    assert status in (400, 401) and code in ("bad-request", "key-refused", "key-required")


PATHS = [
    "//v1/predict",
    "/./v1/predict",
    "/v1//predict",
    "/v1/./predict",
    "/v1/../v1/predict",
    "/health/../v1/predict",
    "/metrics/..%2fv1/predict",
    "/%2e/v1/predict",
    "/%2e%2e/v1/predict",
    "/%252e%252e/v1/predict",
    "/%76%31/predict",
    "/v1%2fpredict",
    "/v1/predict/",
    "/v1/predict%00",
    "/v1/predict%20",
    "/V1/predict",
    "/v1/PREDICT",
    "/v1;x=1/predict",
    "/v1/predict;x=1",
    "/v1\\predict",
    "/%EF%BD%96%EF%BC%91/predict",  # wide letters
    "/v1/predict?",
    "/v1/predict#/health",
    "/v1/predict/../../health",
    "/health/v1/predict",
    "http://x/v1/predict",
    "http://x//v1/predict",
    "/docs/../v1/predict",
    "/errors/../v1/predict",
    "*",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_way_of_writing_a_path_answers_without_a_key(server, path):
    for method in ("POST", "GET"):
        status, _, body = server.ask(path, method)
        assert status in (400, 401, 404, 405) and b"prediction" not in body and b"primary_notes" not in body


@pytest.mark.parametrize("path", [path.replace("predict", "admin/models") for path in PATHS])
def test_no_way_of_writing_a_path_makes_an_administrator(server, keys, path):
    for method in ("POST", "GET"):
        status, _, body = server.ask(path, method, ("X-API-Key", keys["predict"]))
        assert status in (400, 401, 403, 404, 405) and b'"models"' not in body


@pytest.mark.parametrize(
    "header",
    ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-HTTP-Method-Override", "X-Forwarded-Path"],
)
def test_headers_that_some_servers_take_for_the_path(server, keys, header):
    for value in ("/health", "/", "GET"):
        assert server.code("/v1/predict", "POST", (header, value)) == (401, "key-required")
    reply = server.ask("/health", "GET", (header, "/v1/admin/models"), ("X-API-Key", keys["admin"]))
    assert reply[0] == 200 and b'"models"' not in reply[2]


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PREDICT", "post"]
)
def test_no_method_goes_past_the_gate(server, method):
    for path in ("/v1/predict", "/v1/words", "/v1/admin/models", "/v2"):
        status, headers, _ = server.ask(path, method, body=b"")
        assert status in (400, 401) and "allow" not in headers


def test_a_preflight_tells_nothing(server):
    status, headers, _ = server.ask(
        "/v1/predict",
        "OPTIONS",
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "POST"),
    )
    assert status == 401 and not any(name.startswith("access-control") for name in headers)


def test_nothing_is_read_before_the_key_is_checked(server):
    head = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for framing in (b"Content-Length: 1000000000\r\n", b"Transfer-Encoding: chunked\r\n"):
        status, headers, _ = server.send(head + framing + b"\r\n")  # and the body never comes
        assert status == 401 and headers["connection"] == "close"


def test_replies_repeat_no_key(server, keys):
    for key in (keys["admin"][:-1] + "!", keys["predict"]):
        path = "/v1/nothing" if key == keys["predict"] else "/v1/predict"
        _, headers, body = server.ask(path, "POST", ("X-API-Key", key))
        assert key.encode() not in body and key not in str(headers)


def test_a_forged_address_does_not_evade_the_limit_on_wrong_keys(server):
    statuses = [
        server.code("/v1/predict", "POST", ("X-API-Key", f"x{n}"), ("X-Forwarded-For", f"192.0.2.{n}"))[0]
        for n in range(WRONG_KEYS_PER_MINUTE + 10)
    ]
    assert statuses.count(401) <= WRONG_KEYS_PER_MINUTE + 5 and statuses[-1] == 429


def test_a_forged_address_does_not_evade_the_rate_limit(url):
    with serving(url, rate_limit_per_minute=3, trusted_proxies="10.0.0.0/8") as server:
        names = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP", "Via")
        statuses = [
            server.ask("/v1/words", "GET", *((name, f"192.0.2.{n}") for name in names))[0] for n in range(10)
        ]
        assert statuses == [200] * 3 + [429] * 7


def test_a_flood_of_wrong_keys_from_many_addresses_is_bounded(url):
    # Every loopback address is trusted here, so that each request may name another client.
    with serving(url, api_key_required=True, trusted_proxies="127.0.0.0/8") as server:
        for n in range(300):
            key = f"olf_{n:08}_{'A' * 43}"
            address = f"192.0.{n % 250}.7"
            status, code = server.code(
                "/v1/predict", "POST", ("X-API-Key", key), ("X-Forwarded-For", address)
            )
            assert (status, code) == (401, "key-refused")
        access = server.app.state.access
        assert len(access.directory._known) == 0 and len(access.directory._unknown) <= 300
        assert 0 < len(access.wrong_keys) <= 250  # those of the last minute


def test_attackers_cannot_write_what_they_like_into_the_audit_log(server, url):
    marks = ("CCO-secret", "\x1b[2J", "<script>", "olf_")
    for mark in marks:
        quoted = "".join(f"%{byte:02x}" for byte in mark.encode())
        server.ask(
            f"/v1/{quoted}", "GET", ("X-API-Key", mark.replace("\x1b", "")), ("X-Request-ID", mark[:3] + " x")
        )
    server.app.state.access.audit._wake.set()
    end, store = time.monotonic() + START, AuditStore(Database(url))
    while not any(row.method == "GET" and row.status == 401 for row in store.newest()):
        assert time.monotonic() < end
        time.sleep(0.05)
    text = str(list(store.newest()))
    assert not any(mark in text for mark in marks)


def test_how_long_a_refusal_takes_does_not_tell_how_much_of_a_key_is_right(server, keys):
    """Weak by nature, on a busy machine: it would find a comparison that stops early only if that were slow."""
    right = keys["predict"]
    guesses = {
        "first wrong": right[:13] + "A" * 43,
        "last wrong": right[:-1] + ("A" if right[-1] != "A" else "B"),
    }
    spans = {name: [] for name in guesses}
    for _ in range(40):
        for name, guess in guesses.items():
            server.app.state.access.wrong_keys._arrivals.clear()
            began = time.perf_counter()
            assert server.code("/v1/predict", "POST", ("X-API-Key", guess))[0] == 401
            spans[name].append(time.perf_counter() - began)
    first, last = (statistics.median(found) for found in spans.values())
    assert 1 / 3 < first / last < 3
