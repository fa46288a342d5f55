"""What every store promises, held against each of them; Redis is a real one."""

from __future__ import annotations

import threading
import time

import pytest
from services.run import redis

from olfactory_transformer.utils.stores.disk import DiskStore
from olfactory_transformer.utils.stores.memory import MemoryStore
from olfactory_transformer.utils.stores.redis import RedisStore
from olfactory_transformer.utils.stores.tiers import Tiers

MIB = 2**20
PATIENT = 10.0  # seconds: these tests are not about time limits


@pytest.fixture(scope="module")
def server():
    with redis() as service:
        yield service


@pytest.fixture(params=["memory", "disk", "redis", "tiers"])
def make(request, tmp_path):
    """A function that opens a store; opened twice, both share what their medium shares."""
    opened = []

    def store(ttl=3600.0):
        def of(kind):
            if kind == "memory":
                return MemoryStore(10_000, ttl)
            if kind == "disk":
                return DiskStore(tmp_path, 64 * MIB, ttl, busy=PATIENT)
            if kind == "redis":
                return RedisStore(request.getfixturevalue("server").url, PATIENT, ttl)
            return Tiers([of("memory"), of("disk"), of("redis")], ttl)

        opened.append(of(request.param))
        return opened[-1]

    yield store
    for store in opened:
        store.clear()
        store.close()


@pytest.fixture
def store(make):
    return make()


def test_what_is_set_is_found(store):
    store.set_many({"a": b"1", "b": b"", "c:d": bytes(range(256)) * 100})
    assert store.get_many(["b", "none", "a", "c:d", "a"]) == [b"", None, b"1", bytes(range(256)) * 100, b"1"]


def test_a_second_set_replaces(store):
    store.set_many({"a": b"1"})
    store.set_many({"a": b"2"})
    assert store.get_many(["a"]) == [b"2"]
    assert store.stats(count=True).entries == (1 if store.name != "tiers" else 3)


def test_nothing_of_nothing(store):
    store.set_many({})
    assert store.get_many([]) == [] and store.clear() == 0
    assert store.get_many(["a"]) == [None]


def test_many_at_once(store):
    items = {f"key-{i}": f"value-{i}".encode() * 50 for i in range(2500)}
    store.set_many(items)
    assert store.get_many(list(items)) == list(items.values())


def test_hits_and_misses_are_counted(store):
    store.set_many({"a": b"1"})
    store.get_many(["a", "b", "c"])
    stats = store.stats()
    assert (stats.hits, stats.misses, stats.errors, stats.available, stats.fault) == (1, 2, 0, True, "")


def test_entries_and_bytes_are_counted(store):
    store.set_many({f"key-{i}": bytes(1000) for i in range(20)})
    stats = store.stats(count=True)
    copies = 3 if store.name == "tiers" else 1
    assert stats.entries == 20 * copies and 20_000 * copies <= stats.size < 500_000 * copies


def test_old_entries_are_misses(make):
    store = make(ttl=0.2)
    store.set_many({"a": b"1"})
    assert store.get_many(["a"]) == [b"1"]
    time.sleep(0.3)
    assert store.get_many(["a"]) == [None]


def test_older_entries_are_deleted(store):
    store.set_many({"a": b"1", "b": b"2"})
    assert store.delete_older(3600) == 0
    deleted = store.delete_older(-1)
    assert deleted == {"redis": 0, "tiers": 4}.get(store.name, 2)
    if store.name in ("memory", "disk"):
        assert store.get_many(["a"]) == [None]


def test_clear(store):
    store.set_many({f"key-{i}": b"1" for i in range(1500)})
    assert store.clear() == 1500 * (3 if store.name == "tiers" else 1)
    assert store.get_many(["key-1"]) == [None] and store.stats(count=True).entries == 0


def test_closed_it_only_misses(store):
    store.set_many({"a": b"1"})
    store.close()
    store.close()
    store.set_many({"a": b"2"})
    assert store.get_many(["a"]) == [None] and store.stats().hits == 0


def test_threads(store):
    wrong = []

    def work(number):
        for round_ in range(30):
            key, value = f"{number}-{round_}", f"{number}/{round_}".encode()
            store.set_many({key: value, "shared": b"same"})
            if store.get_many([key, "shared"]) != [value, b"same"]:
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and store.stats().errors == 0


def test_another_process_finds_it(make):
    one, two = make(), make()
    one.set_many({"a": b"1"})
    assert two.get_many(["a"]) == [None if one.name == "memory" else b"1"]


def test_a_fork_goes_on(store):
    import os

    store.set_many({"a": b"1"})
    if not (child := os.fork()):
        os._exit(0 if store.get_many(["a"]) == [b"1"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get_many(["a"]) == [b"1"]
