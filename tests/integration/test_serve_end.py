"""How the server ends, and what it does on other signals and ports."""

import hashlib
import json
import shutil
import signal
import socket
import subprocess
import threading
import time

import httpx2
import pytest
from integration.serving import (
    API,
    START,
    Server,
    Stream,
    begun,
    connect,
    environment,
    head,
    rest,
    until_closed,
)

from olfactory_transformer.model.folder import resolve

BODY = json.dumps({"smiles": "COc1cc(C=O)ccc1O"}).encode()
LONG = "600"  # seconds that no test waits for


@pytest.fixture
def start():
    """Start a server that the test may stop."""
    started = []

    def start(**settings):
        started.append(Server(**{"MAX_WORKERS": "1", **settings}))
        return started[-1].until_ready()

    yield start
    for server in started:
        server.kill()


def ready(url):
    reply = httpx2.get(url + "/ready", timeout=10)
    return reply.status_code, reply.json().get("code")


def until_unready(url):
    deadline = time.monotonic() + START
    while ready(url) != (503, "draining"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_for_a_while_it_is_unready_and_works_on(start):
    server = start(SHUTDOWN_DELAY=LONG)
    server.signal()
    until_unready(server.url)
    reply = httpx2.post(
        server.url + "/v1/predict", content=BODY, headers={"Content-Type": "application/json"}
    )
    assert (reply.status_code, reply.headers["connection"]) == (200, "close")
    assert httpx2.get(server.url + "/health").status_code == 200
    with begun(server, BODY) as connection:
        server.signal()  # the second one skips the delay
        until_closed(server)
        connection.sendall(BODY[len(BODY) // 2 :])
        assert rest(connection).startswith(b"HTTP/1.1 200")
    assert server.ended() == 0
    assert server.errors == []


def test_the_delay_ends_by_itself(start):
    server = start(SHUTDOWN_DELAY="0.5")
    server.signal()
    assert server.ended() == 0


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 3), (signal.SIGINT, 2)])
def test_told_often_enough_it_ends_at_once(start, number, times):
    server = start(SHUTDOWN_DELAY=LONG, SHUTDOWN_TIMEOUT=LONG)
    with begun(server, BODY):
        for _ in range(times):
            server.signal(number)
            time.sleep(0.3)  # signals that come together are one
        assert server.ended() == 1


def test_what_does_not_finish_in_time_is_told(start):
    server = start(SHUTDOWN_TIMEOUT="1", INFERENCE_TIMEOUT=LONG)
    with begun(server, BODY) as connection:
        server.signal()
        reply = rest(connection)
    assert reply.startswith(b"HTTP/1.1 503")
    assert b'"code": "draining"' in reply
    assert server.ended() == 0


def test_a_stream_is_told_how_far_it_came(start):
    server = start(SHUTDOWN_TIMEOUT="3", INFERENCE_TIMEOUT=LONG)
    stream = Stream(server)
    stream.send(b'"CCO"\n"CCC"\n')
    assert [line["index"] for line in stream.lines()] == [0, 1]
    server.signal()
    (last,) = stream.to_the_end()
    assert (last["error"]["code"], last["error"]["answered"]) == ("draining", 2)
    stream.close()
    assert server.ended() == 0


def test_no_request_that_was_accepted_is_lost(start):
    """Clients that connect anew for each request, while the server is told to stop: an answer, or no connection."""
    server = start()
    stop, answers, lost = threading.Event(), [], []

    def ask():
        while not stop.is_set():
            try:
                connection = connect(server, 30)
            except OSError:
                return
            with connection:
                try:
                    connection.sendall(head("/v1/predict", len(BODY)) + BODY)
                    answers.append(rest_of_one(connection))
                except OSError as error:
                    lost.append(error)

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    while len(answers) < 50:
        time.sleep(0.01)
    server.signal()
    for client in clients:
        client.join(START)
    stop.set()
    assert server.ended() == 0
    assert lost == []
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}


def rest_of_one(connection):
    """Return a reply on a connection that stays open."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(65536) or hung_up(found)
    top, _, body = found.partition(b"\r\n\r\n")
    length = int(top.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536) or hung_up(body)
    return top


def hung_up(so_far):
    raise ConnectionError(f"hung up after {len(so_far)} bytes")


def test_ports_of_their_own(start):
    server = start(HEALTH_CHECK_PORT="0", METRICS_PORT="0", SHUTDOWN_DELAY=LONG)
    health, metrics = server.side("HEALTH_CHECK_PORT"), server.side("METRICS_PORT")
    assert len({server.url, health, metrics}) == 3

    def statuses(url):
        return {
            p: httpx2.get(url + p).status_code
            for p in ("/health", "/ready", "/metrics", "/v1/model", "/docs")
        }

    assert statuses(server.url) == {
        "/health": 200,
        "/ready": 200,
        "/metrics": 404,
        "/v1/model": 200,
        "/docs": 200,
    }
    assert statuses(health) == {
        "/health": 200,
        "/ready": 200,
        "/metrics": 404,
        "/v1/model": 404,
        "/docs": 404,
    }
    assert statuses(metrics) == {
        "/health": 404,
        "/ready": 404,
        "/metrics": 200,
        "/v1/model": 404,
        "/docs": 404,
    }
    assert httpx2.get(health + "/v1/model").headers["content-type"] == "application/problem+json"
    assert 'endpoint="/ready"' in httpx2.get(metrics + "/metrics").text
    server.signal()
    until_unready(health)
    server.signal()
    assert server.ended() == 0


@pytest.mark.parametrize("setting", ["HEALTH_CHECK_PORT", "METRICS_PORT"])
def test_a_port_of_its_own_that_is_taken(setting):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            API, env=environment(PORT="0", **{setting: port}), capture_output=True, text=True, timeout=START
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"olfactory: {setting}: got {port} on 127.0.0.1 (address already in use)")
    assert done.stderr.count("\n") == 1


def model_hash(server):
    return httpx2.get(server.url + "/v1/model").json()["hash"]


def test_hanging_up_reads_the_model_again(start, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(resolve("olfactory-base-v1"), folder)
    server = start(MODEL_PATH=str(folder))
    before = model_hash(server)

    def change(text):
        config = folder / "config.json"
        manifest = folder / "manifest.json"
        config.write_text(config.read_text().replace(*text))
        listed = json.loads(manifest.read_text())
        content = config.read_bytes()
        listed["files"]["config.json"] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }
        manifest.write_text(json.dumps(listed))

    version = json.loads((folder / "config.json").read_text())["version"]
    change((f'"version": "{version}"', '"version": "9.9.9"'))
    server.signal(signal.SIGHUP)
    server.logged("now serving olfactory-base-v1@9.9.9")
    assert model_hash(server) != before
    reply = httpx2.post(server.url + "/v1/predict", json={"smiles": "CCO"}, timeout=30)
    assert reply.json()["model_version"] == reply.headers["x-model-version"] == "olfactory-base-v1@9.9.9"

    (folder / "model.onnx").write_bytes(b"not a network")
    server.signal(signal.SIGHUP)
    server.logged("the model was not changed")
    assert ready(server.url) == (200, None)
    assert httpx2.post(server.url + "/v1/predict", json={"smiles": "CCC"}, timeout=30).status_code == 200
    assert server.stop() == 0
