"""Counting what a store does, from several threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Counters of a store.

    >>> tally = Tally()
    >>> tally.looked_up([b"found", None])
    [b'found', None]
    >>> tally.failed("TimeoutError")
    >>> tally.hits, tally.misses, tally.errors, tally.fault
    (1, 1, 1, 'TimeoutError')
    """

    hits: int = 0
    misses: int = 0
    errors: int = 0
    evictions: int = 0
    fault: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def looked_up(self, values: list[bytes | None]) -> list[bytes | None]:
        """Count hits and misses; return `values`."""
        missed = values.count(None)
        with self._lock:
            self.hits += len(values) - missed
            self.misses += missed
        return values

    def failed(self, fault: str, times: int = 1) -> None:
        """Count errors of one kind."""
        with self._lock:
            self.errors += times
            self.fault = fault

    def evicted(self, entries: int) -> None:
        """Count entries dropped for want of room."""
        with self._lock:
            self.evictions += entries
