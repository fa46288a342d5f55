from datetime import UTC, datetime, timedelta

import pytest

from olfactory_transformer.database import audit
from olfactory_transformer.database.audit import AuditRow, AuditStore

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(database):
    return AuditStore(database)


def row(minutes=0, **changes):
    given = {"key_id": "abcd1234", "name": "x", "address": "192.0.2.1", "method": "POST", "status": 200}
    return AuditRow(NOW + timedelta(minutes=minutes), route="/v1/predict", **{**given, **changes})


def test_rows_come_back_as_they_went_in(store):
    rows = [
        row(3, items=2, molecules=("CCO", "\x00\ud800é'\"")),
        row(2, key_id=None, name=None, status=401, times=9, request_id="r" * 64),
        row(1, address=None, molecules=()),
    ]
    store.add(rows)
    assert list(store.newest()) == rows


def test_the_newest_first_and_filtered(store):
    store.add([row(minutes, key_id="ab"[minutes % 2] * 8) for minutes in range(10)])
    assert [found.at.minute for found in store.newest(3)] == [9, 8, 7]
    assert [found.at.minute for found in store.newest(key_id="a" * 8)] == [8, 6, 4, 2, 0]
    assert [found.at.minute for found in store.newest(since=NOW + timedelta(minutes=8))] == [9, 8]
    assert list(store.newest(key_id="' OR 1=1")) == []


def test_all_or_none(store):
    with pytest.raises(Exception, match="status"):
        store.add([row(), row(status=None)])
    assert list(store.newest()) == []


def test_old_rows_are_pruned_in_parts(store, monkeypatch):
    monkeypatch.setattr(audit, "_AT_ONCE", 3)
    now = datetime.now(UTC)
    store.add([AuditRow(now - timedelta(days=days), None, None, None, "GET", "/", 200) for days in range(10)])
    assert store.prune(4.5) == 5
    assert len(list(store.newest())) == 5
    assert store.prune(4.5) == 0
