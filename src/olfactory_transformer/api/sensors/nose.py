"""The model of sensors in the server: loaded when first needed, run beside the event loop, from a bounded line."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.sensors.naming import Naming
from olfactory_transformer.core.errors import DeadlineExceeded, EngineBusy, MissingExtra, ModelError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

THREADS = 2  # a run of the network takes milliseconds, and uses threads of its own
MOST_WAITING = 64
_PAUSE = 5.0  # seconds before a model that could not be loaded is tried again


class Nose:
    """Runs what needs the model, few at a time and in the order of asking. Thread-safe.

    Parameters
    ----------
    load : callable
        Loads the model; blocks.
    seconds : float
        In which an answer must be there, waiting included.
    most_waiting : int
        Beyond the one in each thread; more are refused.
    """

    def __init__(
        self, load: Callable[[], Naming], *, seconds: float = 30.0, most_waiting: int = MOST_WAITING
    ) -> None:
        self._load, self._seconds, self._most = load, seconds, most_waiting + THREADS
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="nose")
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._asked = 0
        self._naming: Naming | None = None
        self._failed: tuple[float, str] | None = None

    @property
    def naming(self) -> Naming | None:
        """The model, or None while it was not needed yet."""
        return self._naming

    @property
    def failed(self) -> bool:
        """Whether the model could not be loaded when that was last tried."""
        return self._failed is not None

    def get(self) -> Naming:
        """Return the model, loaded if it is not yet; blocks.

        Raises
        ------
        ApiError
            nose-failed: it cannot be used. It is tried again after some seconds.
        """
        with self._loading:
            if self._naming is not None:
                return self._naming
            if self._failed is None or time.monotonic() >= self._failed[0]:
                try:
                    self._naming, self._failed = self._load(), None
                    return self._naming
                except (ModelError, MissingExtra) as error:
                    logger.error("NOSE_MODEL_PATH: %s", error)
                    self._failed = time.monotonic() + _PAUSE, _reason(error)
            detail = f"NOSE_MODEL_PATH: {self._failed[1]} The log has more"
            raise ApiError("nose-failed", detail, retry_after=_PAUSE)

    async def run(self, work: Callable[[Naming], Result]) -> Result:
        """Return what `work` returns, or raise what it raises. Its thread cannot be stopped: it must be short.

        Raises
        ------
        EngineBusy
            Too many wait.
        DeadlineExceeded
            It was not done in time.
        ApiError
            nose-failed.
        """
        with self._lock:
            if self._asked >= self._most:
                raise EngineBusy("queue-full")
            self._asked += 1
        try:
            future = self._threads.submit(lambda: work(self.get()))
        except RuntimeError:  # it was closed
            self._done(None)
            raise EngineBusy("draining") from None
        future.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise DeadlineExceeded("the model of sensors gave no answer in time") from None

    def close(self) -> None:
        """Take no more, and let go of what waits."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _done(self, _: Future[Result] | None) -> None:
        with self._lock:
            self._asked -= 1


def _reason(error: Exception) -> str:
    """Return a sentence: what kind of error it is, as its own text has paths of the server.

    >>> _reason(ModelError("/srv/models/nose/config.json: missing"))
    'A model folder that cannot be used.'
    """
    return (type(error).__doc__ or "").strip().splitlines()[0]
