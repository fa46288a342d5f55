"""The model processes of a running server are killed, frozen, starved and poisoned."""

import os
import platform
import signal
import threading
import time

import pytest
from faults.poisoned import POISONS
from faults.server import Load, Probe, alive, fresh, predict, server_of, singles, statuses, until, workers

RESTARTS = "olfactory_worker_restarts_total"


@pytest.fixture(scope="module")
def server(poisoned_model):
    options = {"STALL_TIMEOUT": 1.5, "WORKER_MEMORY_MB": 2048, "INFERENCE_TIMEOUT": 60}
    with server_of(MODEL_PATH=poisoned_model, MAX_WORKERS=2, **options) as running:
        until(lambda: running.metric("olfactory_workers_ready") == 2, "both are there")
        yield running


def hurt(server, number, reason, row):
    """Send a signal to every model process, and see /ready go and come back."""
    before = server.metric(RESTARTS, reason=reason)
    with Probe(server) as probe:
        began = time.monotonic()
        for pid in workers(server):
            os.kill(pid, number)
        row.noticed = probe.until(503, began)
        reply = predict(server, "CCCCO")
        row.recovery = probe.until(200, began + row.noticed)
    assert reply.status_code in (200, 503)
    assert reply.status_code == 200 or int(reply.headers["Retry-After"]) >= 1
    assert predict(server, "CCCCCO").status_code == 200
    until(lambda: server.metric(RESTARTS, reason=reason) >= before + 2, "restarts are counted")
    row.recovery += row.noticed
    row.seen = f"/ready 503, then 200; asked meanwhile: {reply.status_code}"
    row.metric = f'{RESTARTS}{{reason="{reason}"}}, olfactory_engine_ready'


def test_every_process_is_killed(server, matrix):
    row = matrix(
        "engine killed", "SIGKILL to every model process", "/ready 503 within 2 s, and 200 by itself"
    )
    hurt(server, signal.SIGKILL, "died", row)


def test_every_process_is_frozen(server, matrix):
    row = matrix("engine hung", "SIGSTOP to every model process", "/ready 503 within 2 s, and 200 by itself")
    hurt(server, signal.SIGSTOP, "stalled", row)


def test_killed_again_and_again_under_load_no_request_is_lost(server, matrix, heavy):
    row = matrix(
        "engine killed under load",
        "SIGKILL to one of two model processes, again and again",
        "no request fails",
    )
    before = server.metric(RESTARTS, reason="died")
    rate, times = (60, 10) if heavy else (25, 2)
    with Probe(server) as probe, Load(server, singles(fresh()), rate=rate, seconds=2 * times) as load:
        began = time.monotonic()
        for _ in range(times):
            time.sleep(0.5)
            os.kill(workers(server)[0], signal.SIGKILL)
            until(lambda: server.metric("olfactory_workers_ready") == 2, "both are there again")
    result = load.result()
    assert result.failed == 0, result.outcomes
    assert server.metric(RESTARTS, reason="died") >= before + times
    assert probe.seen(began) == {200}  # the other one goes on
    row.seen = f"{statuses(result)}; /ready 200 throughout"
    row.metric = f'{RESTARTS}{{reason="died"}}'


def test_frozen_in_the_middle_of_a_batch(server, matrix):
    row = matrix(
        "engine hung in a batch", "SIGSTOP to both model processes while lists are computed", "200, late"
    )
    before = server.metric(RESTARTS, reason="stalled")
    replies = []
    lists = [fresh(1000)[i : i + 300] for i in (0, 300)]
    asking = [
        threading.Thread(target=lambda part=part: replies.append(predict(server, part))) for part in lists
    ]
    began = time.monotonic()
    for thread in asking:
        thread.start()
    until(lambda: server.metric("olfactory_queue_depth") > 0, "it works")
    for pid in workers(server):
        os.kill(pid, signal.SIGSTOP)
    for thread in asking:
        thread.join()
    assert [reply.status_code for reply in replies] == [200, 200]
    assert all("prediction" in item for reply in replies for item in reply.json()["results"])
    assert server.metric(RESTARTS, reason="stalled") > before
    row.seen, row.recovery = "200, every molecule of both lists predicted", time.monotonic() - began
    row.metric = f'{RESTARTS}{{reason="stalled"}}'


HOW = {
    "nan": ("model gives NaN", "a graph that gives NaN for one molecule", None),
    "raises": ("engine raises", "a graph that reads an element which is not there, for one molecule", None),
    "hungry": ("out of memory", "a graph that wants 4 GiB for one molecule, of 2 allowed", None),
    "kills": ("poison that kills", "a graph that divides the least whole number by -1 (SIGFPE)", "died"),
    "hangs": ("poison that hangs", "a graph that counts for years, for one molecule", "stalled"),
}


@pytest.mark.parametrize("kind", HOW)
def test_a_poison_is_its_own_error_and_costs_its_batch_mates_nothing(server, matrix, kind):
    if kind == "kills" and platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("only the processors of x86 trap at this division")
    fault, how, reason = HOW[kind]
    row = matrix(fault, how, "200 with an error for that molecule alone; alone it is 500; nothing else fails")
    before = server.metric(RESTARTS, reason=reason) if reason else server.metric(RESTARTS)
    began = time.monotonic()
    start = 2000 + 10 * list(HOW).index(kind)
    mates = fresh(start)[:8]
    reply = predict(server, [*mates[:4], POISONS[kind], *mates[4:]])
    row.recovery = time.monotonic() - began
    assert reply.status_code == 200
    results = reply.json()["results"]
    assert results.pop(4)["error"]["code"] == "engine-fault"
    assert all("prediction" in item for item in results)
    alone = predict(server, POISONS[kind])
    assert (alone.status_code, alone.json()["code"]) == (500, "engine-fault")
    assert alone.headers["Content-Type"] == "application/problem+json"
    after = server.metric(RESTARTS, reason=reason) if reason else server.metric(RESTARTS)
    assert after > before if reason else after == before
    until(lambda: server.get("/ready").status_code == 200, "ready")
    assert predict(server, fresh(start + 9)[0]).status_code == 200
    row.seen = "200 with one engine-fault and 8 predictions; alone 500"
    row.metric = (
        f'{RESTARTS}{{reason="{reason}"}}' if reason else 'olfactory_errors_total{error_type="engine-fault"}'
    )
    assert server.metric("olfactory_errors_total", error_type="engine-fault") >= 2


def test_when_the_front_is_killed_no_process_is_left(server, matrix):
    """The last test of this server."""
    row = matrix("server killed", "SIGKILL to the front process", "its model processes end with it")
    pids = workers(server)
    assert len(pids) == 2
    began = time.monotonic()
    os.kill(server.process.pid, signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in pids), "no process is left")
    row.seen, row.recovery = "no process left", time.monotonic() - began
