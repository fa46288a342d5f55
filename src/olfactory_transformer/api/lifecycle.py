"""Where the server stands between its start and its end, and which of its parts do without something.

    serving ──drain()──▶ draining ──close()──▶ closing ──▶ the process ends
                 SIGTERM     SHUTDOWN_DELAY      what was accepted finishes, for SHUTDOWN_TIMEOUT

The probes, the streams and the server itself share one `Lifecycle`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Lifecycle:
    """The stage of one server. Only the server changes it; all others look.

    Examples
    --------
    >>> lifecycle = Lifecycle()
    >>> lifecycle.draining, lifecycle.closing
    (False, False)
    >>> lifecycle.close()
    >>> lifecycle.draining, lifecycle.closing
    (True, True)
    """

    def __init__(self) -> None:
        self._draining, self._closing, self._forced = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._streams_end = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether the server has been told to stop; it still takes work unless it is closing, too."""
        return self._draining.is_set()

    @property
    def closing(self) -> bool:
        """Whether connections are no longer accepted."""
        return self._closing.is_set()

    @property
    def forced(self) -> bool:
        """Whether to end at once, whatever is in progress."""
        return self._forced.is_set()

    def drain(self) -> None:
        """Say that the server is to stop: `/ready` is 503 from now on."""
        self._draining.set()

    def close(self) -> None:
        """Say that connections are no longer accepted."""
        self._draining.set()
        self._closing.set()

    def force(self) -> None:
        """Say that the process ends at once."""
        self.close()
        self._streams_end.set()
        self._forced.set()

    def end_streams(self) -> None:
        """Tell the streams in progress to end, as those who send them may never."""
        self._streams_end.set()

    async def until_draining(self) -> None:
        """Wait for `drain`."""
        await self._draining.wait()

    async def until_closing(self) -> None:
        """Wait for `close`."""
        await self._closing.wait()

    async def until_streams_end(self) -> None:
        """Wait for `end_streams`."""
        await self._streams_end.wait()


class Parts:
    """What the server can do without, such as Redis, and whether it has it now.

    Examples
    --------
    >>> parts = Parts()
    >>> parts.watch("redis", lambda: False)
    >>> parts.degraded()
    ['redis']
    """

    def __init__(self) -> None:
        self._watched: list[tuple[str, Callable[[], bool]]] = []

    def watch(self, part: str, available: Callable[[], bool]) -> None:
        """Ask `available`, which must not block, whether `part` is there; a part may be watched in several places."""
        self._watched.append((part, available))

    def degraded(self) -> list[str]:
        """Return the parts that are away."""
        return sorted({part for part, available in self._watched if not available()})
