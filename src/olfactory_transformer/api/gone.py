"""Stopping work whose client has left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

Result = TypeVar("Result")
# Most answers are there sooner, and watching costs a task: only what takes longer is watched.
_GRACE = 0.02  # seconds


async def unless_gone(receive: Receive, work: Awaitable[Result]) -> Result:
    """Return what `work` gives, or cancel it when the client hangs up.

    The request's body must have been read to its end: what `receive` gives is thrown away.

    Parameters
    ----------
    receive : ASGI receive
    work : awaitable
        Cancelled when the client leaves.

    Raises
    ------
    ClientDisconnect
        The client has left.
    """
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
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise ClientDisconnect from None
    finally:
        timer.cancel()
        if watcher is not None:
            watcher.cancel()
