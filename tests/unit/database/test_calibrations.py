import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from olfactory_transformer.core.errors import CalibrationError, DatabaseError
from olfactory_transformer.database.calibrations import CalibrationStore
from olfactory_transformer.database.engine import Database

MADE, EXPIRES = "2026-05-01T12:00:00+02:00", "2026-05-31T10:00:00Z"


def content(sensor="desk", **more):
    return {
        "sensor_id": sensor,
        "made": MADE,
        "expires": EXPIRES,
        "channels": {"CO": {"level": 800.0}},
        **more,
    }


def drift(moved, threshold=0.1):
    return {"channels": {"CO": moved, "VOC": 0.01}, "threshold": threshold, "at": "2026-05-02T00:00:00Z"}


@pytest.fixture
def store(database):
    return CalibrationStore(database)


def test_the_newest_counts_and_the_others_are_kept(store):
    first, other, second = (store.save(content(s, notes={"n": s})) for s in ("desk", "plant", "desk"))
    assert store.current("desk") == second and store.current("plant") == other
    assert store.list("desk") == (second, first) and store.list() == (second, other, first)
    assert store.list(limit=1) == (second,) and store.sensors() == (second, other)
    assert store.current("nobody") is None and store.list("nobody") == ()


def test_what_is_kept(store):
    saved = store.save(content(notes={"café\0": "\u2603"}))
    found = store.current("desk")
    assert found == saved and found.content == content(notes={"café\0": "\u2603"})
    assert (found.made, found.expires) == (
        datetime(2026, 5, 1, 10, tzinfo=UTC),
        datetime(2026, 5, 31, 10, tzinfo=UTC),
    )
    assert (found.drift, found.drifted, found.checked) == (None, False, None)


def test_drift_is_put_beside_it(store):
    saved = store.save(content())
    store.save(content("plant"))
    little = store.update(saved.id, content(drift=drift(-0.05)))
    assert (little.id, little.drift, little.drifted) == (saved.id, 0.05, False)
    much = store.update(saved.id, content(drift=drift(-0.1)))
    assert much.drifted and much.checked == datetime(2026, 5, 2, tzinfo=UTC)
    assert store.list("desk") == (much,) and store.current("plant").drift is None


def test_only_what_is_there_can_have_a_drift(store):
    saved = store.save(content())
    for number, sensor in ((saved.id + 1, "desk"), (saved.id, "plant")):
        with pytest.raises(CalibrationError, match=f"no calibration {number} "):
            store.update(number, content(sensor, drift=drift(1)))
    assert store.list() == (saved,)


def test_forgotten_with_its_history(store):
    store.save(content())
    store.save(content())
    kept = store.save(content("plant"))
    assert store.forget("desk") == 2 and store.forget("desk") == 0
    assert store.list() == (kept,)
    assert store.save(content()).id != kept.id and store.current("desk") is not None


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"sensor_id": ""}, "sensor_id"),
        ({"sensor_id": "x" * 101}, "sensor_id"),
        ({"sensor_id": "a\nb"}, "sensor_id"),
        ({"sensor_id": 7}, "sensor_id"),
        ({"made": "yesterday"}, "made"),
        ({"made": "2026-05-01T12:00:00"}, "made"),
        ({"expires": None}, "expires"),
        ({"notes": float("nan")}, "got a calibration that JSON cannot say"),
    ],
)
def test_wrong_contents_are_not_kept(store, wrong, what):
    with pytest.raises(CalibrationError, match=f"^{what}.*expected"):
        store.save(content() | wrong)
    assert store.list() == ()


def test_hostile_ids_are_just_unknown(store):
    store.save(content())
    for text in ("' OR 1=1 --", "%", "x" * 1000, "é"):
        assert store.current(text) is None and store.forget(text) == 0
    assert len(store.list()) == 1


def test_an_empty_place_is_read_and_not_made(tmp_path):
    store = CalibrationStore(Database(f"sqlite:///{tmp_path}/none.db"))
    assert (
        store.list() == store.sensors() == () and store.current("desk") is None and store.forget("desk") == 0
    )
    assert not (tmp_path / "none.db").exists()


def test_a_broken_database_is_named(store, database):
    with database.writing() as session:
        session.execute(sa.text("DROP TABLE calibrations"))
    with pytest.raises(DatabaseError, match="calibrations"):
        store.save(content())


def test_many_threads(store):
    faults = []

    def work(sensor):
        try:
            for _ in range(5):
                saved = store.save(content(sensor))
                store.update(saved.id, content(sensor, drift=drift(0.2)))
                assert store.current(sensor).id == saved.id
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(f"s{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and len(store.list()) == 30 and all(each.drifted for each in store.list())
