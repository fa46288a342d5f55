"""The audit log's buffer: bounded, patient with a database that is away, flushed at the end."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from olfactory_transformer.api import audit
from olfactory_transformer.api.audit import AuditLog
from olfactory_transformer.core.errors import DatabaseError
from olfactory_transformer.database.audit import AuditRow

DEADLINE = 20


def row(number=0, **changes):
    given = {"key_id": "abcd1234", "name": "x", "address": "192.0.2.1", "status": 200, **changes}
    return AuditRow(datetime.now(UTC), method="GET", route=f"/{number}", **given)


class Store:
    def __init__(self):
        self.rows, self.used, self.away, self.calls = [], [], False, 0
        self.free = threading.Event()
        self.free.set()

    def add(self, rows):
        self.calls += 1
        self.free.wait(DEADLINE)
        if self.away:
            raise DatabaseError("away")
        self.rows += rows

    def note(self, moments):
        self.used.append(dict(moments))


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(audit, "_INTERVAL", 0.01)
    monkeypatch.setattr(audit, "_LONGEST_PAUSE", 0.02)
    return Store()


@pytest.fixture
def made(store, request):
    def make(**bounds):
        log = AuditLog(store.add, store.note, **bounds)
        request.addfinalizer(log.stop)
        return log

    return make


def until(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_written_soon_and_in_batches(made, store):
    log = made()
    for number in range(1200):
        log.record(row(number))
    log.start()
    until(lambda: len(store.rows) == 1200)
    assert [found.route for found in store.rows] == [f"/{number}" for number in range(1200)]
    assert store.calls == 3


def test_all_that_is_left_is_written_at_the_end(made, store):
    log = made()
    log.start()
    for number in range(3000):
        log.record(row(number))
    log.record(row(status=401), refused=True)
    log.stop()
    assert len(store.rows) == 3001 and log.dropped == 0


def test_a_database_that_comes_back_gets_them_all(made, store):
    log = made()
    store.away = True
    log.start()
    for number in range(700):
        log.record(row(number))
    log.record(row(status=401), refused=True)
    until(lambda: store.calls > 3)
    store.away = False
    log.record(row(status=401), refused=True)
    until(lambda: sum(found.times for found in store.rows) == 702)
    assert [found.route for found in store.rows if found.status == 200] == [f"/{n}" for n in range(700)]


def test_the_oldest_go_when_it_is_full(made, store, caplog):
    log = made(most=10)
    store.away = True
    log.start()
    for number in range(25):
        log.record(row(number))
    until(lambda: "requests were not recorded" in caplog.text)
    store.away = False
    log.stop()
    assert [found.route for found in store.rows] == [f"/{number}" for number in range(15, 25)]
    assert log.dropped == 15


def test_molecules_are_bounded_by_their_length(made, store):
    log = made(most_characters=100)
    for number in range(10):
        log.record(row(number, molecules=("C" * 15, "O" * 15)))
    assert log.dropped == 7
    log.start()
    log.stop()
    assert [found.route for found in store.rows] == ["/7", "/8", "/9"]


def test_a_flood_of_refusals_is_a_row_and_pushes_out_nobody(made, store):
    log = made(most=10, most_refused=5)
    log.record(row(1))
    for number in range(10_000):
        log.record(row(status=401, address=f"192.0.2.{number % 2}"), refused=True)
    for number in range(10):
        log.record(row(status=401, address=f"198.51.100.{number}"), refused=True)
    log.start()
    log.stop()
    assert store.rows[0].route == "/1"
    assert sorted(found.times for found in store.rows) == [1, 1, 1, 1, 5000, 5000]
    assert log.dropped == 7


def test_a_batch_that_cannot_be_written_does_not_end_the_log(made, store):
    log = made()
    good = store.add

    def add(rows):
        if any(found.route == "/bad" for found in rows):
            raise ValueError("a bug")
        good(rows)

    log._add = add
    log.record(row("bad"))
    log.start()
    until(lambda: log.dropped == 1)
    log.record(row(1))
    until(lambda: len(store.rows) == 1)


def test_last_use_is_noted_once_a_minute(made, store):
    log = made()
    log.start()
    first = row()
    log.record(first)
    until(lambda: store.used)
    for _ in range(5):
        log.record(row())
        log.record(row(key_id=None))
    until(lambda: len(store.rows) == 11)
    log._note_use([AuditRow(first.at + timedelta(seconds=61), "abcd1234", None, None, "GET", "/", 200)])
    assert [set(noted) for noted in store.used] == [{"abcd1234"}] * 2


def test_a_database_that_hangs_does_not_hold_up_the_end(made, store, caplog):
    log = made()
    store.free.clear()
    log.start()
    log.record(row())
    until(lambda: store.calls)
    log.record(row())
    began = time.monotonic()
    log.stop(0.1)
    assert time.monotonic() - began < DEADLINE / 2 and "could not be written before the end: 1" in caplog.text
    store.free.set()


def test_recording_never_waits_for_the_database(made, store):
    log = made()
    store.free.clear()
    log.start()
    done = threading.Event()

    def work():
        for number in range(20_000):
            log.record(row(number))
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(DEADLINE - 5)
    store.free.set()
