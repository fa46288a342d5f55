"""Stores one behind the other: fast and small first, slow and shared last."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from olfactory_transformer.utils.stores.contract import Store, StoreStats
from olfactory_transformer.utils.stores.disk import DiskStore
from olfactory_transformer.utils.stores.memory import MemoryStore

_STAMP = struct.Struct("<d")  # seconds since 1970 at which a value was set
_AHEAD = 60.0  # seconds by which the clocks of two servers may differ


class Tiers:
    """Looks in one store after the other, and copies what it finds to those in front; a store itself.

    A value keeps the time at which it was first set when it is copied, so that no entry is used for longer than
    `ttl`, through whichever tiers it went.

    Parameters
    ----------
    stores : sequence of Store
        In the order in which to look.
    ttl : float
        Seconds that an entry is used.
    clock : callable
        Seconds since 1970.

    Examples
    --------
    >>> fast, slow = MemoryStore(1, 60), MemoryStore(10, 60)
    >>> tiers = Tiers([fast, slow], ttl=60)
    >>> tiers.set_many({"a": b"1", "b": b"2"})
    >>> tiers.get_many(["a", "c"])
    [b'1', None]
    >>> fast.stats().misses, slow.stats().hits, tiers.stats().hits
    (2, 1, 1)
    """

    name = "tiers"

    def __init__(
        self, stores: Sequence[Store], ttl: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.stores = tuple(stores)
        self.ttl, self._clock = ttl, clock

    @property
    def place(self) -> str:
        """Where the stores are."""
        return ", ".join(store.place for store in self.stores)

    def get_fast(self, keys: Sequence[str]) -> list[bytes | None]:
        """Look in memory only, if the first store is that: a few microseconds, safe on an event loop.

        What is missing is not counted as missed, since `get_many` is asked for it next.
        """
        first = self.stores[0] if self.stores else None
        if not isinstance(first, MemoryStore):
            return [None] * len(keys)
        return [self._opened(data) for data in first.get_many(keys, count_misses=False)]

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the value of each key from the first store that has it; None where none has."""
        found: dict[str, bytes] = {}
        values: dict[str, bytes] = {}
        wanted = list(dict.fromkeys(keys))
        for depth, store in enumerate(self.stores):
            fresh: dict[str, bytes] = {}
            for key, data in zip(wanted, store.get_many(wanted), strict=True):
                if data is not None and (value := self._opened(data)) is not None:
                    fresh[key], values[key] = data, value
            if fresh:
                for faster in self.stores[:depth]:
                    faster.set_many(fresh)
                found |= fresh
                wanted = [key for key in wanted if key not in found]
            if not wanted:
                break
        return [values.get(key) for key in keys]

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep the items in every store."""
        stamp = _STAMP.pack(self._clock())
        stamped = {key: stamp + value for key, value in items.items()}
        for store in self.stores:
            store.set_many(stamped)

    def spread(self, keys: Sequence[str]) -> list[str]:
        """Copy what any store has to those that lack it; return the keys that none has."""
        held = [self._held(store, keys) for store in self.stores]
        known: dict[str, bytes] = {}
        for found in reversed(held):
            known |= found
        for store, found in zip(self.stores, held, strict=True):
            if lacking := {key: data for key, data in known.items() if key not in found}:
                store.set_many(lacking)
        return [key for key in keys if key not in known]

    def lacking(self, keys: Sequence[str]) -> list[str]:
        """Return the keys that some store does not have."""
        held = [self._held(store, keys) for store in self.stores]
        return [key for key in keys if not all(key in found for found in held)]

    def delete_older(self, seconds: float) -> int:
        """Delete entries written longer ago than `seconds` from every store; return how many."""
        return sum(store.delete_older(seconds) for store in self.stores)

    def clear(self) -> int:
        """Delete the entries of every store; return how many, each counted as often as it was kept."""
        return sum(store.clear() for store in self.stores)

    def by_tier(self, *, count: bool | Collection[str] = False) -> dict[str, StoreStats]:
        """Return what each store has done, by its name, and what it holds where that is to be counted.

        Parameters
        ----------
        count : bool or collection of str
            Whether to count entries, or the names of the stores in which to: counting takes milliseconds on disk,
            but goes through all keys of a Redis.
        """
        chosen = [store.name for store in self.stores] if count is True else count or ()
        return {store.name: store.stats(count=store.name in chosen) for store in self.stores}

    def stats(self, *, count: bool = False) -> StoreStats:
        """Return what all hold and have done together: a hit in any is a hit, a miss in all of them a miss."""
        each = list(self.by_tier(count=count).values())
        if not each:
            return StoreStats()
        return StoreStats(
            entries=sum(s.entries for s in each),
            size=sum(s.size for s in each),
            hits=sum(s.hits for s in each),
            misses=each[-1].misses,
            errors=sum(s.errors for s in each),
            evictions=sum(s.evictions for s in each),
            available=all(s.available for s in each),
            fault=next((s.fault for s in each if s.fault), ""),
        )

    def close(self) -> None:
        """Close every store."""
        for store in self.stores:
            store.close()

    def _held(self, store: Store, keys: Sequence[str]) -> dict[str, bytes]:
        """Return what one store has of it, with the stamps."""
        found = zip(keys, store.get_many(keys), strict=True)
        return {key: data for key, data in found if data is not None and self._opened(data) is not None}

    def _opened(self, data: bytes | None) -> bytes | None:
        """Return the value without its stamp, or None for one that is too old or not ours."""
        if data is None or len(data) < _STAMP.size:
            return None
        now = self._clock()
        (written,) = _STAMP.unpack_from(data)
        return data[_STAMP.size :] if now - self.ttl < written <= now + _AHEAD else None


def open_tiers(
    *,
    memory_entries: int = 0,
    folder: Path | None = None,
    disk_bytes: int = 0,
    redis_url: str | None = None,
    redis_timeout: float = 0.05,
    busy: float = 0.1,
    ttl: float = 86_400,
) -> Tiers:
    """Return the tiers that are asked for, memory before disk before Redis.

    Parameters
    ----------
    memory_entries : int
        0: no tier in memory.
    folder, disk_bytes : Path or None, int
        None: no tier on disk.
    redis_url : str or None
        None: no tier in Redis.
    redis_timeout, busy : float
        Seconds to wait for Redis, and for another writer to the disk.
    ttl : float
        Seconds that an entry is used.

    Raises
    ------
    SettingsError, MissingExtra
        The URL is none, or redis-py is not installed. Nothing is raised for a medium that cannot be reached.

    Examples
    --------
    >>> [store.name for store in open_tiers(memory_entries=100).stores]
    ['memory']
    """
    stores: list[Store] = []
    if memory_entries:
        stores.append(MemoryStore(memory_entries, ttl))
    if folder is not None:
        stores.append(DiskStore(folder, disk_bytes, ttl, busy=busy))
    if redis_url is not None:
        from olfactory_transformer.utils.stores.redis import RedisStore

        stores.append(RedisStore(redis_url, redis_timeout, ttl))
    return Tiers(stores, ttl)
