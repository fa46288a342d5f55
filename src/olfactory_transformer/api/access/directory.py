"""The database's keys, looked up seldom: remembered for seconds, and for a minute when the database is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from olfactory_transformer.api.access.caller import Caller
from olfactory_transformer.api.access.threads import Threads
from olfactory_transformer.core.errors import DatabaseError
from olfactory_transformer.database.keys import KeyRecord
from olfactory_transformer.utils.breaker import Breaker, BreakerState

logger = logging.getLogger(__name__)

FRESH = 5.0  # seconds that a look-up is relied on: a revoked key works for at most so long
AHEAD = 2.5  # seconds after which it is made anew beside the request, so that hardly any request waits for it
GRACE = 60.0  # seconds that a key goes on to work while the database is away
_SECONDS = 2.0  # for one look-up
_MOST = 10_000  # keys remembered; and as many ids that are no key's
_WAITING = 64  # look-ups of ids not seen before, at a time


@dataclass(frozen=True, slots=True)
class Known:
    """A key as it was at its last look-up.

    Parameters
    ----------
    record : KeyRecord
    caller : Caller
        Whoever holds it.
    checked : float
        When the look-up began, by the directory's clock.
    """

    record: KeyRecord
    caller: Caller
    checked: float


class KeyDirectory:
    """Finds keys by id without making the event loop or the database suffer.

    Memory is bounded, ids that are no key's are remembered apart so that they cannot push out real ones, each key is
    looked up once at a time however many requests have it, and a database that does not answer is left alone for a
    while.

    Parameters
    ----------
    find : callable
        From an id to its record or None, blocking; raises DatabaseError.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self, find: Callable[[str], KeyRecord | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._find, self._clock = find, clock
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._unknown: TTLCache[str, bool] = TTLCache(_MOST, FRESH, clock)
        self._running: dict[str, asyncio.Task[bool]] = {}
        self._threads = Threads(4)
        self._breaker = Breaker(failures=1, pause=1.0, longest=5.0, clock=clock, changed=_told)

    @property
    def breaker(self) -> Breaker:
        """Tells whether the database is being left alone."""
        return self._breaker

    def remembers(self, key_id: str) -> bool:
        """Tell whether a look-up of this id costs the database nothing, or is of a key that exists."""
        return key_id in self._known or key_id in self._unknown

    async def find(self, key_id: str) -> Known | None:
        """Return a key, None if there is none with this id.

        Raises
        ------
        DatabaseError
            The database does not answer, and the key was not seen within the grace.
        """
        known = self._known.get(key_id)
        if known is None:
            if key_id in self._unknown:
                return None
            if len(self._running) >= _WAITING and key_id not in self._running:
                raise DatabaseError("too many keys are being looked up")
            if not await self._looked_up(key_id):
                raise DatabaseError("the database of keys does not answer")
            return self._known.get(key_id)
        age = self._clock() - known.checked
        if age < AHEAD:
            return known
        if age < FRESH:
            self._look_up(key_id)
            return known
        if not await self._looked_up(key_id) and self._clock() - known.checked >= GRACE:
            raise DatabaseError("the database of keys does not answer")
        return self._known.get(key_id)

    async def _looked_up(self, key_id: str) -> bool:
        """Look up, and tell whether that went well."""
        task = self._look_up(key_id)
        # The look-up is others' too: it goes on when this request's client has gone.
        return await asyncio.shield(task) if task else False

    def _look_up(self, key_id: str) -> asyncio.Task[bool] | None:
        """Begin a look-up, or join the one under way; None while the database is left alone."""
        task = self._running.get(key_id)
        if task is None:
            if not self._breaker.allows():
                return None
            task = asyncio.create_task(self._load(key_id))
            self._running[key_id] = task
            task.add_done_callback(lambda _: self._running.pop(key_id, None))
        return task

    async def _load(self, key_id: str) -> bool:
        began = self._clock()
        try:
            record = await self._threads.call(lambda: self._find(key_id), _SECONDS)
        except (DatabaseError, TimeoutError) as error:
            logger.debug("looking up a key: %s", error)
            self._breaker.failed()
            return False
        self._breaker.succeeded()
        if record is None:
            self._known.pop(key_id, None)
            self._unknown[key_id] = True
            return True
        caller = Caller(record.id, record.name, record.scopes, record.limit_per_minute)
        self._known[key_id] = Known(record, caller, began)
        self._known.move_to_end(key_id)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return True


def _told(_: BreakerState, state: BreakerState) -> None:
    if state is BreakerState.OPEN:
        logger.warning("the database of keys does not answer; known keys work for %.0f s more", GRACE)
    elif state is BreakerState.CLOSED:
        logger.info("the database of keys answers again")
