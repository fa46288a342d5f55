"""The real server as a process of its own, asked over a real connection."""

import json
import re
import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest
from integration.serving import API, START, Server, begun, environment, head, rest, until_closed

from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.model.folder import resolve

VANILLIN = "COc1cc(C=O)ccc1O"


@pytest.fixture(scope="module")
def server():
    running = Server()
    yield running.until_ready()
    running.kill()


@pytest.fixture
def own_server():
    """Start a server that the test may stop."""
    started = []

    def start(**settings):
        started.append(Server(**settings))
        return started[-1].until_ready()

    yield start
    for running in started:
        running.kill()


@pytest.fixture
def client(server):
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        yield client


def test_listens_on_this_machine_only_unless_told(server):
    assert server.url.startswith("http://127.0.0.1:")


def test_alive_and_ready(client):
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready", "degraded": []}


def test_answers_what_the_library_says(client):
    found = client.post("/v1/predict", json={"smiles": VANILLIN, "words": "all"})
    assert found.status_code == 200
    predictor = ScentPredictor.from_pretrained()
    expected = predictor.predict(VANILLIN)
    assert found.json()["words"] == pytest.approx(expected.words, abs=1e-5)
    assert found.json()["model_version"] == found.headers["x-model-version"] == predictor.version
    assert found.headers["x-model-hash"] == predictor.model_hash == client.get("/v1/model").json()["hash"]
    assert client.get("/v1/words").json()["words"] == list(predictor.config.words)


def test_a_list(client):
    results = client.post("/v1/predict", json={"smiles": ["CCO", "C1CC", VANILLIN]}).json()["results"]
    assert [sorted(r) for r in results] == [
        ["index", "prediction"],
        ["error", "index"],
        ["index", "prediction"],
    ]


def test_the_command_line_of_the_docs(server, client):
    curl = subprocess.run(
        [
            "curl",
            "-sS",
            "-H",
            "Content-Type: application/json",
            "-d",
            '{"smiles": "CCO"}',
            server.url + "/v1/predict",
        ],
        capture_output=True,
        check=True,
    )
    assert json.loads(curl.stdout) == client.post("/v1/predict", json={"smiles": "CCO"}).json()


def test_the_metrics_count_batches_of_the_model(client):
    def batches():
        found = re.search(r"^olfactory_batch_size_count (\d+)", client.get("/metrics").text, re.M)
        return int(found.group(1))

    before = batches()
    client.post("/v1/predict", json={"smiles": ["C" * n + "O" for n in range(1, 34)]})
    assert batches() >= before + 2  # BATCH_SIZE is 32


def test_a_body_over_the_limit_is_refused_while_it_is_sent(client):
    sent = 0

    def chunks():
        nonlocal sent
        yield b'{"smiles": "'
        while sent < 200 * 2**20:
            sent += 2**16
            yield b"C" * 2**16

    headers = {"Content-Type": "application/json"}
    reply = client.post("/v1/predict", content=chunks(), headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (413, "body-too-large")
    assert sent < 50 * 2**20
    declared = client.post("/v1/predict", content=b"C" * (8 * 2**20), headers=headers)
    assert (declared.status_code, declared.json()["code"]) == (413, "body-too-large")
    assert client.get("/health").status_code == 200


def test_what_is_not_http_does_no_harm(server, client):
    for junk in (b"\x00" * 100, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"POST / HTTP/9.9\r\n\r\n"):
        with socket.create_connection(server.address, 5) as connection:
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert client.get("/health").status_code == 200


def test_a_client_that_leaves_midway_is_no_error(server, client):
    with socket.create_connection(server.address, 5) as connection:
        connection.sendall(head("/v1/predict", 1000) + b'{"smiles"')
    server.logged(" 499 ")
    assert not any("ERROR" in line for line in server.lines)
    assert client.get("/ready").status_code == 200


def test_its_log_has_a_line_a_request_and_no_molecule(server, client):
    client.post("/v1/predict", json={"smiles": VANILLIN}, headers={"X-Request-ID": "look-for-me"})
    server.logged("look-for-me")
    (line,) = [line for line in server.lines if "look-for-me" in line]
    assert "POST /v1/predict 200" in line
    assert not any(VANILLIN in line for line in server.lines + server.errors)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_progress_is_finished_before_the_end(own_server, number):
    server = own_server()
    body = json.dumps({"smiles": [VANILLIN] * 3}).encode()
    with begun(server, body) as connection:
        server.process.send_signal(number)
        until_closed(server)
        assert server.process.poll() is None
        connection.sendall(body[len(body) // 2 :])
        status, _, content = rest(connection).partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 200")
    assert len(json.loads(content)["results"]) == 3
    assert server.stop() == 0
    assert server.errors == []


def test_a_client_that_never_ends_does_not_keep_it(own_server):
    server = own_server(SHUTDOWN_TIMEOUT="1")
    with begun(server, b'{"smiles": "CCO"}'):
        began = time.monotonic()
        assert server.stop() == 0
        assert 0.5 < time.monotonic() - began < 10


def refused(**settings):
    done = subprocess.run(API, env=environment(**settings), capture_output=True, text=True, timeout=START)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_a_port_in_use(server):
    port = str(server.address[1])
    assert refused(PORT=port) == (
        f"olfactory: PORT: got {port} on 127.0.0.1 (address already in use), "
        "expected a free port of an address of this machine"
    )


def test_a_model_that_is_not_there():
    assert refused(PORT="0", MODEL_PATH="/no/such/model").startswith("olfactory: no model '/no/such/model'")


def test_a_model_that_was_altered(tmp_path):
    for path in resolve("olfactory-base-v1").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "model.onnx"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "model.onnx: got" in refused(PORT="0", MODEL_PATH=str(tmp_path))


def test_a_wrong_setting():
    assert (
        refused(PORT="high")
        == "olfactory: PORT: got 'high' (environment), expected a whole number from 0 to 65535"
    )


def test_a_host_that_is_not_ours():
    assert "192.0.2.1" in refused(HOST="192.0.2.1", PORT="0")


def test_the_command_goes_before_the_environment():
    # As a program of its own; that `olfactory serve` is this function is for the tests of the command line.
    command = [
        sys.executable,
        "-c",
        "import typer; from olfactory_transformer.cli.serve import serve; typer.run(serve)",
    ]

    def run(*options):
        done = subprocess.run(
            [*command, *options], env=environment(PORT="0", MODEL_PATH="x"), capture_output=True, text=True
        )
        return done.returncode, done.stderr

    assert run("--port", "99999") == (
        2,
        "olfactory: PORT: got 99999 (command line), expected a whole number from 0 to 65535\n",
    )
    code, said = run("--host", "127.0.0.1", "--port", "0", "--model", "/no/such/model")
    assert (code, said.count("\n")) == (2, 1)
    assert "/no/such/model" in said
