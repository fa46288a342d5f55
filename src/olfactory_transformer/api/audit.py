"""Writing the audit log beside the requests: in batches, from a bounded buffer, by a thread."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from olfactory_transformer.core.errors import DatabaseError
from olfactory_transformer.database.audit import AuditRow

logger = logging.getLogger(__name__)

_BATCH = 500  # rows in one transaction
_INTERVAL = 1.0  # seconds between transactions, unless a batch is full
_LONGEST_PAUSE = 30.0  # seconds without a try after the database failed
_NOTED = 60  # seconds between two notes that something was dropped, and of a key's last use
_STOP = 5.0  # seconds to write what is left
_ROOM = 2**20  # characters of one request's molecules


def asked_about(scope: MutableMapping[str, Any], molecules: Sequence[str]) -> None:
    """Note, for the audit log, which molecules a request asks about; a stream does so for each part.

    They are counted; their texts are kept only with AUDIT_MOLECULES, the first million characters of a request's.

    >>> scope = {"state": {}}
    >>> asked_about(scope, ["CCO", "CC"])
    >>> asked_about(scope, ["C"])
    >>> scope["state"]
    {'items': 3}
    """
    state = scope["state"]
    state["items"] = state.get("items", 0) + len(molecules)
    if not state.get("names_molecules"):
        return
    kept, room = state.setdefault("molecules", []), state.get("molecule_room", _ROOM)
    for text in molecules:
        room -= len(text)
        if room < 0:
            break
        kept.append(text)
    state["molecule_room"] = room


class AuditLog:
    """Takes rows without blocking, and writes them soon after. Thread-safe.

    While the database is away rows wait, up to `most` of them and `most_characters` of molecules; beyond, the oldest
    are dropped, which is counted and logged. Requests that the gate refused are put together when they are alike (who,
    route and status), and at most `most_refused` different ones wait: whoever knocks a thousand times a second makes
    one row a second, and cannot push out what others did.

    Parameters
    ----------
    add : callable
        Writes rows, blocking; raises DatabaseError.
    used : callable
        Notes when keys were last used, blocking; raises DatabaseError.
    most, most_refused : int
        Rows that wait.
    most_characters : int
        Of the molecules of the rows that wait.

    Examples
    --------
    >>> from datetime import UTC
    >>> written = []
    >>> log = AuditLog(written.extend, lambda moments: None)
    >>> log.start()
    >>> log.record(AuditRow(datetime.now(UTC), "abcd1234", "x", None, "GET", "/v1/words", 200))
    >>> log.stop()
    >>> [row.route for row in written]
    ['/v1/words']
    """

    def __init__(
        self,
        add: Callable[[Sequence[AuditRow]], None],
        used: Callable[[Mapping[str, datetime]], None],
        *,
        most: int = 10_000,
        most_refused: int = 1_000,
        most_characters: int = 64 * 2**20,
    ) -> None:
        self._add, self._used = add, used
        self._most, self._most_refused, self._most_characters = most, most_refused, most_characters
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._rows: deque[AuditRow] = deque()
        self._characters = 0
        self._refused: dict[Hashable, AuditRow] = {}
        self._dropped, self._told, self._told_at = 0, 0, 0.0
        self._last_used: dict[str, datetime] = {}
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """How many requests were not recorded."""
        return self._dropped

    def record(self, row: AuditRow, *, refused: bool = False) -> None:
        """Take a row; `refused` if the gate did not let the request through."""
        with self._lock:
            if refused:
                self._put_together(row)
                return
            self._rows.append(row)
            self._characters += _characters(row)
            self._trim()
            if len(self._rows) >= _BATCH:
                self._wake.set()

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = _STOP) -> None:
        """Write what is left, for at most so long, and end; a second time does nothing."""
        if self._thread is None:
            return
        self._stopping = True
        self._wake.set()
        self._thread.join(seconds)
        self._thread = None
        left = len(self._rows) + len(self._refused)
        if left:
            logger.error("audit log: rows that could not be written before the end: %d", left)

    def _put_together(self, row: AuditRow) -> None:
        alike = (row.key_id, row.address, row.method, row.route, row.status)
        before = self._refused.get(alike)
        if before is not None:
            self._refused[alike] = replace(before, times=before.times + row.times)
        elif len(self._refused) < self._most_refused:
            self._refused[alike] = row
        else:
            self._dropped += row.times

    def _trim(self) -> None:
        while len(self._rows) > self._most or self._characters > self._most_characters:
            oldest = self._rows.popleft()
            self._characters -= _characters(oldest)
            self._dropped += oldest.times

    def _run(self) -> None:
        pause = _INTERVAL
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            try:
                while self._write_batch():
                    pass
                pause = _INTERVAL
            except DatabaseError as error:
                logger.debug("audit log: %s", error)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Exception:
                # A row that cannot be written must not end the log; it was dropped with its batch.
                logger.exception("audit log: a batch was dropped")
            self._tell()
            if self._stopping:
                return

    def _write_batch(self) -> bool:
        """Write some rows, and tell whether more than a few are left."""
        with self._lock:
            batch = [self._rows.popleft() for _ in range(min(len(self._rows), _BATCH))]
            self._characters -= sum(map(_characters, batch))
            refused, self._refused = list(self._refused.values()), {}
        if not batch and not refused:
            return False
        try:
            self._add([*batch, *refused])
        except DatabaseError:
            with self._lock:
                self._rows.extendleft(reversed(batch))
                self._characters += sum(map(_characters, batch))
                self._trim()
                for row in refused:
                    self._put_together(row)
            raise
        except Exception:
            self._dropped += sum(row.times for row in (*batch, *refused))
            raise
        self._note_use(batch)
        return len(self._rows) >= _BATCH or (self._stopping and bool(self._rows))

    def _note_use(self, batch: Sequence[AuditRow]) -> None:
        """Note the last use of the batch's keys, of each at most once a minute."""
        moments: dict[str, datetime] = {}
        for row in batch:
            if row.key_id is not None:
                last = self._last_used.get(row.key_id)
                if last is None or row.at - last >= timedelta(seconds=_NOTED):
                    moments[row.key_id] = row.at
        if moments:
            self._used(moments)
            self._last_used |= moments

    def _tell(self) -> None:
        if self._dropped > self._told and time.monotonic() - self._told_at >= _NOTED:
            count = self._dropped - self._told
            logger.error("audit log: %d requests were not recorded, as the database did not keep up", count)
            self._told, self._told_at = self._dropped, time.monotonic()


def _characters(row: AuditRow) -> int:
    return sum(map(len, row.molecules)) if row.molecules else 0
