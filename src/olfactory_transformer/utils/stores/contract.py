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
        Entries held, and bytes of them; of a shared store, all that are there, and 0 where they were not counted.
    hits, misses : int
        Keys that were found and not found.
    errors : int
        Operations and entries that went wrong (what was looked up is also counted as missed).
    evictions : int
        Entries dropped for want of room.
    available : bool
        False while the store is left alone after failures.
    fault : str
        The kind of the last error, such as "TimeoutError" or "OOM"; never a text with names or passwords.
    """

    entries: int = 0
    size: int = 0
    hits: int = 0
    misses: int = 0
    errors: int = 0
    evictions: int = 0
    available: bool = True
    fault: str = ""


class Store(Protocol):
    """Keeps bytes under keys. Thread-safe; may block for as long as its medium takes, within its own time limit."""

    @property
    def name(self) -> str:
        """Label of the tier: memory, disk or redis."""
        ...

    @property
    def place(self) -> str:
        """Where it is, for people: a folder or a host; without user and password."""
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

    def clear(self) -> int:
        """Delete all entries that are this package's; return how many."""
        ...

    def stats(self, *, count: bool = False) -> StoreStats:
        """Return what it holds and has done.

        Parameters
        ----------
        count : bool
            Count the entries even where that means to go through them all (Redis); without it, this is quick.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections; a second time does nothing, and every look-up after it is a miss."""
        ...
