from dataclasses import replace

import pytest

from olfactory_transformer.core.errors import DatabaseError, UnknownSmell
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.enrolments import EnrolmentStore
from olfactory_transformer.database.models import Enrolment


@pytest.fixture
def store(database):
    return EnrolmentStore(database)


def test_what_is_saved_comes_back(store):
    content = bytes(range(256)) * 40
    saved = store.save(
        "Kaffee ☕", content, model_version="nose@1", recordings=3, sensor_id="board-1", notes="dark roast"
    )
    assert store.list() == (saved,) and store.get("Kaffee ☕") == saved
    assert (saved.content, saved.recordings, saved.sensor_id, saved.notes) == (
        content,
        3,
        "board-1",
        "dark roast",
    )
    assert saved.created.tzinfo is not None


def test_a_name_is_there_once_and_the_last_counts(store):
    store.save("tea", b"old", model_version="nose@1", recordings=1)
    store.save("coffee", b"c", model_version="nose@1", recordings=1)
    store.save("tea", b"new", model_version="nose@2", recordings=4)
    assert [(each.name, each.content) for each in store.list()] == [("coffee", b"c"), ("tea", b"new")]


def test_two_rows_of_one_name_are_one_smell(store, database):
    store.save("tea", b"old", model_version="nose@1", recordings=1)
    first = store.get("tea")
    with database.writing() as session:  # as two servers at the same moment may leave it
        session.add(
            Enrolment(
                name="tea", model_version="nose@1", recordings=2, prototypes=b"later", created=first.created
            )
        )
    assert [each.content for each in store.list()] == [b"later"]
    store.forget("tea")
    assert store.list() == ()


def test_all_are_saved_or_none(store):
    first = store.save("tea", b"old", model_version="nose@1", recordings=1)
    new = [replace(first, name=name, content=b"new") for name in ("tea", "coffee")]
    with pytest.raises(ValueError, match="sensor_id"):
        store.save_all([*new, replace(first, name="clove", sensor_id="x" * 1000)])
    with pytest.raises(DatabaseError):  # in the midst of it
        store.save_all([*new, replace(first, name="clove", content=None)])
    assert store.list() == (first,)
    store.save_all(new)
    assert [(each.name, each.content) for each in store.list()] == [("coffee", b"new"), ("tea", b"new")]


def test_forgetting(store):
    store.save("tea", b"t", model_version="nose@1", recordings=1)
    assert store.forget("tea").content == b"t"
    for ask in (store.get, store.forget):
        with pytest.raises(UnknownSmell, match="no smell 'tea'"):
            ask("tea")


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "x" * 101}, {"sensor_id": "x" * 101}])
def test_what_has_no_room_is_refused(store, wrong):
    arguments = {"name": "tea", "content": b"t", "model_version": "nose@1", "recordings": 1} | wrong
    with pytest.raises(ValueError, match="expected 1 to 100 characters"):
        store.save(**arguments)
    assert store.list() == ()


def test_no_file_yet_is_no_smell(tmp_path):
    store = EnrolmentStore(Database(f"sqlite:///{tmp_path}/none.db"))
    assert store.list() == ()
    with pytest.raises(UnknownSmell):
        store.forget("tea")
    assert not (tmp_path / "none.db").exists()
