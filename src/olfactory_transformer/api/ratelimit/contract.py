"""What the gate asks of a limiter, and the formula that both limiters share.

The generic cell rate algorithm (ITU-T I.371, annex A, "virtual scheduling"). For each caller one moment is kept, the
theoretical arrival time TAT. With a quota of n requests a minute, T = 60 s / n is the interval between requests that
come evenly, and tau = n T how far ahead of that a caller may be:

    level = max(TAT - now, 0)              what the caller is ahead
    allowed if level + cost T <= tau       then TAT becomes now + level + cost T

So a burst may be the quota of a minute, after which requests are let through at the even rate. Nothing is kept but one
number, nothing is counted anew at the turn of a minute, and who is refused is not punished.

All times are whole microseconds. T is rounded up, so that the quota is never exceeded: below 60,000 requests a minute
by less than 0.1 % too strict.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

WINDOW = 60  # seconds
POLICY = "default"
_MICRO = 1_000_000


def interval_of(limit: int) -> int:
    """Return T in microseconds, for `limit` requests a minute.

    >>> interval_of(100), interval_of(7)
    (600000, 8571429)
    """
    return -(-WINDOW * _MICRO // limit)


class Decision(NamedTuple):
    """Whether a request is within its quota.

    Parameters
    ----------
    allowed : bool
    limit : int
        Requests a minute.
    remaining : int
        Requests that could follow at once.
    retry_after : float
        Seconds until it would be allowed; 0 if it was.
    window : int
        Seconds in which the caller should make no more than `remaining` requests: at the even rate, and at least until
        there is one more. So `remaining` by `window` is never a faster rate than the policy's, and after a refusal
        the window ends when Retry-After says.
    """

    allowed: bool
    limit: int
    remaining: int
    retry_after: float
    window: int

    @classmethod
    def of(cls, allowed: bool, level: int, limit: int, cost: int = 1) -> Decision:
        """Return the decision for a caller that is `level` microseconds ahead, after this request.

        >>> Decision.of(True, 600_000 * 58, 100)
        Decision(allowed=True, limit=100, remaining=42, retry_after=0.0, window=26)
        """
        interval = interval_of(limit)
        free = interval * limit - level
        remaining = free // interval if free > 0 else 0
        if not allowed:
            wait = max(cost * interval - free, 0) / _MICRO
            return cls(False, limit, remaining, wait, max(math.ceil(wait), 1))
        window = max(remaining * interval, interval - free % interval)
        return cls(True, limit, remaining, 0.0, -(-window // _MICRO))

    def headers(self, policy: str = POLICY) -> list[tuple[bytes, bytes]]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers-11.

        >>> for name, value in Decision(True, 100, 42, 0.0, 26).headers():
        ...     print(name.decode(), value.decode())
        ratelimit-policy "default";q=100;w=60
        ratelimit "default";r=42;t=26
        """
        return [
            (b"ratelimit-policy", f'"{policy}";q={self.limit};w={WINDOW}'.encode()),
            (b"ratelimit", f'"{policy}";r={self.remaining};t={self.window}'.encode()),
        ]


class Limiter(Protocol):
    """Counts what callers ask against their quota. Called on the event loop; never blocks it, never fails."""

    async def take(self, who: str, limit: int, cost: int = 1) -> Decision:
        """Take from a caller's quota, or refuse and take nothing.

        Parameters
        ----------
        who : str
            The caller.
        limit : int
            Requests a minute, at least 1.
        cost : int
            Requests that this one counts as, 1 to `limit`.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; a second time does nothing."""
        ...
