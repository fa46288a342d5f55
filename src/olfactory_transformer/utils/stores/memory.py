"""Entries in the memory of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from cachetools import Cache, LRUCache

from olfactory_transformer.utils.stores.contract import StoreStats


class _Entries(LRUCache[str, tuple[float, bytes]]):
    """Least recently used entries go first, and are counted."""

    evictions = 0
    size = 0

    def popitem(self) -> tuple[str, tuple[float, bytes]]:
        key, entry = super().popitem()
        self.evictions += 1
        self.size -= len(key) + len(entry[1])
        return key, entry

    def written_before(self, moment: float) -> list[str]:
        # Past LRUCache, for which looking at an entry is using it.
        return [key for key in self if Cache.__getitem__(self, key)[0] <= moment]


class MemoryStore:
    """The least recently used entries, each for a limited time. A hit costs about two microseconds.

    Parameters
    ----------
    entries : int
        At most so many; 0 keeps none.
    ttl : float
        Seconds that an entry is used.
    clock : callable
        Seconds that never go back.

    Examples
    --------
    >>> store = MemoryStore(entries=2, ttl=3600)
    >>> store.set_many({"a": b"1", "b": b"2", "c": b"3"})
    >>> store.get_many(["a", "c"])
    [None, b'3']
    >>> store.stats()
    StoreStats(entries=2, size=4, hits=1, misses=1, errors=0, evictions=1, available=True, fault='')
    """

    name = "memory"
    place = "this process"

    def __init__(self, entries: int, ttl: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        # Not cachetools' TTLCache: that removes the expired at every look-up, and cannot tell how old an entry is.
        self._entries, self._ttl, self._clock = _Entries(entries), ttl, clock
        self._lock = threading.Lock()
        self._hits = self._misses = 0
        self._open = entries > 0

    def get_many(self, keys: Sequence[str], *, count_misses: bool = True) -> list[bytes | None]:
        """Return the value of each key, None where there is none or it is too old."""
        oldest = self._clock() - self._ttl
        found: list[bytes | None] = []
        with self._lock:
            for key in keys:
                entry = self._entries.get(key)
                if entry is not None and entry[0] <= oldest:
                    self._drop(key)
                    entry = None
                found.append(None if entry is None else entry[1])
            missed = found.count(None)
            self._misses += missed if count_misses else 0
            self._hits += len(found) - missed
        return found

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep the items, dropping the least recently used for room."""
        now = self._clock()
        with self._lock:
            if not self._open:
                return
            for key, value in items.items():
                if key in self._entries:
                    self._drop(key)
                self._entries[key] = (now, value)
                self._entries.size += len(key) + len(value)

    def delete_older(self, seconds: float) -> int:
        """Delete entries written longer ago than `seconds`; return how many."""
        oldest = self._clock() - seconds
        with self._lock:
            old = self._entries.written_before(oldest)
            for key in old:
                self._drop(key)
        return len(old)

    def clear(self) -> int:
        """Delete all entries; return how many."""
        with self._lock:
            count = len(self._entries)
            self._entries.clear()
            self._entries.size = 0
        return count

    def stats(self, *, count: bool = False) -> StoreStats:
        """Return what it holds and has done."""
        with self._lock:
            return StoreStats(
                entries=len(self._entries),
                size=self._entries.size,
                hits=self._hits,
                misses=self._misses,
                evictions=self._entries.evictions,
            )

    def close(self) -> None:
        """Let go of the entries."""
        with self._lock:
            self._open = False
        self.clear()

    def _drop(self, key: str) -> None:
        self._entries.size -= len(key) + len(self._entries.pop(key)[1])
