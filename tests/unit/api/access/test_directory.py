"""The directory of keys, by a clock that the test moves and a database that it takes away."""

import asyncio
import threading
import time
from datetime import UTC, datetime

import pytest

from olfactory_transformer.api.access import directory as module
from olfactory_transformer.api.access.directory import AHEAD, FRESH, GRACE, KeyDirectory
from olfactory_transformer.core.errors import DatabaseError
from olfactory_transformer.database.keys import KeyRecord


def record(key_id="abcd1234", name="x"):
    now = datetime.now(UTC)
    return KeyRecord(key_id, name, b"d" * 32, None, None, frozenset({"predict"}), None, now, None, None, None)


class Database:
    """Counts look-ups; may be away, or hold them up."""

    def __init__(self, *records):
        self.records = {found.id: found for found in records}
        self.asked, self.away, self.free = [], False, threading.Event()
        self.free.set()

    def find(self, key_id):
        self.asked.append(key_id)
        self.free.wait(30)
        if self.away:
            raise DatabaseError("away")
        return self.records.get(key_id)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def database():
    return Database(record())


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def directory(database, clock):
    return KeyDirectory(database.find, clock)


async def settled(directory):
    while directory._running:
        await asyncio.sleep(0.005)


def test_looked_up_once_and_remembered(directory, database):
    async def work():
        found = [await directory.find("abcd1234") for _ in range(100)]
        assert {known.caller.id for known in found} == {"abcd1234"}

    asyncio.run(work())
    assert len(database.asked) == 1


def test_a_crowd_with_one_key_makes_one_look_up(directory, database):
    async def work():
        database.free.clear()
        waiting = [asyncio.create_task(directory.find("abcd1234")) for _ in range(200)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()  # a client that leaves takes nobody's answer away
        database.free.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError) and all(known.caller for known in found[1:])

    asyncio.run(work())
    assert len(database.asked) == 1


def test_a_change_is_seen_within_seconds(directory, database, clock):
    async def work():
        await directory.find("abcd1234")
        database.records["abcd1234"] = record(name="renamed")
        clock.now += FRESH - 0.01
        assert (await directory.find("abcd1234")).record.name == "x"  # and looked up anew beside the request
        await settled(directory)
        assert (await directory.find("abcd1234")).record.name == "renamed"
        database.records.clear()
        clock.now += FRESH
        assert await directory.find("abcd1234") is None

    asyncio.run(work())


def test_a_busy_key_never_waits(directory, database, clock):
    async def work():
        await directory.find("abcd1234")
        for _ in range(20):
            clock.now += AHEAD
            database.free.clear()
            assert await directory.find("abcd1234")
            database.free.set()
            await settled(directory)

    asyncio.run(work())
    assert len(database.asked) == 21


def test_unknown_ids_are_remembered_apart_and_bounded(directory, database, clock, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 50)
    directory = KeyDirectory(database.find, clock)

    async def work():
        await directory.find("abcd1234")
        for number in range(200):
            assert await directory.find(f"{number:08}") is None
            assert await directory.find(f"{number:08}") is None
        assert len(directory._unknown) == 50 and len(directory._known) == 1
        clock.now += FRESH
        database.records["00000199"] = record("00000199")
        assert await directory.find("00000199")

    asyncio.run(work())
    assert len(database.asked) == 202


def test_keys_remembered_are_bounded(database, clock, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 3)
    database.records = {f"{number:08}": record(f"{number:08}") for number in range(10)}
    directory = KeyDirectory(database.find, clock)

    async def work():
        for key_id in database.records:
            assert await directory.find(key_id)
        assert len(directory._known) == 3

    asyncio.run(work())


def test_while_the_database_is_away_known_keys_work_for_a_minute(directory, database, clock):
    async def work():
        await directory.find("abcd1234")
        database.away = True
        clock.now += FRESH
        assert (await directory.find("abcd1234")).record.name == "x"
        with pytest.raises(DatabaseError):
            await directory.find("other000")
        clock.now += GRACE
        with pytest.raises(DatabaseError):
            await directory.find("abcd1234")
        database.away = False
        clock.now += 6  # the longest pause of the breaker
        assert await directory.find("abcd1234") and await directory.find("other000") is None

    asyncio.run(work())


def test_a_database_that_is_away_is_left_alone(directory, database, clock):
    async def work():
        database.away = True
        for number in range(100):
            with pytest.raises(DatabaseError):
                await directory.find(f"{number:08}")

    asyncio.run(work())
    assert len(database.asked) == 1


def test_a_database_that_hangs_holds_up_nothing_for_long(directory, database, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.1)

    async def work():
        database.free.clear()
        began = time.monotonic()
        found = await asyncio.gather(
            *(directory.find(f"{number:08}") for number in range(200)), return_exceptions=True
        )
        assert {type(error) for error in found} == {DatabaseError}
        assert time.monotonic() - began < 10
        assert len(database.asked) <= 4  # threads
        database.free.set()

    asyncio.run(work())
