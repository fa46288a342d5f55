"""Waiting no longer than there is somebody, or time, to wait for.

Most of what is awaited is there already: a body that came with its headers, a prediction from the cache. Its first step
is therefore taken before anything is set up for the case that it has to be waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

from starlette.requests import ClientDisconnect
from starlette.types import Receive

Result = TypeVar("Result")
# Most answers are there sooner, and watching costs a task: only what takes longer is watched.
_GRACE = 0.02  # seconds


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` gives, or cancel it when the client hangs up.

    The request's body must have been read to its end: what `receive` gives is thrown away.

    Parameters
    ----------
    receive : ASGI receive
    work : coroutine
        Cancelled when the client leaves.

    Raises
    ------
    ClientDisconnect
        The client has left.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        return cast(Result, done.value)
    loop = asyncio.get_running_loop()
    watcher: asyncio.Task[None] | None = None
    limit = asyncio.timeout(
        None
    )  # no time limit: a way to cancel this task alone, and to know that it was us

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        limit.reschedule(loop.time())

    def begin() -> None:
        nonlocal watcher
        watcher = loop.create_task(watch())

    timer = loop.call_later(_GRACE, begin)
    try:
        async with limit:
            return await _Rest(work, waits_for)
    except TimeoutError:
        if not limit.expired():
            raise
        raise ClientDisconnect from None
    finally:
        timer.cancel()
        if watcher is not None:
            watcher.cancel()


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` gives, or cancel it when the time is over; as `asyncio.timeout`, but cheap for what is there.

    Raises
    ------
    TimeoutError
        It took longer.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        return cast(Result, done.value)
    async with asyncio.timeout(seconds):
        return await _Rest(work, waits_for)


class _Rest(Generic[Result]):
    """What is left of a coroutine whose first step was taken, and who waits now for `waits_for`."""

    __slots__ = ("_waits_for", "_work")

    def __init__(self, work: Coroutine[Any, Any, Result], waits_for: Any) -> None:
        self._work, self._waits_for = work, waits_for

    def __await__(self) -> Generator[Any, Any, Result]:
        try:
            while True:
                try:
                    sent = yield self._waits_for
                except BaseException as error:  # such as CancelledError: it is for the coroutine to handle
                    self._waits_for = self._work.throw(error)
                else:
                    self._waits_for = self._work.send(sent)
        except StopIteration as done:
            return cast(Result, done.value)
