"""Calls that block, made beside the event loop for a limited time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class Threads:
    """Makes each call in a thread of its own, a limited number at a time.

    The threads are daemons: a database that never answers does not keep the process from ending. A call that nobody
    waits for any more counts until it is done.

    Parameters
    ----------
    most : int
        Calls at a time; more wait.

    Examples
    --------
    >>> asyncio.run(Threads(2).call(lambda: 1 + 1, seconds=10))
    2
    """

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def call(self, function: Callable[[], Result], seconds: float) -> Result:
        """Return what `function` returns, or raise what it raises; TimeoutError if that takes longer."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds):
            await self._free.acquire()
            answer: asyncio.Future[Result] = loop.create_future()

            def done(result: Result | None, error: BaseException | None) -> None:
                self._free.release()
                if answer.done():
                    return
                if error is None:
                    answer.set_result(result)  # type: ignore[arg-type]
                else:
                    answer.set_exception(error)

            def work() -> None:
                result, failed = None, None
                try:
                    result = function()
                except BaseException as error:
                    failed = error
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                    loop.call_soon_threadsafe(done, result, failed)

            threading.Thread(target=work, name="database", daemon=True).start()
            return await answer
