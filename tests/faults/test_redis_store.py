"""Whatever Redis does, a look-up costs its time limit at most, is a miss that is counted, and works again by itself.

The faults are real: a Redis that is stopped, frozen, full or locked, and a proxy in front of it for the network's part.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest
from faults.proxy import FaultProxy, flipped, silent_port
from services.run import redis

from olfactory_transformer.utils.breaker import BreakerState
from olfactory_transformer.utils.stores.redis import PREFIX, RedisStore

BUDGET = 0.1  # seconds: enough for a busy machine's healthy answers
PAUSE = 0.2
PATIENCE = 20.0  # of the tests, for things that happen in their own time
VALUE = bytes(range(256)) * 12


@pytest.fixture(scope="module")
def server():
    with redis() as service:
        yield service


@pytest.fixture
def proxy(server):
    with FaultProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture
def store(proxy):
    """A store behind the proxy, with an entry, that has been used."""
    store = opened(proxy.port)
    until(lambda: (store.set_many({"known": VALUE}), store.get_many(["known"]))[1] == [VALUE])
    yield store
    store.close()


def opened(port: int, **options) -> RedisStore:
    options = {"timeout": BUDGET, "pause": PAUSE, "longest_pause": PAUSE} | options
    return RedisStore(f"redis://127.0.0.1:{port}/0", **options)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def timed(store: RedisStore) -> float:
    """Look up what is known; it is a miss. Return how long that took."""
    began = time.monotonic()
    assert store.get_many(["known"]) == [None]
    return time.monotonic() - began


def all_miss(store: RedisStore, slow: bool = True) -> None:
    """Hold the store to its promises while Redis does not answer as it should."""
    before = store.stats()
    took = [timed(store) for _ in range(30)]
    store.set_many({"new": VALUE})
    stats = store.stats()
    assert max(took) < BUDGET + 2  # a busy machine is late, but a look-up without a limit would take 5 s
    # Only the first three, and a trial after each pause, wait at all (five more may be late on a busy machine).
    assert sum(t > BUDGET / 2 for t in took) <= 8 + sum(took) / PAUSE
    assert stats.misses - before.misses == 30 and stats.hits == before.hits
    assert stats.errors - before.errors >= 3 and stats.fault and not stats.available
    assert store.breaker.state is not BreakerState.CLOSED


def recovers(store: RedisStore, known: bool = True) -> None:
    """See that it works again after the pause, without being told."""
    until(lambda: (store.set_many({"again": VALUE}), store.get_many(["again"]))[1] == [VALUE])
    assert store.stats().available
    if known:
        assert store.get_many(["known"]) == [VALUE]


@pytest.mark.parametrize(
    "fault",
    [
        {"refuse": True},
        {"reset": True},
        {"stall": True},
        {"delay": 0.5},
        {"drip": BUDGET / 3},
        {"cut_after": 0},
        {"cut_after": 40},
        {"alter": flipped},
        {"alter": lambda piece: b"HTTP/1.1 400 Bad Request\r\n\r\n"},
        {"alter": lambda piece: b"\r\n" * 50},
        {"alter": lambda piece: b"*-7\r\n"},
        {"alter": lambda piece: b"$99999999999\r\nshort"},
        {"alter": lambda piece: b"*2000000000\r\n"},
        {"alter": lambda piece: b":7\r\n"},
        {"alter": lambda piece: b"*1\r\n*1\r\n*1\r\n$1\r\nx\r\n"},
        {"alter": lambda piece: b"-\xff\xfe\r\n"},
        {"alter": lambda piece: b"+OK\r\n"},
    ],
    ids=lambda fault: next(f"{k}-{v(b'') if callable(v) else v}"[:30] for k, v in fault.items()),
)
def test_a_fault_of_the_network(proxy, store, fault):
    with proxy.fault(**fault):
        all_lost(store)
    recovers(store)


def all_lost(store: RedisStore) -> None:
    """As `all_miss`, where the client may take what it gets for a well-formed answer, which is a miss, too."""
    took = [timed(store) for _ in range(30)]
    store.set_many({"new": VALUE})
    stats = store.stats()
    assert max(took) < BUDGET + 2
    assert sum(t > BUDGET / 2 for t in took) <= 8 + sum(took) / PAUSE
    assert stats.misses >= 30 and stats.errors >= 3 and stats.fault


def test_stalled_it_is_left_alone(proxy, store):
    with proxy.fault(stall=True):
        all_miss(store)
    recovers(store)


def test_a_server_that_drips_keeps_no_thread(proxy, store):
    # Each byte comes in time for the socket's limit; only the limit of the whole ends it.
    with proxy.fault(drip=BUDGET / 3):
        threads = [threading.Thread(target=store.get_many, args=(["known"],)) for _ in range(16)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - began < PATIENCE / 2
    recovers(store)


def test_it_may_come_later_than_the_server():
    with redis() as service:
        service.kill()
        store = opened(service.port)
        all_miss(store)
        service.start()
        recovers(store, known=False)


def test_a_restart_is_not_even_noticed():
    with redis() as service:
        store = opened(service.port)
        recovers(store, known=False)
        errors = store.stats().errors
        service.kill()
        service.start()
        assert store.get_many(["again"]) == [None]  # it kept nothing
        assert store.stats().errors == errors
        recovers(store, known=False)


def test_frozen_and_thawed(server, store):
    server.signal(signal.SIGSTOP)
    try:
        all_miss(store)
    finally:
        server.signal(signal.SIGCONT)
    recovers(store)


def test_no_handshake():
    with silent_port() as port:
        all_miss(opened(port))


def test_a_name_that_does_not_resolve(monkeypatch):
    # What a resolver without a network does, without waiting for ours to time out.
    release = threading.Event()

    def stuck(*_, **__):
        release.wait(PATIENCE)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    store = opened(1)
    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    try:
        all_miss(store)
    finally:
        release.set()


@pytest.mark.parametrize(
    "url", ["redis://:wrong@127.0.0.1:{}", "redis://127.0.0.1:{}", "redis://me:wrong@127.0.0.1:{}"]
)
def test_a_wrong_password(url, caplog):
    caplog.set_level(logging.DEBUG)
    with redis("--requirepass", "secret") as service:
        store = RedisStore(url.format(service.port), BUDGET, pause=PAUSE, longest_pause=PAUSE)
        all_miss(store)
        assert store.stats().fault in ("WRONGPASS", "NOAUTH", "AuthenticationError")
        assert "left alone" in caplog.text and "wrong" not in caplog.text
        right = RedisStore(f"redis://:secret@127.0.0.1:{service.port}", 10)
        right.set_many({"a": b"1"})
        assert right.get_many(["a"]) == [b"1"]
        # It works as soon as the server takes it.
        right._client.config_set("requirepass", "wrong")
        if "me:" not in url and ":wrong" in url:
            recovers(store, known=False)


def test_a_full_server_is_read_on():
    with redis("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as service:
        store = opened(service.port)
        recovers(store, known=False)
        client = store._client
        filler = 0
        with pytest.raises(Exception, match="memory"):
            while filler < 10_000:
                client.set(f"filler-{filler}", bytes(100_000))
                filler += 1
        for i in range(10):
            store.set_many({f"new-{i}": VALUE})
            assert store.get_many(["again"]) == [VALUE]
        stats = store.stats()
        assert stats.fault == "OOM" and stats.available
        assert 3 <= stats.errors <= 8  # after three it is not written to for a while
        client.delete(*[f"filler-{i}" for i in range(filler)])
        until(lambda: (store.set_many({"new": VALUE}), store.get_many(["new"]))[1] == [VALUE])


def test_foreign_and_altered_values_are_misses(server, store):
    client = store._client
    client.hset(PREFIX + "hash", "a", "b")
    client.lpush(PREFIX + "list", "a")
    client.set(PREFIX + "text", "plain")
    client.set(PREFIX + "other", client.get(PREFIX + "known"))
    client.set(PREFIX + "cut", client.get(PREFIX + "known")[:-1])
    keys = ["hash", "list", "text", "other", "cut"]
    before = store.stats()
    assert store.get_many([*keys, "known"]) == [None] * 5 + [VALUE]
    after = store.stats()
    assert after.errors - before.errors == 3 and after.fault == "foreign value" and after.available
    store.set_many(dict.fromkeys(keys, b"1"))
    assert store.get_many(keys) == [b"1"] * 5
    client.delete(*[PREFIX + key for key in keys])


def test_read_only(proxy, store):
    # A replica, as after a failover in which the address still points to the old primary.
    with redis("--replicaof", f"127.0.0.1 {proxy.port}") as replica:
        copy = opened(replica.port)
        until(lambda: copy.get_many(["known"]) == [VALUE])
        for _ in range(5):
            copy.set_many({"new": VALUE})
        assert copy.stats().fault == "READONLY" and copy.get_many(["known"]) == [VALUE]


def test_what_is_logged(proxy, store, caplog):
    caplog.set_level(logging.DEBUG, logger="olfactory_transformer")
    with proxy.fault(refuse=True):
        all_miss(store)
        time.sleep(2.5 * PAUSE)
        store.get_many(["known"])
    recovers(store)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "the cache in Redis is left alone after failures (ConnectionError)",
        "the cache in Redis is back",
    ]


def test_clearing_and_counting_fail_softly(proxy, store):
    with proxy.fault(refuse=True):
        assert store.clear() == 0
        assert store.stats(count=True).entries == 0
    recovers(store)
