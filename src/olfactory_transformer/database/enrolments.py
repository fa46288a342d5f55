"""The smells that users have taught: kept, listed, forgotten. What a smell's bytes mean is not known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from olfactory_transformer.core.errors import UnknownSmell, shown
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.models import MAX_NAME, MAX_SENSOR, Enrolment


@dataclass(frozen=True, slots=True)
class EnrolmentRecord:
    """What is kept of one smell.

    Parameters
    ----------
    name : str
    model_version : str
        Of the model to which it was taught.
    recordings : int
        From how many recordings.
    content : bytes
        What `inference.nose.enrolment.to_bytes` gave.
    created : datetime
        In UTC; when it was last taught.
    sensor_id : str or None
        Of the board, if the smell is that board's alone.
    notes : str or None
    """

    name: str
    model_version: str
    recordings: int
    content: bytes
    created: datetime
    sensor_id: str | None = None
    notes: str | None = None


class EnrolmentStore:
    """The taught smells in a database whose tables are there (see `upgrade`). Thread-safe; its methods block.

    A name is there once. All methods raise DatabaseError when the database cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from olfactory_transformer.database.upgrade import upgrade
    >>> folder = tempfile.TemporaryDirectory()
    >>> database = Database(f"sqlite:///{folder.name}/keys.db")
    >>> upgrade(database)
    >>> store = EnrolmentStore(database)
    >>> record = store.save("coffee", b"...", model_version="nose@1", recordings=3)
    >>> [each.name for each in store.list()]
    ['coffee']
    >>> store.forget("coffee").recordings
    3
    >>> folder.cleanup()
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        name: str,
        content: bytes,
        *,
        model_version: str,
        recordings: int,
        sensor_id: str | None = None,
        notes: str | None = None,
    ) -> EnrolmentRecord:
        """Keep a smell, in place of one of the same name.

        Raises
        ------
        ValueError
            A name is empty or too long for its column.
        """
        record = EnrolmentRecord(
            name, model_version, recordings, content, datetime.now(UTC), sensor_id, notes
        )
        self.save_all([record])
        return record

    def save_all(self, records: Sequence[EnrolmentRecord]) -> None:
        """Keep smells, in place of those of the same names: all of them, or none.

        Raises
        ------
        ValueError
            A name is empty or too long for its column.
        """
        for each in records:
            for what, text, most in (
                ("name", each.name, MAX_NAME),
                ("sensor_id", each.sensor_id, MAX_SENSOR),
            ):
                if text is not None and not 0 < len(text) <= most:
                    raise ValueError(f"{what}: got {shown(text)}, expected 1 to {most} characters")
        with self._database.writing() as session:
            for each in records:
                session.execute(sa.delete(Enrolment).where(Enrolment.name == each.name))
                session.add(
                    Enrolment(
                        name=each.name,
                        model_version=each.model_version,
                        sensor_id=each.sensor_id,
                        recordings=each.recordings,
                        prototypes=each.content,
                        created=each.created,
                        notes=each.notes,
                    )
                )

    def list(self) -> tuple[EnrolmentRecord, ...]:
        """Return all smells, by name."""
        if self._database.is_absent:
            return ()
        with self._database.reading() as session:
            rows = session.scalars(sa.select(Enrolment).order_by(Enrolment.name, Enrolment.id))
            # Two servers that taught one name in the same moment have left two rows: the later counts.
            return tuple({row.name: _record(row) for row in rows}.values())

    def get(self, name: str) -> EnrolmentRecord:
        """Return one smell.

        Raises
        ------
        UnknownSmell
            Nothing of this name was taught.
        """
        for record in self.list():
            if record.name == name:
                return record
        raise UnknownSmell(f"no smell {shown(name)} was taught")

    def forget(self, name: str) -> EnrolmentRecord:
        """Delete a smell for good, and return what was kept of it.

        Raises
        ------
        UnknownSmell
            Nothing of this name was taught.
        """
        record = self.get(name)
        with self._database.writing() as session:
            session.execute(sa.delete(Enrolment).where(Enrolment.name == name))
        return record


def _record(row: Enrolment) -> EnrolmentRecord:
    return EnrolmentRecord(
        name=row.name,
        model_version=row.model_version,
        recordings=row.recordings,
        content=bytes(row.prototypes),
        created=row.created,
        sensor_id=row.sensor_id,
        notes=row.notes,
    )
