import hashlib
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from olfactory_transformer.core.errors import UnknownKey
from olfactory_transformer.database.keys import KeyState, KeyStore, has_digest
from olfactory_transformer.database.keytext import digest, id_of


@pytest.fixture
def store(database):
    return KeyStore(database)


def test_a_key_is_found_again(store):
    text, made = store.create("a perfumer", ["sensors", "predict"], limit_per_minute=7, days=2)
    found = store.find(made.id)
    assert found == made and id_of(text.encode()) == made.id
    assert (found.name, found.scopes, found.limit_per_minute) == ("a perfumer", {"predict", "sensors"}, 7)
    assert found.expires - found.created == timedelta(days=2) and found.created.tzinfo is not None
    assert (found.revoked, found.last_used, found.state()) == (None, None, KeyState.VALID)
    assert store.find("none0000") is None


def test_only_a_digest_is_stored(store, database):
    text, made = store.create("x")
    with database.reading() as session:
        row = session.execute(sa.text("SELECT * FROM api_keys")).one()
    assert bytes(row.digest) == hashlib.sha256(text.encode()).digest()
    secret = text.split("_", 2)[2]
    assert all(secret not in str(value) for value in row) and secret not in repr(made)


def test_secrets_are_long_and_never_alike(store):
    texts = {store.create("same name")[0] for _ in range(20)}
    assert len(texts) == 20 and all(len(text.split("_", 2)[2]) == 43 for text in texts)
    assert len(store.list()) == 20


def test_right_and_wrong_texts(store):
    text, made = store.create("x")
    other, _ = store.create("y")
    assert has_digest(made, digest(text.encode()))
    for wrong in (other, text[:-1], text + "A", text.upper(), ""):
        assert not has_digest(made, digest(wrong.encode()))
        assert not has_digest(None, digest(wrong.encode()))


def test_listed_in_order(store):
    made = [store.create(name)[1] for name in "cab"]
    assert store.list() == tuple(made)


def test_revoked_for_ever(store):
    _, made = store.create("x")
    revoked = store.revoke(made.id)
    assert revoked.state() is KeyState.REVOKED and store.find(made.id) == revoked
    assert store.revoke(made.id).revoked == revoked.revoked
    with pytest.raises(ValueError, match="was revoked"):
        store.rotate(made.id)


def test_expired(store):
    _, made = store.create("x", days=1)
    assert made.state() is KeyState.VALID
    assert made.state(datetime.now(UTC) + timedelta(days=1, seconds=1)) is KeyState.EXPIRED
    assert store.create("x", days=1e-9)[1].state() is KeyState.EXPIRED


def test_rotated_at_once(store):
    old, made = store.create("x", limit_per_minute=3)
    new, record = store.rotate(made.id)
    assert has_digest(record, digest(new.encode())) and not has_digest(record, digest(old.encode()))
    assert (record.id, record.limit_per_minute, record.created) == (made.id, 3, made.created)


def test_rotated_with_grace(store):
    oldest, made = store.create("x")
    old, _ = store.rotate(made.id, grace_hours=1)
    new, _ = store.rotate(made.id, grace_hours=1)
    record = store.find(made.id)
    assert [has_digest(record, digest(text.encode())) for text in (oldest, old, new)] == [False, True, True]
    _, record = store.rotate(made.id, grace_hours=1e-9)
    assert not has_digest(record, digest(new.encode()))
    assert not has_digest(store.rotate(made.id)[1], digest(b""))


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\nb"},
        {"name": " x"},
        {"name": "\x1b[31m"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": "x", "limit_per_minute": 0},
        {"name": "x", "limit_per_minute": 1_000_001},
        {"name": "x", "days": 0},
        {"name": "x", "days": float("nan")},
    ],
)
def test_wrong_arguments(store, arguments):
    with pytest.raises(ValueError, match="expected"):
        store.create(**arguments)
    assert store.list() == ()


def test_unknown_ids(store):
    for change in (store.revoke, store.rotate):
        with pytest.raises(UnknownKey, match="'nobody00'"):
            change("nobody00")
    with pytest.raises(ValueError, match="grace_hours"):
        store.rotate("nobody00", -1)


def test_hostile_ids_are_just_unknown(store):
    for text in ("' OR 1=1 --", "%", "x" * 1000, "é"):
        assert store.find(text) is None


def test_last_use_only_goes_forward(store):
    _, made = store.create("x")
    now = datetime.now(UTC)
    store.used({made.id: now, "nobody00": now})
    store.used({made.id: now - timedelta(hours=1)})
    assert store.find(made.id).last_used == now


def test_many_threads(store):
    faults, made = [], []

    def work():
        try:
            for _ in range(5):
                text, record = store.create("x")
                store.used({record.id: datetime.now(UTC)})
                assert has_digest(store.find(record.id), digest(text.encode()))
                made.append(store.revoke(record.id).id)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and len(set(made)) == len(store.list()) == 40
