"""Every setting changes something: for each, what it changes in a real process.

A setting without a test here fails `test_every_setting_has_a_test`. Settings are set together where they do not get in
each other's way, so that few servers are started.
"""

import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import termios
import threading
import time
import tty
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import paho.mqtt.publish as publish
import pytest
from faults.poisoned import POISONS, write_poisoned
from integration.serving import API, START, Server, environment, head
from services.collector import collector
from services.run import free_port, mosquitto, redis

from olfactory_transformer.inference.runtime import providers
from olfactory_transformer.model.folder import resolve
from olfactory_transformer.settings import Settings

BUNDLED = resolve("olfactory-base-v1")
VANILLIN = "COc1cc(C=O)ccc1O"
KEY, OTHER_KEY = "an-api-key-of-the-environment-1", "an-api-key-of-the-environment-2"
ORIGIN = "https://lab.example"
EFFECTS = {}


def shows(*names):
    """Mark a test as that of the settings' effect."""

    def note(test):
        EFFECTS.update(dict.fromkeys(names, test.__name__))
        return test

    return note


def test_every_setting_has_a_test():
    assert EFFECTS.keys() == Settings.model_fields.keys()


def until(true, what, seconds=START):
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def metric(text, sample):
    """Return the value of a sample such as `name{label="value"}`, 0 where there is none."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def command(*arguments, **settings):
    """Run a command of `olfactory`."""
    return subprocess.run(
        [sys.executable, "-m", "olfactory_transformer.cli", *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=2 * START,
    )


def refusal(**settings):
    """Return what a server says that does not start."""
    done = subprocess.run(
        API, env=environment(PORT="0", **settings), capture_output=True, text=True, timeout=START
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    return line


# A server as in production


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    folder = tmp_path_factory.mktemp("production")
    (folder / "models" / "next").mkdir(parents=True)
    (folder / "models" / "next" / "manifest.json").touch()
    (folder / "olfactory.toml").write_text("max_items = 3\n")
    database = f"sqlite:///{folder}/keys.db"
    made = command("keys", "create", "me", "--scope", "admin", "--limit", "100000", DATABASE_URL=database)
    with redis() as shared, collector() as spans:
        server = Server(
            OLFACTORY_CONFIG=str(folder / "olfactory.toml"),
            HOST="127.0.0.2",
            HEALTH_CHECK_PORT="0",
            METRICS_PORT="0",
            MODELS_DIR=str(folder / "models"),
            MAX_WORKERS="2",
            WORKER_MEMORY_MB="4096",
            MAX_BODY_BYTES="2048",
            CACHE_DIR=str(folder / "cache"),
            REDIS_URL=shared.url,
            DATABASE_URL=database,
            API_KEY_REQUIRED="true",
            API_KEYS=f"{KEY},{OTHER_KEY}",
            RATE_LIMIT_PER_MINUTE="30",
            TRUSTED_PROXIES="127.0.0.0/8",
            CORS_ORIGINS=ORIGIN,
            DOCS_ENABLED="false",
            AUDIT_MOLECULES="true",
            LOG_FORMAT="text",
            LOG_FILE=str(folder / "logs" / "app.log"),
            OTEL_EXPORTER_OTLP_ENDPOINT=spans.url,
        )
        server.folder, server.redis, server.spans = folder, shared, spans
        server.admin = {"X-API-Key": made.stdout.strip()}
        try:
            until(lambda: httpx2.get(server.url + "/ready").status_code == 200, "it is not ready")
            yield server
        finally:
            server.kill()


def ask(server, smiles=VANILLIN, *, key=KEY, **headers):
    return httpx2.post(
        server.url + "/v1/predict",
        json={"smiles": smiles},
        headers={"X-API-Key": key, **headers},
        timeout=START,
    )


@shows("host")
def test_the_address(production):
    assert production.url.startswith("http://127.0.0.2:")
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(production.url.replace("127.0.0.2", "127.0.0.1") + "/health")


@shows("olfactory_config", "max_items")
def test_a_setting_of_the_file(production):
    assert ask(production, ["CCO"] * 3).status_code == 200
    assert (reply := ask(production, ["CCO"] * 4)).status_code == 413, reply.text


@shows("max_body_bytes")
def test_a_long_body_is_refused(production):
    assert ask(production, "C" * 3000).json()["code"] == "body-too-large"


@shows("health_check_port")
def test_probes_on_a_port_of_their_own(production):
    url = production.side("HEALTH_CHECK_PORT")
    assert httpx2.get(url + "/ready").status_code == 200
    assert httpx2.get(url + "/metrics").status_code == 404


@shows("metrics_port")
def test_metrics_on_a_port_of_their_own(production):
    assert "olfactory_requests_total" in metrics_of(production)
    assert httpx2.get(production.url + "/metrics").status_code == 404


def metrics_of(server):
    return httpx2.get(server.side("METRICS_PORT") + "/metrics").text


@shows("models_dir")
def test_models_to_switch_to(production):
    found = httpx2.get(production.url + "/v1/admin/models", headers=production.admin).json()
    assert found["models"] == ["next", "olfactory-base-v1"]


@shows("max_workers", "worker_memory_mb")
def test_processes_and_what_they_may_take(production):
    assert metric(metrics_of(production), "olfactory_workers_wanted") == 2
    tasks = Path(f"/proc/{production.process.pid}/task").glob("*/children")
    children = [number for task in tasks for number in task.read_text().split()]
    workers = [n for n in children if "engine.worker" in Path(f"/proc/{n}/cmdline").read_text()]
    assert len(workers) == 2
    for number in workers:
        limits = Path(f"/proc/{number}/limits").read_text()
        assert re.search(r"^Max data size +(\d+)", limits, re.MULTILINE)[1] == str(4096 * 2**20)


@shows("cache_dir", "redis_url")
def test_where_predictions_are_kept(production):
    assert ask(production).status_code == 200
    assert any((production.folder / "cache").iterdir())
    keys = ["redis-cli", "-u", production.redis.url, "--scan", "--pattern", "olfactory:cache:*"]
    until(lambda: subprocess.run(keys, capture_output=True).stdout.strip(), "nothing is kept in Redis")


@shows("database_url")
def test_where_keys_are(production):
    with sqlite3.connect(production.folder / "keys.db") as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    assert {"api_keys", "audit"} <= tables
    assert httpx2.get(production.url + "/v1/admin/models", headers=production.admin).status_code == 200


@shows("api_key_required", "api_keys")
def test_who_may_ask(production):
    assert httpx2.get(production.url + "/v1/model").status_code == 401
    assert ask(production, key="no-key-of-the-environment").status_code == 401
    assert ask(production).status_code == 200


@shows("rate_limit_per_minute")
def test_how_often(production):
    replies = [httpx2.get(production.url + "/v1/model", headers={"X-API-Key": OTHER_KEY}) for _ in range(40)]
    assert {reply.status_code for reply in replies} == {200, 429}
    assert "q=30;w=60" in replies[0].headers["ratelimit-policy"]


@shows("trusted_proxies", "audit_molecules")
def test_what_the_audit_log_says(production):
    assert ask(production, "CCOC(C)=O", **{"X-Forwarded-For": "192.0.2.7"}).status_code == 200

    def rows():
        done = command(
            "audit", "list", "--format", "json", DATABASE_URL=f"sqlite:///{production.folder}/keys.db"
        )
        return [row for row in map(json.loads, done.stdout.splitlines()) if row["address"] == "192.0.2.7"]

    (row,) = until(rows, "it is not in the audit log")
    assert "CCOC(C)=O" in row["molecules"]


@shows("cors_origins")
def test_whose_pages_may_ask(production):
    def allowed(origin):
        return ask(production, Origin=origin).headers.get("access-control-allow-origin")

    assert (allowed(ORIGIN), allowed("https://other.example")) == (ORIGIN, None)


@shows("docs_enabled")
def test_no_pages_about_itself(production):
    assert httpx2.get(production.url + "/docs").status_code == 404
    assert httpx2.get(production.url + "/openapi.json").status_code == 404


@shows("log_format", "log_file")
def test_how_and_where_it_logs(production):
    ask(production, **{"X-Request-ID": "look-for-me"})
    line = production.logged("look-for-me")
    assert re.match(r"\d{4}-\d\d-\d\d \S+ - olfactory_transformer\.requests - INFO - POST", line)
    log = (production.folder / "logs" / "app.log").read_text().splitlines()
    assert "look-for-me" in [json.loads(line).get("request_id") for line in log]


@shows("otel_exporter_otlp_endpoint")
def test_traces(production):
    ask(production)
    until(lambda: production.spans.spans, "no trace comes")
    assert any("/v1/predict" in span.name for span in production.spans.spans)


# A server that works in small steps


@pytest.fixture(scope="module")
def small(tmp_path_factory, small_model):
    process = subprocess.Popen(
        API,
        env=environment(
            PORT=str(port := free_port()),
            MODEL_PATH=str(small_model),
            LOG_LEVEL="WARNING",
            MAX_WORKERS="1",
            BATCH_SIZE="4",
            BATCH_TOKENS="64",
            BATCH_DELAY_MS="300",
            CACHE_SIZE="2",
            CACHE_TTL_HOURS=str(1 / 3600),
            DATABASE_URL=f"sqlite:///{tmp_path_factory.mktemp('small')}/keys.db",
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    until(lambda: status(url + "/ready") == 200, "it is not ready")
    yield url, process
    process.kill()
    process.wait()


def status(url):
    try:
        return httpx2.get(url).status_code
    except httpx2.TransportError:
        return 0


def post(server, smiles):
    return httpx2.post(server.url + "/v1/predict", json={"smiles": smiles}, timeout=START)


def predict(url, smiles):
    reply = httpx2.post(url + "/v1/predict", json={"smiles": smiles}, timeout=START)
    assert reply.status_code == 200, reply.text
    return reply


@shows("port", "model_path")
def test_what_is_served_where(small, small_model):
    url, _ = small
    served = httpx2.get(url + "/v1/model").json()
    assert served["hash"] == hashlib.sha256((small_model / "manifest.json").read_bytes()).hexdigest()


@shows("batch_size", "batch_tokens")
def test_how_much_is_in_a_batch(small):
    url, _ = small
    predict(url, ["C" * length for length in range(1, 14)])
    predict(url, ["C" * length for length in range(25, 29)])
    text = httpx2.get(url + "/metrics").text
    count = metric(text, "olfactory_batch_size_count")
    assert metric(text, 'olfactory_batch_size_bucket{le="4.0"}') == count >= 4
    assert metric(text, 'olfactory_batch_tokens_bucket{le="64.0"}') == count
    assert metric(text, "olfactory_batch_size_sum") >= 17


@shows("batch_delay_ms")
def test_how_long_a_batch_waits_for_more(small):
    url, _ = small
    timing = predict(url, "CCCCC(=O)OCC").headers["server-timing"]
    assert float(re.search(r"engine;dur=([\d.]+)", timing)[1]) >= 290


@shows("cache_size")
def test_how_much_is_kept_in_memory(small):
    url, _ = small
    predict(url, ["CCCC", "CCCCO", "CCCCN", "CCCCCl"])
    text = httpx2.get(url + "/metrics").text
    assert metric(text, 'olfactory_cache_entries{tier="memory"}') == 2


@shows("cache_ttl_hours")
def test_how_long_it_is_kept(small):
    url, _ = small

    def hits():
        return metric(httpx2.get(url + "/metrics").text, 'olfactory_cache_hits_total{tier="memory"}')

    predict(url, "CCCCCCC")
    time.sleep(1.2)
    before = hits()
    predict(url, "CCCCCCC")
    assert hits() == before
    until(lambda: predict(url, "CCCCCCC") and hits() > before, "within a second it is not kept, either")


@shows("log_level")
def test_it_logs_no_more_than_asked(small):
    """The last of this server: its log is read to the end."""
    _, process = small
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=START)
    assert (process.returncode, out) == (0, b"")


# Servers of their own


@pytest.fixture
def server_of():
    started = []

    def start(**settings):
        started.append(Server(MAX_WORKERS="1", **settings))
        return started[-1].until_ready()

    yield start
    for server in started:
        server.kill()


@shows("inference_timeout", "max_queue_items")
def test_how_long_and_how_many_may_wait(server_of):
    server = server_of(INFERENCE_TIMEOUT="0.5", BATCH_DELAY_MS="1000", MAX_QUEUE_ITEMS="5")
    late = post(server, VANILLIN)
    assert (late.status_code, late.json()["code"]) == (504, "deadline")
    lists = [[VANILLIN + "C" * number, *("C" * n for n in range(1, 7))] for number in range(16)]
    with ThreadPoolExecutor(16) as at_once:  # the line takes one of any length, and then has no room
        codes = {r.json()["code"] for r in at_once.map(lambda smiles: post(server, smiles), lists)}
    assert codes == {"deadline", "queue-full"}
    assert metric(httpx2.get(server.url + "/metrics").text, "olfactory_queue_limit") == 5


@shows("stall_timeout")
def test_how_long_a_process_may_be_silent(server_of, tmp_path):
    model = write_poisoned(BUNDLED, tmp_path / "poisoned")
    server = server_of(STALL_TIMEOUT="1", MODEL_PATH=str(model))
    began = time.monotonic()
    reply = post(server, POISONS["hangs"])
    assert (reply.status_code, reply.json()["code"]) == (500, "engine-fault")
    assert time.monotonic() - began >= 1
    text = httpx2.get(server.url + "/metrics").text
    assert metric(text, 'olfactory_worker_restarts_total{reason="stalled"}') >= 1


@shows("redis_timeout_ms")
def test_how_long_redis_may_take(server_of):
    with redis() as shared:
        server = server_of(REDIS_URL=shared.url, REDIS_TIMEOUT_MS="700")
        assert post(server, VANILLIN).status_code == 200
        shared.signal(signal.SIGSTOP)
        try:
            timing = post(server, "CCCCO").headers["server-timing"]
        finally:
            shared.signal(signal.SIGCONT)
        assert float(re.search(r"engine;dur=([\d.]+)", timing)[1]) >= 690


@shows("shutdown_delay", "shutdown_timeout")
def test_how_it_ends(server_of):
    server = server_of(SHUTDOWN_DELAY="4", SHUTDOWN_TIMEOUT="1")
    with socket.create_connection(server.address, START) as unfinished:
        unfinished.sendall(head("/v1/predict", 100) + b'{"smiles"')
        began = time.monotonic()
        server.signal()
        until(lambda: status(server.url + "/ready") == 503, "it is not told to stop")
        assert post(server, VANILLIN).status_code == 200  # new requests are taken still
        assert server.ended() == 0
    assert 4.5 < time.monotonic() - began < 18  # with the usual timeout of 20 s it would be more


# Without a server


@shows("cache_size_mb")
def test_how_much_the_disk_keeps(tmp_path):
    settings = {"CACHE_DIR": str(tmp_path), "CACHE_SIZE_MB": "1"}
    many = tmp_path / "many.smi"
    many.write_text("\n".join("C" * (1 + n % 20) + "O" + "C" * (n // 20) for n in range(500)))
    assert "new, " in command("cache", "warm", "--input", str(many), **settings).stdout
    (disk,) = json.loads(command("cache", "stats", "--format", "json", **settings).stdout)["tiers"]
    assert 50 < disk["entries"] < 400
    assert disk["bytes"] < 1.5 * 2**20


@shows("tokenizer_path")
def test_another_tokenizer(tmp_path, small_model):
    assert str(tmp_path) in refusal(TOKENIZER_PATH=str(tmp_path))


@shows("device")
@pytest.mark.skipif("CUDAExecutionProvider" in providers("auto"), reason="there is a GPU here")
def test_a_device_that_is_not_there():
    assert refusal(DEVICE="cuda").startswith("olfactory: DEVICE: got 'cuda'")


@shows("sensor_port", "sensor_baudrate", "sensor_timeout", "sensor_id")
def test_its_own_board(server_of, small_model, tmp_path):
    master, slave = os.openpty()
    tty.setraw(slave)
    (port := tmp_path / "board").symlink_to(os.ttyname(slave))
    quiet = threading.Event()

    def write():
        while not quiet.wait(0.1):
            os.write(master, b"NO2=216,CO=830\r\n")

    board = threading.Thread(target=write)  # before the server listens, which counts silence from then on
    board.start()
    try:
        server = server_of(
            MODEL_PATH=str(small_model),
            SENSOR_PORT=str(port),
            SENSOR_BAUDRATE="19200",
            SENSOR_TIMEOUT="0.5",
            SENSOR_ID="bench-9",
        )
        url = server.url + "/v1/sensors/bench-9"
        until(lambda: httpx2.get(url).json()["channels"] == ["NO2", "CO"], "its channels are known")
        said = httpx2.get(url).json()
    finally:
        quiet.set()
        board.join()
    assert said["source"] == f"serial:{port}" and "silent" not in said["troubles"]
    assert termios.tcgetattr(slave)[4:6] == [termios.B19200, termios.B19200]
    until(lambda: "silent" in httpx2.get(url).json()["troubles"], "it is silent")


@shows("sensor_password", "sensor_format", "sensor_channels")
def test_a_board_behind_a_broker_with_a_password(server_of, small_model):
    with mosquitto(bench="not-for-everybody") as broker:
        server = server_of(
            MODEL_PATH=str(small_model),
            SENSOR_PORT=f"mqtt://bench@127.0.0.1:{broker.port}/nose",
            SENSOR_ID="bench-9",
            SENSOR_PASSWORD="not-for-everybody",
            SENSOR_FORMAT="csv",
            SENSOR_CHANNELS="NO2,CO",
        )
        url = server.url + "/v1/sensors/bench-9"

        def send(line):
            who = {"username": "bench", "password": "not-for-everybody"}
            publish.single("nose", line, 1, hostname="127.0.0.1", port=broker.port, auth=who)
            return httpx2.get(url).json()

        until(lambda: send(b"216,830")["channels"] == ["NO2", "CO"], "its channels are known")
        send(b"NO2=1")
        until(lambda: httpx2.get(url).json()["troubles"].get("garbled"), "pairs are no CSV")
    assert refusal(SENSOR_PORT="mqtt://127.0.0.1/nose", SENSOR_PASSWORD="x").startswith(
        "olfactory: SENSOR_PORT: got a password for nobody"
    )


@shows("nose_model_path")
def test_a_model_of_sensors_that_is_not_there():
    assert refusal(NOSE_MODEL_PATH="no-such-nose").startswith(
        "olfactory: NOSE_MODEL_PATH: no model 'no-such-nose'"
    )


@shows("olfactory_data_dir")
def test_where_training_data_is(tmp_path):
    done = command("data", "--verify", OLFACTORY_DATA_DIR=str(tmp_path / "absent"))
    assert (done.returncode, str(tmp_path / "absent") in done.stderr) == (2, True)
