"""What a cache asks of the place where it keeps its entries.

    Tiers ──▶ MemoryStore | DiskStore (SQLite) | RedisStore

A store may lose anything at any time, and never fails: what goes wrong inside it is a miss, counted in `stats`.
`tests/unit/utils/test_store_contract.py` runs against every store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What a store holds and has done since it was opened.

    Parameters
    ----------
    entries, size : int
        Entries held, and bytes of their keys and values; of a shared store, all that are there.
    hits, misses : int
        Keys that were found and not found.
    errors : int
        Operations that went wrong (each also counted as misses, if they were look-ups).
    evictions : int
        Entries dropped for want of room.
    available : bool
        False while the store is left alone after failures.
    """

    entries: int = 0
    size: int = 0
    hits: int = 0
    misses: int = 0
    errors: int = 0
    evictions: int = 0
    available: bool = True


class Store(Protocol):
    """Keeps bytes under keys. Thread-safe; may block for as long as its medium takes, within its own time limit."""

    @property
    def name(self) -> str:
        """Label of the tier: memory, disk or redis."""
        ...

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the value of each key, None where there is none, it is too old, or the store failed."""
        ...

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep the items, dropping the least recently used for room."""
        ...

    def delete_older(self, seconds: float) -> int:
        """Delete entries written longer ago than `seconds`; return how many (0 where the medium expires them)."""
        ...

    def clear(self) -> None:
        """Delete all entries that are this package's."""
        ...

    def stats(self) -> StoreStats:
        """Return what it holds and has done."""
        ...

    def close(self) -> None:
        """Let go of files and connections; a second time does nothing."""
        ...
