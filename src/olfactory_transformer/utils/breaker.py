"""Leaving a service alone that does not answer, and finding out by itself when it does again.

CLOSED ──failures in a row──▶ OPEN ──pause is over──▶ HALF_OPEN ──success──▶ CLOSED
                                ▲                         │
                                └──failure, longer pause──┘
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import StrEnum


class BreakerState(StrEnum):
    """Whether calls are let through: all, none, or a single one on trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """A circuit breaker; thread-safe. Ask `allows` before a call, and report how it went: `succeeded` or `failed`.

    Parameters
    ----------
    failures : int
        So many in a row open it.
    pause : float
        Seconds until the first trial; each trial that fails doubles it.
    longest : float
        Seconds that a pause is at most.
    clock : callable
        Seconds that never go back.
    changed : callable or None
        Called with the state before and after each change, outside the lock.

    Examples
    --------
    >>> breaker = Breaker(failures=2, pause=60)
    >>> for _ in range(2):
    ...     breaker.failed()
    >>> breaker.state, breaker.allows()
    (<BreakerState.OPEN: 'open'>, False)
    """

    def __init__(
        self,
        failures: int = 3,
        pause: float = 1.0,
        longest: float = 30.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[BreakerState, BreakerState], None] | None = None,
    ) -> None:
        self._limit, self._first, self._longest = failures, min(pause, longest), longest
        self._clock, self._changed = clock, changed
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._failures, self._pause, self._until = 0, self._first, 0.0

    @property
    def state(self) -> BreakerState:
        """Where it stands. It stays OPEN after its pause until somebody asks `allows`."""
        return self._state

    @property
    def pause(self) -> float:
        """Seconds of the present pause, or of the next one while it is closed."""
        return self._pause

    def allows(self) -> bool:
        """Tell whether a call may be made. After a pause one caller is told yes: that call is the trial."""
        if self.state is BreakerState.CLOSED:
            return True
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return True
            if self._clock() < self._until:
                return False
            # A trial of which nothing is heard for a pause is taken for lost, and another made.
            self._until = self._clock() + self._pause
            before = self._to(BreakerState.HALF_OPEN)
        self._tell(before, BreakerState.HALF_OPEN)
        return True

    def succeeded(self) -> None:
        """Report a call that went well."""
        if self.state is BreakerState.CLOSED and not self._failures:
            return
        with self._lock:
            if self._state is BreakerState.OPEN:
                return  # a late answer to a call from before it opened; the trial will tell
            self._failures, self._pause = 0, self._first
            before = self._to(BreakerState.CLOSED)
        self._tell(before, BreakerState.CLOSED)

    def failed(self) -> None:
        """Report a call that failed."""
        with self._lock:
            if self._state is BreakerState.OPEN:
                return  # a call from before it opened
            self._failures += 1
            if self._state is BreakerState.HALF_OPEN:
                self._pause = min(2 * self._pause, self._longest)
            elif self._failures < self._limit:
                return
            self._until = self._clock() + self._pause
            before = self._to(BreakerState.OPEN)
        self._tell(before, BreakerState.OPEN)

    def _to(self, state: BreakerState) -> BreakerState:
        """Change the state; return the one before."""
        before, self._state = self._state, state
        return before

    def _tell(self, before: BreakerState, now: BreakerState) -> None:
        if before is not now and self._changed is not None:
            self._changed(before, now)
