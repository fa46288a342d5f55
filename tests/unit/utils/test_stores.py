"""What single stores do beyond the contract."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest
from services.run import redis

from olfactory_transformer.core.errors import MissingExtra, SettingsError
from olfactory_transformer.utils.stores.disk import DiskStore
from olfactory_transformer.utils.stores.envelope import seal, unseal
from olfactory_transformer.utils.stores.memory import MemoryStore
from olfactory_transformer.utils.stores.redis import PREFIX, RedisStore
from olfactory_transformer.utils.stores.tiers import Tiers, open_tiers

MIB = 2**20


class Clock:
    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


# -- memory --------------------------------------------------------------------------------------------------


def test_memory_drops_the_least_recently_used():
    store = MemoryStore(2, ttl=60)
    store.set_many({"a": b"1", "b": b"2"})
    store.get_many(["a"])
    store.set_many({"c": b"3"})
    assert store.get_many(["a", "b", "c"]) == [b"1", None, b"3"] and store.stats().evictions == 1


def test_deleting_old_ones_uses_none():
    clock = Clock()
    store = MemoryStore(3, ttl=60, clock=clock)
    store.set_many({"a": b"1", "b": b"2"})
    store.get_many(["a"])
    store.delete_older(30)
    store.set_many({"c": b"3", "d": b"4"})
    assert store.get_many(["a", "b"]) == [b"1", None]
    clock.now += 40
    store.set_many({"e": b"5"})
    assert store.delete_older(30) == 2 and store.get_many(["e"]) == [b"5"]


def test_memory_of_no_entries_keeps_none():
    store = MemoryStore(0, ttl=60)
    store.set_many({"a": b"1"})
    assert store.get_many(["a"]) == [None]


# -- disk ----------------------------------------------------------------------------------------------------


def files(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm")))


def used(store):
    with sqlite3.connect(store.path) as connection:
        return dict(connection.execute("SELECT key, used FROM entry"))


def test_disk_stays_within_its_size_and_keeps_what_is_used(tmp_path):
    clock = Clock()
    store = DiskStore(tmp_path, 2 * MIB, ttl=1e7, clock=clock)
    store.set_many({f"used-{i}": bytes(2500) for i in range(20)})
    for i in range(300):
        clock.now += 10_000 / 3
        store.get_many([f"used-{j}" for j in range(20)])
        store.set_many({f"key-{i}-{j}": bytes(2500) for j in range(10)})
    stats = store.stats(count=True)
    assert stats.evictions >= 2000 and stats.entries > 200
    store.close()
    assert (tmp_path / "cache-v1-000001.sqlite3").stat().st_size < 3 * MIB
    again = DiskStore(tmp_path, 2 * MIB, ttl=1e7, clock=clock)
    assert None not in again.get_many([f"used-{j}" for j in range(20)])
    assert again.get_many(["key-0-0", "key-299-9"]) == [None, bytes(2500)]


def test_a_lower_limit_shrinks_the_file(tmp_path):
    big = DiskStore(tmp_path, 64 * MIB, ttl=3600)
    big.set_many({f"key-{i}": bytes(3000) for i in range(2000)})
    big.close()
    small = DiskStore(tmp_path, MIB, ttl=3600)
    for i in range(10):
        small.set_many({f"new-{i}": b"1"})
    small.close()
    assert (tmp_path / "cache-v1-000001.sqlite3").stat().st_size < 2 * MIB
    assert DiskStore(tmp_path, MIB, ttl=3600).get_many(["new-9"]) == [b"1"]


def test_clearing_gives_the_disk_back(tmp_path):
    store = DiskStore(tmp_path, 64 * MIB, ttl=3600)
    store.set_many({f"key-{i}": bytes(3000) for i in range(2000)})
    assert store.clear() == 2000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < MIB // 2


def test_looking_up_does_not_write(tmp_path):
    clock = Clock()
    store = DiskStore(tmp_path, MIB, ttl=3600, clock=clock)
    store.set_many({"a": b"1", "b": b"2"})
    before = used(store)
    clock.now += 1000
    store.get_many(["a"])
    assert used(store) == before
    store.set_many({"c": b"3"})
    assert used(store) == {"a": clock.now, "b": before["b"], "c": clock.now}
    clock.now += 1000
    store.get_many(["b"])
    store.close()
    assert used(store)["b"] == clock.now


def test_expired_entries_go_when_others_come(tmp_path):
    clock = Clock()
    store = DiskStore(tmp_path, MIB, ttl=100, clock=clock)
    store.set_many({"a": b"1"})
    clock.now += 101
    store.set_many({"b": b"2"})
    assert store.stats(count=True).entries == 1


@pytest.mark.parametrize("jump", [-3600, 3600 * 24 * 365])
def test_a_clock_that_jumped_is_a_miss(tmp_path, jump):
    clock = Clock()
    store = DiskStore(tmp_path, MIB, ttl=7200, clock=clock)
    store.set_many({"a": b"1"})
    clock.now += jump
    assert store.get_many(["a"]) == [None]
    store.set_many({"a": b"2"})
    assert store.get_many(["a"]) == [b"2"]


def test_files_left_behind_are_deleted_with_old_entries(tmp_path):
    store = DiskStore(tmp_path, MIB, ttl=3600)
    store.set_many({"a": b"1"})
    for name in ("cache-v0-000007.sqlite3", ".new-0123456789abcdef.sqlite3", "mine.txt"):
        (tmp_path / name).touch()
    store.delete_older(3600)
    assert len(files(tmp_path)) == 4
    store.delete_older(-60)
    assert files(tmp_path) == ["cache-v1-000001.sqlite3", "mine.txt"]


def test_the_folder_may_vanish_under_it(tmp_path):
    import shutil

    store = DiskStore(tmp_path / "cache", MIB, ttl=3600)
    store.set_many({"a": b"1"})
    shutil.rmtree(tmp_path / "cache")
    assert store.get_many(["a"]) == [None]
    store.set_many({"a": b"2"})
    assert store.get_many(["a"]) == [b"2"] and store.stats().errors == 0


def test_the_folder_is_for_its_owner(tmp_path):
    store = DiskStore(tmp_path / "a" / "cache", MIB, ttl=3600)
    store.set_many({"a": b"1"})
    assert (tmp_path / "a" / "cache").stat().st_mode & 0o77 == 0


def test_many_stores_begin_at_once(tmp_path):
    stores, start = [DiskStore(tmp_path, MIB, ttl=3600, busy=10) for _ in range(8)], threading.Barrier(8)

    def begin(number, store):
        start.wait()
        store.set_many({f"{number}": b"1"})

    threads = [threading.Thread(target=begin, args=pair) for pair in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files(tmp_path) == ["cache-v1-000001.sqlite3"]
    for store in stores:
        assert store.get_many([f"{n}" for n in range(8)]) == [b"1"] * 8


# -- envelopes -----------------------------------------------------------------------------------------------


def test_any_flipped_bit_is_seen():
    data = seal("key", b"value")
    for position in range(8 * len(data)):
        altered = bytearray(data)
        altered[position // 8] ^= 1 << position % 8
        assert unseal("key", bytes(altered)) is None
    for length in range(len(data)):
        assert unseal("key", data[:length]) is None
    for foreign in (None, 7, "text", [], data.decode("latin-1")):
        assert unseal("key", foreign) is None


# -- Redis ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    with redis() as service:
        yield service


def test_redis_holds_only_what_is_ours(server):
    store = RedisStore(server.url, 10)
    store.set_many({"a": b"1"})
    client = store._client
    client.set("other:key", "kept")
    assert (
        client.get(PREFIX + "a") == seal("a", b"1") and 86_000_000 < client.pttl(PREFIX + "a") <= 86_400_000
    )
    assert store.clear() == 1 and client.get("other:key") == b"kept"


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@localhost",
        "redis://:hunter2/@localhost",
        "redis://:hunter2@localhost:many",
        "redis://:hunter2@localhost?surprise=hunter2",
        "hunter2",
        "",
    ],
)
def test_a_wrong_url_is_told_without_its_password(url):
    with pytest.raises(SettingsError, match="REDIS_URL") as caught:
        RedisStore(url)
    assert "hunter2" not in str(caught.value) and caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_place_names_no_password():
    store = RedisStore("redis://user:hunter2@cache.example:7000/3")
    assert store.place == "cache.example:7000/3"
    assert RedisStore("unix://:hunter2@/run/redis.sock").place == "/run/redis.sock/0"


def test_options_of_the_url_do_not_change_what_comes_back(server):
    store = RedisStore(server.url + "?decode_responses=true&max_connections=1", 10)
    store.set_many({"a": b"\xff"})
    assert store.get_many(["a"]) == [b"\xff"]


def test_without_redis_py_the_extra_is_named():
    code = """
        import sys
        sys.modules["redis"] = None
        from olfactory_transformer.utils.stores.redis import RedisStore
        RedisStore("redis://localhost")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert "MissingExtra" in done.stderr and "olfactory-transformer[redis]" in done.stderr
    assert issubclass(MissingExtra, ImportError)


