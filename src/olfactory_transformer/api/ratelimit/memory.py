"""A limiter in this process's memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from olfactory_transformer.api.ratelimit.contract import Decision, interval_of

_EXPIRED_AT_ONCE = 2  # dropped for each caller that is new, so that memory shrinks again after a flood


class MemoryLimiter:
    """Keeps a number for each caller of the last minute, for a bounded number of callers.

    When there are more, those that have not asked for longest are forgotten: they start with a full quota. A flood from
    many addresses thus costs a fixed amount of memory.

    Parameters
    ----------
    most : int
        Callers; one takes about 200 bytes.
    clock : callable
        Nanoseconds that never go back.

    Examples
    --------
    >>> limiter = MemoryLimiter()
    >>> limiter.take_now("a", 1).allowed, limiter.take_now("a", 1).allowed, limiter.take_now("b", 1).allowed
    (True, False, True)
    """

    def __init__(self, most: int = 100_000, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._most, self._clock = most, clock
        self._arrivals: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        """Return how many callers are remembered."""
        return len(self._arrivals)

    async def take(self, who: str, limit: int, cost: int = 1) -> Decision:
        """Take from a caller's quota; see `Limiter.take`."""
        return self.take_now(who, limit, cost)

    def take_now(self, who: str, limit: int, cost: int = 1) -> Decision:
        """Do the same without being awaited; of cost 0, only tell how the caller stands."""
        now = self._clock() // 1000
        interval = interval_of(limit)
        arrival = self._arrivals.get(who)
        level = max(arrival - now, 0) if arrival is not None else 0
        after = level + cost * interval
        if after > interval * limit:
            return Decision.of(False, level, limit, cost)
        if cost:
            self._keep(who, now + after, now, new=arrival is None)
        return Decision.of(True, after, limit)

    async def close(self) -> None:
        """Do nothing."""

    def _keep(self, who: str, arrival: int, now: int, *, new: bool) -> None:
        arrivals = self._arrivals
        arrivals[who] = arrival
        arrivals.move_to_end(who)
        if not new:
            return
        if len(arrivals) > self._most:
            arrivals.popitem(last=False)
        for _ in range(_EXPIRED_AT_ONCE):
            oldest = next(iter(arrivals))
            if arrivals[oldest] > now:
                break
            del arrivals[oldest]
