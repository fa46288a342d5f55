"""The smells that users of this server have taught, in its database: looked up seldom, and never on the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from olfactory_transformer.api.access.access import Access
from olfactory_transformer.api.access.threads import Threads
from olfactory_transformer.core.errors import DatabaseError, FileFormatError, UnknownSmell
from olfactory_transformer.database.enrolments import EnrolmentRecord, EnrolmentStore
from olfactory_transformer.inference.nose.enrolment import Enrolled, from_bytes, to_bytes

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

FRESH = 10.0  # seconds that a look-up is relied on
_SECONDS = 5.0  # for one call


class Smells:
    """What was taught.

    Parameters
    ----------
    access : Access
        Whose database has it.
    """

    def __init__(self, access: Access) -> None:
        self._access, self._threads = access, Threads(2)
        self._known: tuple[Enrolled, ...] = ()
        self._looked, self._away = -FRESH, False
        self.changing = asyncio.Lock()  # what is there is read, added to, and written

    async def fresh(self) -> tuple[Enrolled, ...]:
        """Return all that was taught; what was last known while the database is away, which is logged."""
        if time.monotonic() - self._looked >= FRESH:
            self._looked = time.monotonic()
            try:
                self._known = await self._call(self.read)
                self._away = False
            except DatabaseError as error:
                if not self._away:
                    logger.warning("what was taught cannot be read: %s", error)
                self._away = True
        return self._known

    def read(self) -> tuple[Enrolled, ...]:
        """Return all that was taught, from the database; blocks.

        Raises
        ------
        DatabaseError
            It does not answer.
        """
        return tuple(smell for record in self._records() if (smell := smell_of(record)) is not None)

    async def records(self) -> tuple[EnrolmentRecord, ...]:
        """Return what is kept of all; DatabaseError if it cannot be read."""
        return await self._call(self._records)

    async def get(self, name: str) -> EnrolmentRecord:
        """Return what is kept of one; UnknownSmell if nothing is."""
        for record in await self.records():
            if record.name == name:
                return record
        raise UnknownSmell(f"no smell {name!a} was taught")

    async def save(self, smell: Enrolled, notes: str | None = None) -> EnrolmentRecord:
        """Keep a smell, in place of what was kept under its name."""

        def work() -> EnrolmentRecord:
            self._access.prepare()
            return EnrolmentStore(self._access.database).save(
                smell.name,
                to_bytes(smell),
                model_version=smell.model_version,
                recordings=smell.recordings,
                sensor_id=smell.sensor_id,
                notes=notes,
            )

        return await self._changed(work)

    async def forget(self, name: str) -> EnrolmentRecord:
        """Delete a smell, and return what was kept; UnknownSmell if nothing was."""
        await self.get(name)
        return await self._changed(lambda: EnrolmentStore(self._access.database).forget(name))

    def _records(self) -> tuple[EnrolmentRecord, ...]:
        return EnrolmentStore(self._access.database).list() if self._access.may_read() else ()

    async def _changed(self, work: Callable[[], Result]) -> Result:
        try:
            return await self._call(work)
        finally:
            self._looked = -FRESH

    async def _call(self, work: Callable[[], Result]) -> Result:
        try:
            return await self._threads.call(work, _SECONDS)
        except TimeoutError:
            raise DatabaseError("the database does not answer") from None


def smell_of(record: EnrolmentRecord) -> Enrolled | None:
    """Return the smell of a record; None for one that this version cannot read, which is logged."""
    try:
        return from_bytes(record.content, record.name)
    except FileFormatError as error:
        logger.warning("a smell that was taught cannot be read: %s", error)
        return None
