"""The time at which frames arrive: ours, that never goes back, whatever is done to the machine's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

JUMP = 2.0  # seconds by which the machine's clock may be corrected between two looks without being told of


class Arrival(NamedTuple):
    """When something arrived.

    Parameters
    ----------
    time : float
        Seconds since 1970, that do not fall.
    monotonic : float
        Seconds, by the monotonic clock.
    jumped : float
        Seconds by which the machine's clock has jumped since the arrival before; mostly 0.
    """

    time: float
    monotonic: float
    jumped: float = 0.0


class ArrivalClock:
    """Seconds since 1970 that do not fall; a recording's times may not.

    When the machine's clock is put back, this one goes on from where it was, ahead of it by as much, and comes to it
    again when it is put forward. Where the machine slept, its clock jumps forward, and this one with it.

    Parameters
    ----------
    wall, monotonic : callable
        Seconds; other clocks are for tests.

    Examples
    --------
    >>> wall = iter([1000.0, 400.0])
    >>> clock = ArrivalClock(lambda: next(wall), iter([0.0, 1.0]).__next__)
    >>> clock.now().time, clock.now()
    (1000.0, Arrival(time=1001.0, monotonic=1.0, jumped=-601.0))
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._last: tuple[float, float] | None = None  # by both clocks
        self._ahead = self._told = 0.0

    def now(self) -> Arrival:
        """Return when something arrives that arrives now."""
        wall, monotonic = self._wall(), self._monotonic()
        jumped = 0.0
        if self._last is not None:
            off = (wall - self._last[0]) - (monotonic - self._last[1])
            if abs(off) > JUMP:
                jumped = off
                self._ahead = max(0.0, self._ahead - off)
        self._last = wall, monotonic
        self._told = max(self._told, wall + self._ahead)
        return Arrival(self._told, monotonic, jumped)
