"""The calibrations in the server's database: looked up seldom, written at once, and never on the event loop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from cachetools import TTLCache

from olfactory_transformer.api.access.access import Access
from olfactory_transformer.api.access.threads import Threads
from olfactory_transformer.core.errors import CalibrationError, DatabaseError
from olfactory_transformer.database.calibrations import CalibrationRecord, CalibrationStore
from olfactory_transformer.sensors.calibration.value import Calibration

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

FRESH = 10.0  # seconds that a look-up is relied on
_SECONDS = 5.0  # for one call
_MOST = 1000  # sensors remembered


class Calibrations:
    """The calibrations of a server.

    Parameters
    ----------
    access : Access
        Whose database has them.
    """

    def __init__(self, access: Access) -> None:
        self._access, self._threads = access, Threads(4)
        self._known: TTLCache[str, Calibration | Calibrations | None] = TTLCache(_MOST, FRESH, time.monotonic)
        self._away = False

    async def of(self, sensor: str | None) -> Calibration | None:
        """Return a sensor's calibration; None if it has none, or the database is away, which is logged."""
        if sensor is None:
            return None
        known = self._known.get(sensor, self)  # itself: not known
        if not isinstance(known, Calibrations):
            return known
        try:
            found = await self._threads.call(lambda: self.read(sensor), _SECONDS)
        except (DatabaseError, TimeoutError) as error:
            self._tell(error)
            return None
        self._known[sensor], self._away = found, False
        return found

    def read(self, sensor: str) -> Calibration | None:
        """Return a sensor's calibration from the database; blocks.

        Raises
        ------
        DatabaseError
            It does not answer.
        """
        if not self._access.may_read():
            return None
        record = CalibrationStore(self._access.database).current(sensor)
        return calibration_of(record) if record else None

    async def ask(self, call: Callable[[CalibrationStore], Result]) -> Result | None:
        """Return what `call` reads from the store, None where there is no database.

        Raises
        ------
        DatabaseError
            It does not answer.
        """

        def work() -> Result | None:
            return call(CalibrationStore(self._access.database)) if self._access.may_read() else None

        return await self._call(work)

    async def change(self, sensor: str, call: Callable[[CalibrationStore], Result]) -> Result:
        """Have `call` write to the store, of which the database is made if there is none.

        Raises
        ------
        DatabaseError
            It does not answer.
        """

        def work() -> Result:
            self._access.prepare()
            return call(CalibrationStore(self._access.database))

        try:
            return await self._call(work)
        finally:
            self._known.pop(sensor, None)

    async def _call(self, work: Callable[[], Result]) -> Result:
        try:
            return await self._threads.call(work, _SECONDS)
        except TimeoutError:
            raise DatabaseError("the database does not answer") from None

    def _tell(self, error: Exception) -> None:
        if not self._away:
            logger.warning("calibrations cannot be read; sensors count as uncalibrated: %s", error)
        self._away = True


def calibration_of(record: CalibrationRecord) -> Calibration | None:
    """Return the calibration of a record; None for one that this version cannot read, which is logged."""
    try:
        return Calibration.from_dict(record.content)
    except CalibrationError as error:
        logger.warning("calibration %d cannot be read: %s", record.id, error)
        return None
