"""The Redis of a running server fails in every way it can, and no request does."""

import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from faults.proxy import FaultProxy, flipped
from faults.server import Load, Probe, fresh, predict, server_of, singles, statuses, until
from redis import Redis
from services.run import redis

ERRORS, HITS = "olfactory_cache_errors_total", "olfactory_cache_hits_total"


@pytest.fixture(scope="module")
def service():
    with redis() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(service):
    with FaultProxy("127.0.0.1", urlsplit(service.url).port) as running:
        yield running


@pytest.fixture(scope="module")
def server(small_model, proxy):
    # Nothing in memory, so that every request asks Redis.
    with server_of(
        MODEL_PATH=small_model, CACHE_SIZE=0, REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0"
    ) as running:
        assert predict(running, "CCO").status_code == 200
        until(lambda: hit(running), "Redis is used")
        yield running


def hit(server):
    """Ask, and tell whether Redis knew the answer."""
    before = server.metric(HITS, tier="redis")
    assert predict(server, "CCO").status_code == 200
    return server.metric(HITS, tier="redis") > before


def degraded(server):
    """Whether /ready says that Redis is away. Once it is, it stays so until the server asks Redis again."""
    return "redis" in server.get("/ready").json()["degraded"]


@contextmanager
def dead(service, proxy):
    service.kill()
    try:
        yield
    finally:
        service.start()


@contextmanager
def locked(service, proxy):
    with Redis.from_url(service.url) as client:
        client.config_set("requirepass", "another")
        with proxy.fault(reset=True):  # those who are in would stay in
            pass
        try:
            yield
        finally:
            client.config_set("requirepass", "")


@contextmanager
def full(service, proxy):
    with Redis.from_url(service.url) as client:
        client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            client.config_set("maxmemory", "0")


def of_proxy(**fault):
    return lambda service, proxy: proxy.fault(**fault)


FAULTS = {
    "Redis absent": ("its process is killed, later another is started", dead),
    "Redis slow": ("every answer 0.3 s late, of 50 ms allowed", of_proxy(delay=0.3)),
    "Redis resets": ("every connection is reset", of_proxy(reset=True)),
    "Redis half-open": ("connections stay, nothing passes", of_proxy(stall=True)),
    "Redis wrong password": ("its password is changed", locked),
    "Redis full": ("maxmemory 1, nothing evicted", full),
    "Redis garbage": ("every seventh byte of its answers altered", of_proxy(alter=flipped)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_request_fails_and_redis_is_used_again(server, service, proxy, matrix, heavy, fault):
    how, hurt = FAULTS[fault]
    degrades = fault != "Redis full"  # which still answers, and is of use for what it has
    expected = f"every request 200, /ready 200{' and degraded' * degrades}; used again by itself"
    row = matrix(fault, how, expected)
    before = server.metric(ERRORS, tier="redis")
    rate, seconds = (100, 10) if heavy else (25, 3)
    # Each new molecule twice: it is written, and read.
    start = 100 + 150 * list(FAULTS).index(fault)
    texts = [text for text in fresh(start) for _ in range(2)]
    with Probe(server) as probe, hurt(service, proxy):
        began = time.monotonic()
        with Load(server, singles(texts), rate=rate, seconds=seconds) as load:
            if degrades:
                until(lambda: degraded(server), "degraded")
                row.noticed = time.monotonic() - began
            result = load.result()
        assert degraded(server) is degrades
    assert result.failed == 0, result.outcomes
    assert probe.seen(began) == {200}
    assert server.metric(ERRORS, tier="redis") > before
    row.recovery = until(lambda: hit(server), "Redis is used again")
    until(lambda: not degraded(server), "no longer degraded")
    row.seen = f"{statuses(result)}; slowest {result.latency.max() * 1000:.0f} ms"
    row.metric = f'{ERRORS}{{tier="redis"}}, olfactory_breaker_state'


def test_it_starts_without_redis(small_model, matrix):
    row = matrix("Redis absent, at start", "nobody listens at REDIS_URL", "starts, 200, degraded")
    with server_of(MODEL_PATH=small_model, REDIS_URL="redis://127.0.0.1:1/0") as server:
        # It is known to be away once some look-ups have failed.
        assert [predict(server, text).status_code for text in fresh()[:6]] == [200] * 6
        until(lambda: "redis" in server.get("/ready").json()["degraded"], "degraded")
        row.seen, row.metric = "6 × 200, degraded", f'{ERRORS}{{tier="redis"}}'
