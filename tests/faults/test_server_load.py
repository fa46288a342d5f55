"""More is asked of a running server than it can do, by clients that do not behave."""

import asyncio
import time

import httpx2
import pytest
from faults.server import Load, Probe, fresh, predict, server_of, singles, statuses, until, usage

from benchmarks.load.asks import lists, post
from benchmarks.load.crowd import drip, vanish
from benchmarks.load.generator import closed_loop, forever

QUEUE, LIST = 60, 20
REJECTIONS = "olfactory_rejections_total"


@pytest.fixture(scope="module")
def server(small_model):
    # Nothing is remembered, so that the same molecules can be asked for again.
    with server_of(MODEL_PATH=small_model, MAX_QUEUE_ITEMS=QUEUE, BATCH_SIZE=8, CACHE_SIZE=0) as running:
        yield running


@pytest.fixture(scope="module")
def capacity(server):
    """Lists a second that it can do."""
    load = closed_loop(server.address, forever(lists(fresh(), LIST)), clients=2, seconds=1.5, warm_up=0.5)
    result = asyncio.run(load)
    assert not result.failed
    return result.rate


def refusal(server):
    """Ask until it is refused, and return the reply."""
    replies = []

    def asked():
        replies.append(predict(server, fresh(500)[: QUEUE // 2]))
        return replies[-1].status_code == 503

    until(asked, "a refusal")
    return replies[-1]


@pytest.mark.parametrize("times", [2, 10])
def test_overload_is_refused_and_what_was_accepted_is_answered(server, capacity, matrix, heavy, times):
    row = matrix(
        f"{times} × overload",
        f"open loop of lists at {times} times the measured capacity",
        "200, or 503 with Retry-After; all accepted are answered; /ready stays 200",
    )
    before = server.metric(REJECTIONS, reason="queue-full")
    seconds = 15 if heavy else 3
    asks = forever(lists(fresh(), LIST))
    with Probe(server) as probe:
        began = time.monotonic()
        with Load(server, asks, rate=times * capacity, seconds=seconds, connections=200) as load:
            refused = refusal(server)
        result = load.result()
    assert set(result.outcomes) <= {"200", "503"}
    assert result.outcomes["503"] > 0
    assert result.rate > 0.3 * capacity  # refusing does not keep it from working
    assert (refused.json()["code"], refused.headers["Content-Type"]) == (
        "queue-full",
        "application/problem+json",
    )
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert probe.seen(began) == {200}
    assert server.metric(REJECTIONS, reason="queue-full") > before
    ended = time.monotonic()
    until(lambda: predict(server, "CCO").status_code == 200)
    row.recovery = time.monotonic() - ended
    row.seen = f"{statuses(result)}; {result.rate / capacity:.0%} of capacity answered"
    row.metric = f'{REJECTIONS}{{reason="queue-full"}}, olfactory_queue_depth'


def test_a_burst(server, capacity, matrix):
    row = matrix("burst", "300 lists at once", "200, or 503 with Retry-After; all accepted are answered")
    asks = forever(lists(fresh(), LIST))
    with Load(server, asks, rate=1e5, seconds=0.003, arrivals="constant", connections=300) as load:
        pass
    result = load.result()
    assert len(result.outcome) == 300
    assert set(result.outcomes) <= {"200", "503"}
    assert result.outcomes["200"] >= QUEUE // LIST
    assert server.metric("olfactory_queue_depth") == 0
    row.seen, row.metric = statuses(result), f'{REJECTIONS}{{reason="queue-full"}}'


def test_clients_that_vanish_leave_nothing_behind(server, capacity, matrix):
    row = matrix(
        "clients vanish", "100 connections reset, in a request or while it is worked on", "nothing is left"
    )
    files, gone = usage(server.process.pid).files, server.metric(REJECTIONS, reason="client-gone")

    async def all_at_once():
        asks = [post("/v1/predict", {"smiles": fresh(7 * i)[:LIST]}) for i in range(100)]
        await asyncio.gather(
            *(
                vanish(server.address, ask, None if i % 2 else 200, 0.05 * (i % 3))
                for i, ask in enumerate(asks)
            )
        )

    asyncio.run(all_at_once())
    began = time.monotonic()
    until(lambda: server.metric("olfactory_queue_depth") == 0, "the queue empties")
    until(lambda: usage(server.process.pid).files <= files + 3, "connections are closed")
    row.recovery = time.monotonic() - began
    until(lambda: server.metric(REJECTIONS, reason="client-gone") > gone, "it is counted")
    assert predict(server, "CCO").status_code == 200
    row.seen = "queue empty, files closed, next request 200"
    row.metric = f'{REJECTIONS}{{reason="client-gone"}}, olfactory_responses_total{{status="gone"}}'


def test_clients_that_drip_keep_nobody_waiting(server, capacity, matrix):
    row = matrix(
        "clients drip", "50 connections that send a byte at a time", "others are answered, and so are they"
    )
    ask = post("/v1/predict", {"smiles": "CCCO"})

    async def dripping():
        return await asyncio.gather(*(drip(server.address, ask, 0.01) for _ in range(50)))

    with Load(server, singles(fresh()), rate=10, seconds=3) as load:
        heads = asyncio.run(dripping())
    result = load.result()
    assert result.failed == 0, result.outcomes
    assert all(head.startswith(b"HTTP/1.1 200") for head in heads)
    row.seen = f"others: {statuses(result)}; the dripping: {len(heads)} × 200"
    row.metric = "olfactory_requests_in_flight"


def test_a_client_that_does_not_read_its_reply(server, capacity, matrix):
    row = matrix(
        "clients that do not read", "20 connections ask for 3 MB each and read nothing", "others are answered"
    )
    body = post("/v1/predict", {"smiles": ["CCO"] * 1000, "words": "all"})

    async def deaf():
        opened = [await asyncio.open_connection(*server.address, limit=1024) for _ in range(20)]
        for _, writer in opened:
            writer.write(body.wire)
        await asyncio.sleep(0.5)
        async with httpx2.AsyncClient() as client:
            codes = [(await client.get(f"{server.url}/ready")).status_code for _ in range(20)]
            reply = await client.post(f"{server.url}/v1/predict", json={"smiles": "CCCCCCO"}, timeout=60)
        for _, writer in opened:
            writer.transport.abort()
        return codes, reply.status_code

    codes, status = asyncio.run(deaf())
    assert codes == [200] * 20
    assert status == 200
    until(lambda: server.metric("olfactory_requests_in_flight") <= 1, "they are given up")
    row.seen, row.metric = "200", "olfactory_requests_in_flight"


def test_what_is_no_molecule_takes_no_memory_however_often_it_is_asked_for(server, capacity, matrix):
    row = matrix(
        "the same wrong molecule", "4,000 requests for one that cannot be read", "422 each, memory stays"
    )
    asks = [post("/v1/predict", {"smiles": "C1CC"})] * 5000

    def ask(count):
        result = asyncio.run(closed_loop(server.address, asks[:count], clients=8, seconds=600))
        assert set(result.outcomes) == {"422"}
        return usage(server.process.pid).rss

    before = ask(1000)
    grown = ask(4000) - before
    assert grown < 8 * 2**20  # 2 KiB a request
    row.seen, row.metric = f"422, {grown / 2**20:.1f} MiB more", "olfactory_memory_usage_bytes"
