"""A running server is told to end, or ends without being told, while it is asked."""

import re
import signal
import threading
import time

import httpx2
import pytest
from faults.poisoned import POISONS
from faults.server import Load, Probe, alive, fresh, predict, server_of, singles, statuses, until, workers

REQUEST = re.compile(r"load-\d+")


@pytest.fixture
def server(small_model):
    with server_of(MODEL_PATH=small_model, MAX_WORKERS=2, SHUTDOWN_DELAY=3) as running:
        yield running


def logged(server):
    """Return the ids of the requests that the server began, with the line of each."""
    return {found.group(): line for line in server.log.splitlines() if (found := REQUEST.search(line))}


def test_sigterm_under_load_loses_no_request_that_was_accepted(server, matrix, heavy):
    row = matrix(
        "SIGTERM under load",
        "SIGTERM during an open loop of single molecules",
        "/ready 503 at once, new work for SHUTDOWN_DELAY, all accepted answered, exit 0",
    )
    pids = workers(server)
    rate = 200 if heavy else 40
    with Probe(server) as probe, Load(server, singles(fresh()), rate=rate, seconds=5, connections=32) as load:
        time.sleep(1)
        told = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        row.noticed = probe.until(503, told)
        code = server.process.wait(60)
        row.recovery = time.monotonic() - told
    result = load.result()
    answered = {kind for kind, ok in zip(result.kind, result.answered, strict=True) if ok}
    lost = logged(server).keys() - answered
    assert not lost, [logged(server)[name] for name in lost]
    assert code == 0
    after_told = [
        t for t, ok in zip(result.due + load.began, result.answered, strict=True) if ok and t > told
    ]
    assert after_told and max(after_told) > told + 0.5  # work is still taken after the signal
    assert set(result.outcomes) <= {"200", "refused", "closed", "reset"}
    assert not any(alive(pid) for pid in pids)
    assert "Traceback" not in server.log
    row.seen = f"{statuses(result)}; accepted and lost: 0; exit code {code}"
    row.metric = "/ready; the log names every request"


def asked(server, smiles):
    """Ask in a thread, and return it and where the reply will be, once the server is at it."""
    replies = []

    def ask():
        try:
            replies.append(predict(server, smiles))
        except httpx2.TransportError as error:
            replies.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until(
        lambda: server.metric("olfactory_requests_in_flight") > 1 or replies, "it works"
    )  # /metrics itself is one
    return thread, replies


@pytest.mark.parametrize("times", [1, 2])
def test_sigterm_in_the_middle_of_a_batch(small_model, matrix, heavy, times):
    size = 1000 if heavy else 200
    row = matrix(
        f"SIGTERM in a batch{', twice' * (times - 1)}",
        f"SIGTERM while a list of {size:,} is computed"
        + ("; again, which ends SHUTDOWN_DELAY" * (times - 1)),
        "the list is answered whole, exit 0",
    )
    delay = 0 if times == 1 else 100
    with server_of(MODEL_PATH=small_model, BATCH_SIZE=1, CACHE_SIZE=0, SHUTDOWN_DELAY=delay) as server:
        asking, replies = asked(server, fresh()[:size])
        assert not replies
        told = time.monotonic()
        for _ in range(times):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        asking.join()
        assert replies[0].status_code == 200
        assert all("prediction" in item for item in replies[0].json()["results"])
        code = server.process.wait(60)
        assert code == 0
        row.seen, row.recovery = f"200, {size:,} predictions; exit code {code}", time.monotonic() - told


@pytest.mark.parametrize("told", ["SIGTERM SIGTERM SIGTERM", "SIGINT SIGINT"])
def test_told_often_enough_it_ends_at_once(poisoned_model, matrix, told):
    row = matrix(
        told.replace(" ", ", "), "while a process hangs in a batch", "ends at once, no process is left"
    )
    options = {"STALL_TIMEOUT": 100, "SHUTDOWN_TIMEOUT": 100, "INFERENCE_TIMEOUT": 100}
    *first, last = (signal.Signals[name] for name in told.split())
    with server_of(MODEL_PATH=poisoned_model, **options) as server:
        pids = workers(server)
        asking, replies = asked(server, POISONS["hangs"])
        for number in first:
            server.process.send_signal(number)
            time.sleep(0.3)
        assert server.process.poll() is None  # what was accepted would still be finished
        began = time.monotonic()
        server.process.send_signal(last)
        code = server.process.wait(60)
        row.recovery = time.monotonic() - began
        asking.join()
        until(lambda: not any(alive(pid) for pid in pids), "no process is left")
        assert row.recovery < 50  # of the 100 seconds that it had
        assert code == 1
        row.seen = f"ended; exit code {code}; the request: {replies[0]}"