# -- tiers ---------------------------------------------------------------------------------------------------


def test_hits_move_to_the_front():
    fast, slow = MemoryStore(10, 60), MemoryStore(10, 60)
    tiers = Tiers([fast, slow], ttl=60)
    Tiers([slow], ttl=60).set_many({"a": b"1"})
    assert tiers.get_fast(["a"]) == [None] and fast.stats().misses == 0
    assert tiers.get_many(["a", "a"]) == [b"1", b"1"]
    assert tiers.get_fast(["a"]) == [b"1"] and slow.stats().hits == 1


def test_a_copy_is_as_old_as_the_original():
    clock = Clock()
    fast, slow = MemoryStore(10, 60), MemoryStore(10, 60)
    tiers = Tiers([fast, slow], ttl=60, clock=clock)
    Tiers([slow], ttl=60, clock=clock).set_many({"a": b"1"})
    clock.now += 50
    assert tiers.get_many(["a"]) == [b"1"]
    clock.now += 20
    assert tiers.get_many(["a"]) == [None] and tiers.get_fast(["a"]) == [None]


def test_spreading_fills_every_tier():
    one, two = MemoryStore(10, 60), MemoryStore(10, 60)
    tiers = Tiers([one, two], ttl=60)
    Tiers([one], ttl=60).set_many({"a": b"1"})
    Tiers([two], ttl=60).set_many({"b": b"2"})
    assert tiers.lacking(["a", "b", "c"]) == ["a", "b", "c"]
    assert tiers.spread(["a", "b", "c"]) == ["c"]
    assert tiers.lacking(["a", "b", "c"]) == ["c"]
    assert Tiers([two], ttl=60).get_many(["a"]) == [b"1"]


def test_foreign_values_are_misses():
    store = MemoryStore(10, 60)
    store.set_many({"a": b"short", "b": b"\xff" * 20})
    assert Tiers([store], ttl=60).get_many(["a", "b"]) == [None, None]


def test_no_tiers_keep_nothing():
    tiers = open_tiers()
    tiers.set_many({"a": b"1"})
    assert tiers.get_many(["a"]) == [None] and tiers.get_fast(["a"]) == [None] and tiers.by_tier() == {}


def test_the_tiers_that_are_asked_for(tmp_path, server):
    tiers = open_tiers(
        memory_entries=10, folder=tmp_path, disk_bytes=MIB, redis_url=server.url, redis_timeout=10
    )
    tiers.set_many({"a": b"1"})
    assert list(tiers.by_tier(count=True)) == ["memory", "disk", "redis"]
    assert [s.entries for s in tiers.by_tier(count=True).values()] == [1, 1, 1]
    assert [s.entries for s in tiers.by_tier(count={"disk"}).values()] == [1, 1, 0]
    assert [s.entries for s in tiers.by_tier().values()] == [1, 0, 0]
    tiers.close()
