"""Entries in a SQLite file that many processes share."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from olfactory_transformer.utils.breaker import Breaker, BreakerState
from olfactory_transformer.utils.stores import sqlite_file
from olfactory_transformer.utils.stores.contract import StoreStats
from olfactory_transformer.utils.stores.envelope import seal, unseal
from olfactory_transformer.utils.stores.sqlite_pool import Pool
from olfactory_transformer.utils.stores.tally import Tally

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

_GET = "SELECT key, value, written, used FROM entry WHERE key IN (SELECT value FROM json_each(?))"
_SET = "INSERT OR REPLACE INTO entry (key, value, written, used) VALUES (?, ?, ?, ?)"
_TOUCH = "UPDATE entry SET used = ? WHERE key = ? AND used < ?"
_EXPIRE = "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE written <= ? LIMIT ?)"
_EVICT = "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry ORDER BY used LIMIT ?)"
_BATCH = 256  # entries that are dropped at a time: some milliseconds
_PENDING = 10_000  # uses that are remembered until something is written
_AHEAD = 60.0  # seconds; an entry from further in the future was written by a clock that was wrong


class DiskStore:
    """Entries in a file of `folder`, bounded in size and age, shared by any number of threads and processes.

    When an entry was last used is written with the next new entries, so that looking up only reads, and what is
    dropped for room is roughly the least recently used. Nothing of it raises: an entry that is damaged, a folder that
    is read-only and a disk that is full are misses, and a file that is not whole or not ours is set aside.

    Parameters
    ----------
    folder : Path
        Made when it is first needed.
    size : int
        Bytes that the file takes at most; its log may take 16 MiB for a while.
    ttl : float
        Seconds that an entry is used.
    busy : float
        Seconds to wait for another writer.
    pause, longest_pause : float
        Seconds that the disk is left alone at first, and at most, after failures in a row.
    clock : callable
        Seconds since 1970.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = DiskStore(Path(folder), size=10_000_000, ttl=3600)
    ...     store.set_many({"a": b"1"})
    ...     found = store.get_many(["a", "b"])
    ...     store.close()
    >>> found
    [b'1', None]
    """

    name = "disk"

    def __init__(
        self,
        folder: Path,
        size: int,
        ttl: float,
        *,
        busy: float = 0.1,
        pause: float = 1.0,
        longest_pause: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._size, self._ttl, self._busy, self._clock = folder, size, ttl, busy, clock
        self._stale = min(3600.0, ttl / 100)  # a use is noted again after so long
        self._pool, self._writer = Pool(folder, busy), threading.Lock()
        self._pending: dict[str, float] = {}
        self._closed = False
        self._tally = Tally()
        self._reading = Breaker(pause=pause, longest=longest_pause, changed=self._told)
        self._writing = Breaker(pause=pause, longest=longest_pause, changed=self._told)

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    @property
    def path(self) -> Path | None:
        """The file that was opened last, if any."""
        return self._pool.path

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the value of each key, None where there is none, it is too old or damaged, or the disk failed."""
        nothing: dict[str, bytes] = {}
        found = self._read(lambda connection: self._found(connection, keys), nothing)
        return self._tally.looked_up([found.get(key) for key in keys])

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep the items, dropping the least recently used for room."""
        now = self._clock()
        rows = [(key, seal(key, value), now, now) for key, value in items.items()]

        def work(connection: sqlite3.Connection) -> int:
            connection.execute(_EXPIRE, (now - self._ttl, _BATCH))
            self._note_uses(connection)
            connection.executemany(_SET, rows)
            self._make_room(connection, max(_BATCH, 2 * len(rows)))
            return _number(connection, "page_count") - self._size // _number(connection, "page_size")

        if rows and (excess := self._write(work, 0)) > 0:
            # Free pages are used again; only a file from before its limit was lowered gives them back.
            self._shrink(f"PRAGMA incremental_vacuum({min(excess, 4 * _BATCH)})")

    def delete_older(self, seconds: float) -> int:
        """Delete entries written longer ago than `seconds`, and files left behind; return how many entries."""
        before, deleted, more = self._clock() - seconds, 0, True
        while more:  # in short transactions, to let other writers in between
            count = self._write(lambda connection: connection.execute(_EXPIRE, (before, _BATCH)).rowcount, 0)
            deleted, more = deleted + count, count == _BATCH
        with suppress(OSError):
            if self.path is not None:
                sqlite_file.delete_strays(self._folder, self.path, seconds)
        return deleted

    def clear(self) -> int:
        """Delete all entries, and give their room on the disk back; return how many there were."""
        self._pending = {}
        deleted = self._write(lambda connection: connection.execute("DELETE FROM entry").rowcount, 0)
        self._shrink("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")
        return deleted

    def stats(self, *, count: bool = False) -> StoreStats:
        """Return what it has done and, with `count`, what it holds."""

        def counted(connection: sqlite3.Connection) -> tuple[int, int]:
            entries: int = connection.execute("SELECT count(*) FROM entry").fetchone()[0]
            return entries, _used(connection) if entries else 0

        entries, size = self._read(counted, (0, 0)) if count else (0, 0)
        tally = self._tally
        available = {self._reading.state, self._writing.state} == {BreakerState.CLOSED}
        return StoreStats(
            entries, size, tally.hits, tally.misses, tally.errors, tally.evictions, available, tally.fault
        )

    def close(self) -> None:
        """Note the last uses, and let go of the file."""
        if self._pending:
            self._write(self._note_uses, None)
        self._closed = True
        self._pool.close()

    # -- with a connection -----------------------------------------------------------------------------------

    def _found(self, connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, bytes]:
        now = self._clock()
        found: dict[str, bytes] = {}
        for key, data, written, used in connection.execute(_GET, (json.dumps(list(keys)),)):
            if not isinstance(written, float) or not now - self._ttl < written <= now + _AHEAD:
                continue
            if (value := unseal(key, data)) is None:
                self._tally.failed("damaged entry")
                continue
            found[key] = value
            fresh = isinstance(used, float) and now - self._stale < used <= now
            if not fresh and len(self._pending) < _PENDING:
                self._pending[key] = now
        return found

    def _note_uses(self, connection: sqlite3.Connection) -> None:
        uses, self._pending = self._pending, {}
        connection.executemany(_TOUCH, [(used, key, used) for key, used in list(uses.items())])

    def _make_room(self, connection: sqlite3.Connection, batch: int) -> None:
        while _used(connection) > self._size:
            dropped = connection.execute(_EVICT, (batch,)).rowcount
            if not dropped:
                break
            self._tally.evicted(dropped)

    def _shrink(self, pragmas: str) -> None:
        # Not `execute`, which gives back a single page.
        self._guarded(self._writing, lambda connection: connection.executescript(pragmas).close(), None)

    # -- and without raising ---------------------------------------------------------------------------------

    def _read(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        return self._guarded(self._reading, work, otherwise)

    def _write(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """Do `work` in a transaction, which is undone if it fails."""

        def transaction(connection: sqlite3.Connection) -> Result:
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits or rolls back
                return work(connection)

        # SQLite lets writers of one process wait by sleeping, too, which a lock does better.
        if not self._writer.acquire(timeout=self._busy):
            self._tally.failed("busy")
            return otherwise
        try:
            return self._guarded(self._writing, transaction, otherwise)
        finally:
            self._writer.release()

    def _guarded(
        self, breaker: Breaker, work: Callable[[sqlite3.Connection], Result], otherwise: Result
    ) -> Result:
        """Return what `work` returns, or `otherwise` where it failed or the disk is left alone."""
        if self._closed or not breaker.allows():
            return otherwise
        try:
            with self._pool.connection() as connection:
                result = work(connection)
        except (sqlite3.Error, OSError) as error:
            self._tally.failed(getattr(error, "sqlite_errorname", type(error).__name__))
            if sqlite_file.is_broken(error):
                logger.warning("a file of the cache in %s was broken; a new one is made", self._folder)
                breaker.succeeded()
            else:
                breaker.failed()
            return otherwise
        breaker.succeeded()
        return result

    def _told(self, before: BreakerState, now: BreakerState) -> None:
        if now is BreakerState.OPEN and before is BreakerState.CLOSED:
            logger.warning(
                "the cache in %s is left alone after failures (%s)", self._folder, self._tally.fault
            )
        elif now is BreakerState.CLOSED:
            logger.warning("the cache in %s is back", self._folder)


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _used(connection: sqlite3.Connection) -> int:
    """Return the bytes of the file that hold something."""
    pages = _number(connection, "page_count") - _number(connection, "freelist_count")
    return pages * _number(connection, "page_size")
