import pytest

from olfactory_transformer.api.sensors import sessions as module
from olfactory_transformer.api.sensors.sessions import KEPT_SECONDS, Session, Sessions
from olfactory_transformer.core.errors import EngineBusy


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def nobody():
    pass


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return Sessions(clock)


def test_numbers():
    session = Session("key:a", None)
    assert [session.take(n) for n in (7, 8, 7, 12, 12, 13)] == [0, 0, None, 3, None, 0]
    assert (session.next, session.received, session.lost, session.duplicates) == (14, 4, 3, 2)


def test_it_goes_on_where_it_was(sessions, clock):
    session, resumed = sessions.begin("key:a", nobody, None, "bench")
    assert not resumed and sessions.open == 1
    session.take(41)
    sessions.leave(session, nobody)
    clock.now = KEPT_SECONDS - 1
    again, resumed = sessions.begin("key:a", nobody, session.id)
    assert again is session and resumed and (again.next, again.sensor) == (42, "bench")


def test_it_is_forgotten_in_time(sessions, clock):
    session, _ = sessions.begin("key:a", nobody)
    clock.now = 10 * KEPT_SECONDS  # while it is open, it is kept
    sessions.leave(session, nobody)
    clock.now += KEPT_SECONDS + 1
    again, resumed = sessions.begin("key:a", nobody, session.id)
    assert again is not session and not resumed and again.next is None


def test_nobody_else_goes_on_with_it(sessions):
    session, _ = sessions.begin("key:a", nobody)
    other, resumed = sessions.begin("key:b", nobody, session.id)
    assert other is not session and not resumed
    assert sessions.begin("key:a", nobody, session.id)[1]


def test_the_later_connection_has_it(sessions):
    told = []

    def first():
        told.append("first")

    session, _ = sessions.begin("key:a", first)
    sessions.begin("key:a", nobody, session.id)
    assert told == ["first"]
    sessions.leave(session, first)  # which has it no more
    assert sessions.open == 1
    sessions.leave(session, nobody)
    assert sessions.open == 0


def test_so_many_may_be_open(sessions, monkeypatch):
    monkeypatch.setattr(module, "MOST_OPEN", 2)
    first, _ = sessions.begin("key:a", nobody)
    sessions.begin("key:b", nobody)
    with pytest.raises(EngineBusy):
        sessions.begin("key:c", nobody)
    assert sessions.begin("key:a", nobody, first.id)[1]  # in the place that it has
    sessions.leave(first, nobody)
    sessions.begin("key:c", nobody)


def test_so_many_are_kept(sessions, monkeypatch):
    monkeypatch.setattr(module, "MOST_SESSIONS", 4)
    monkeypatch.setattr(module, "KEPT_PER_OWNER", 2)
    mine, _ = sessions.begin("key:mine", nobody)
    sessions.leave(mine, nobody)
    others = []
    for _ in range(5):
        session, _ = sessions.begin("key:other", nobody)
        sessions.leave(session, nobody)
        others.append(session.id)
    # One who leaves many pushes out none but his own.
    assert sessions.begin("key:mine", nobody, mine.id)[1]
    assert [sessions.begin("key:other", nobody, known)[1] for known in reversed(others)] == [
        True,
        True,
    ] + 3 * [False]


def test_an_ended_one_is_gone(sessions):
    session, _ = sessions.begin("key:a", nobody)
    sessions.end(session)
    sessions.leave(session, nobody)
    assert sessions.open == 0 and not sessions.begin("key:a", nobody, session.id)[1]
