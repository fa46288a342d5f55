from __future__ import annotations

import threading
import time

import pytest

from olfactory_transformer.utils.breaker import Breaker, BreakerState
from olfactory_transformer.utils.deadline import Deadline, NoThreadFree


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_failures_in_a_row_open_it(clock):
    breaker = Breaker(failures=3, pause=1, clock=clock)
    for _ in range(2):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED and breaker.allows()
    for _ in range(3):
        breaker.failed()
    assert breaker.state is BreakerState.OPEN and not breaker.allows()


def test_one_trial_after_each_pause_and_the_pauses_grow(clock):
    breaker = Breaker(failures=1, pause=1, longest=5, clock=clock)
    breaker.failed()
    for pause in (1, 2, 4, 5, 5):
        assert breaker.pause == pause
        clock.now += pause - 0.01
        assert not breaker.allows()
        clock.now += 0.01
        assert breaker.allows() and breaker.state is BreakerState.HALF_OPEN
        assert not breaker.allows()
        breaker.failed()
    clock.now += 5
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED and breaker.allows() and breaker.pause == 1


def test_late_reports_of_earlier_calls_change_nothing(clock):
    breaker = Breaker(failures=1, pause=1, clock=clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state is BreakerState.OPEN and breaker.pause == 1


def test_a_lost_trial_is_made_again(clock):
    breaker = Breaker(failures=1, pause=1, clock=clock)
    breaker.failed()
    clock.now = 1
    assert breaker.allows() and not breaker.allows()
    clock.now = 2
    assert breaker.allows()


def test_changes_are_told(clock):
    told = []
    breaker = Breaker(failures=1, pause=1, clock=clock, changed=lambda *states: told.append(states))
    breaker.failed()
    clock.now = 1
    breaker.allows()
    breaker.succeeded()
    breaker.succeeded()
    assert told == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]


def test_only_one_thread_gets_the_trial(clock):
    breaker = Breaker(failures=1, pause=1, clock=clock)
    breaker.failed()
    clock.now = 1
    allowed, start = [], threading.Barrier(8)

    def ask():
        start.wait()
        allowed.append(breaker.allows())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 1


def test_a_deadline_passes_values_and_errors_on():
    deadline = Deadline(threads=2)
    assert [deadline.call(lambda i=i: i, seconds=10) for i in range(100)] == list(range(100))
    with pytest.raises(ZeroDivisionError):
        deadline.call(lambda: 1 / 0, seconds=10)
    with pytest.raises(TimeoutError, match="of the call"):
        deadline.call(lambda: (_ for _ in ()).throw(TimeoutError("of the call")), seconds=10)


def test_a_deadline_does_not_wait_for_calls_that_hang():
    deadline, release = Deadline(threads=1), threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no answer in 0\.05 s"):
        deadline.call(release.wait, seconds=0.05)
    with pytest.raises(NoThreadFree):
        deadline.call(int, seconds=0.05)
    assert time.monotonic() - began < 5
    release.set()
    assert deadline.call(lambda: "on", seconds=10) == "on"
    deadline.close()
    with pytest.raises(NoThreadFree):
        deadline.call(int, seconds=10)


def test_calls_at_the_same_time():
    deadline, together = Deadline(threads=4), threading.Barrier(4, timeout=10)
    done = []

    def ask():
        done.append(deadline.call(together.wait, seconds=10))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 1, 2, 3]
