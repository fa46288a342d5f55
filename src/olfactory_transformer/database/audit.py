"""The audit log: who asked what, when, how much, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.models import AuditEntry

_AT_ONCE = 5000  # rows in one transaction of a deletion, so that nobody who writes waits long


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One request, or several refused alike within a moment.

    Parameters
    ----------
    at : datetime
        When it came, in UTC; of several, the first.
    key_id, name : str or None
        Of the key; None without one.
    address : str or None
        Where it came from.
    method, route : str
        The route's template, such as `/v1/molecules/{smiles}/image`; of a refused request, `/v1/*` and the like.
    status : int
        Of the reply; 499 if the client had gone.
    items : int or None
        Molecules it asked about; None where that cannot be said.
    times : int
        How many requests these are.
    request_id : str
        Of several, of the first.
    molecules : tuple of str or None
        What it asked about; None unless AUDIT_MOLECULES is on.
    """

    at: datetime
    key_id: str | None
    name: str | None
    address: str | None
    method: str
    route: str
    status: int
    items: int | None = None
    times: int = 1
    request_id: str = ""
    molecules: tuple[str, ...] | None = None


class AuditStore:
    """The log in a database whose tables are there (see `upgrade`). Thread-safe; its methods block.

    All raise DatabaseError when the database cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from olfactory_transformer.database.upgrade import upgrade
    >>> folder = tempfile.TemporaryDirectory()
    >>> database = Database(f"sqlite:///{folder.name}/keys.db")
    >>> upgrade(database)
    >>> store = AuditStore(database)
    >>> row = AuditRow(datetime.now(UTC), "abcd1234", "perfumer", None, "POST", "/v1/predict", 200, items=3)
    >>> store.add([row])
    >>> [found.items for found in store.newest()]
    [3]
    >>> folder.cleanup()
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, rows: Sequence[AuditRow]) -> None:
        """Write rows, all of them or none."""
        with self._database.writing() as session:
            session.execute(sa.insert(AuditEntry), [_values(row) for row in rows])

    def newest(
        self, limit: int | None = None, *, key_id: str | None = None, since: datetime | None = None
    ) -> Iterator[AuditRow]:
        """Yield rows, the newest first, read in parts.

        Parameters
        ----------
        limit : int or None
            At most so many; None: all.
        key_id : str or None
            Only of this key.
        since : datetime or None
            Only from this moment on.
        """
        if self._database.is_absent:
            return
        query = sa.select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(limit)
        if key_id is not None:
            query = query.where(AuditEntry.key_id == key_id)
        if since is not None:
            query = query.where(AuditEntry.at >= since)
        with self._database.reading() as session:
            for entry in session.scalars(query.execution_options(yield_per=500)):
                yield _row(entry)

    def prune(self, days: float) -> int:
        """Delete rows older than `days`; return how many."""
        if self._database.is_absent:
            return 0
        before, deleted = datetime.now(UTC) - timedelta(days=days), 0
        old = sa.select(AuditEntry.id).where(AuditEntry.at < before).limit(_AT_ONCE)
        while True:
            with self._database.writing() as session:
                ids = session.scalars(old).all()
                session.execute(sa.delete(AuditEntry).where(AuditEntry.id.in_(ids)))
            deleted += len(ids)
            if len(ids) < _AT_ONCE:
                return deleted


def _values(row: AuditRow) -> dict[str, object]:
    return {
        "at": row.at,
        "key_id": row.key_id,
        "name": row.name,
        "address": row.address,
        "method": row.method,
        "route": row.route,
        "status": row.status,
        "items": row.items,
        "times": row.times,
        "request_id": row.request_id,
        # ASCII: what clients send may have characters that no database takes, such as U+0000, which JSON escapes.
        "molecules": None if row.molecules is None else json.dumps(row.molecules),
    }


def _row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        at=entry.at,
        key_id=entry.key_id,
        name=entry.name,
        address=entry.address,
        method=entry.method,
        route=entry.route,
        status=entry.status,
        items=entry.items,
        times=entry.times,
        request_id=entry.request_id,
        molecules=None if entry.molecules is None else tuple(json.loads(entry.molecules)),
    )
