"""The two ways to load a server: open loop, on a schedule, and closed loop, as fast as it answers."""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np

from benchmarks.load.asks import Ask
from benchmarks.load.client import Connection
from benchmarks.load.clock import Alarm
from benchmarks.load.results import Records, Result

Arrivals = Literal["poisson", "constant"]
Address = tuple[str, int]
Inspect = Callable[[Ask, int, bytes], None]
_SWEEP = 0.1  # seconds between looks for requests that took too long


def schedule(rate: float, seconds: float, arrivals: Arrivals, seed: int) -> list[float]:
    """Return when requests are due, in seconds from the start.

    Parameters
    ----------
    rate : float
        Requests a second.
    seconds : float
    arrivals : "poisson" or "constant"
        Poisson is what many clients who know nothing of each other make.
    seed : int

    Examples
    --------
    >>> schedule(2, 2, "constant", 0)
    [0.0, 0.5, 1.0, 1.5]
    """
    if arrivals == "constant":
        return [i / rate for i in range(math.ceil(rate * seconds))]
    generator = np.random.default_rng(seed)
    spare = int(rate * seconds + 6 * math.sqrt(rate * seconds) + 16)
    times = np.cumsum(generator.exponential(1 / rate, spare))
    return [float(t) for t in times[times < seconds]]


class Pool:
    """Up to so many connections to one address, and the requests that wait for one.

    Parameters
    ----------
    address : (host, port)
    connections : int
    timeout : float
        Seconds after which a request is given up, counted from when it was due.
    inspect : callable or None
        Given each request with status and body of its reply.
    """

    def __init__(
        self, address: Address, connections: int, timeout: float, inspect: Inspect | None = None
    ) -> None:
        self.records = Records()
        self.refill: Callable[[float], tuple[Ask, float] | None] = lambda _: None
        self._address, self._most, self._timeout, self._inspect = address, connections, timeout, inspect
        self._free: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[Ask, float]] = deque()

    async def fill(self) -> None:
        """Open all connections, so that no request pays for it."""
        for _ in range(self._most):
            await self._connect()
        if not self._all:
            raise ConnectionError(f"nothing listens on {self._address}")

    def send(self, ask: Ask, due: float) -> None:
        """Send a request by a free connection, or by the next one that becomes free."""
        while self._free:
            connection = self._free.popleft()
            if connection.open:
                connection.send(ask, due, time.monotonic())
                return
        self._waiting.append((ask, due))
        if len(self._all) + len(self._opening) < self._most:
            task = asyncio.ensure_future(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    @property
    def idle(self) -> bool:
        """Whether every request has come to its end."""
        return not self._waiting and not any(c.ask for c in self._all)

    async def sweep(self) -> None:
        """Give up what takes too long, for as long as this runs."""
        while True:
            await asyncio.sleep(_SWEEP)
            oldest = time.monotonic() - self._timeout
            for connection in list(self._all):
                if connection.ask is not None and connection.due < oldest:
                    self._end(connection, "timeout")
                    connection.close()
            while self._waiting and self._waiting[0][1] < oldest:
                self._never(*self._waiting.popleft(), "timeout")

    async def close(self) -> None:
        """Cut all connections."""
        for task in list(self._opening):
            task.cancel()
        for connection in list(self._all):
            connection.close()
        await asyncio.sleep(0)

    async def _connect(self) -> None:
        connection = Connection(self._replied, self._lost, keep=self._inspect is not None)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.get_running_loop().create_connection(lambda: connection, *self._address)
        except OSError as error:
            kind = "timeout" if isinstance(error, TimeoutError) else "refused"
            # Where nobody listens, nobody who waits for a connection would have got one.
            for _ in range(len(self._waiting) if not self._all else min(1, len(self._waiting))):
                self._never(*self._waiting.popleft(), kind)
            return
        self._all.add(connection)
        self._next(connection)

    def _next(self, connection: Connection) -> None:
        now = time.monotonic()
        wanted = self._waiting.popleft() if self._waiting else self.refill(now)
        if wanted is None:
            self._free.append(connection)
        else:
            connection.send(*wanted, now)

    def _replied(self, connection: Connection, status: int) -> None:
        if self._inspect is not None and connection.ask is not None:
            self._inspect(connection.ask, status, connection.body)
        self._end(connection, status)
        if connection.open:
            self._next(connection)

    def _lost(self, connection: Connection, reason: str) -> None:
        self._all.discard(connection)
        if connection.ask is not None:
            self._end(connection, reason)
        wanted = self._waiting.popleft() if self._waiting else self.refill(time.monotonic())
        if wanted is not None:
            self.send(*wanted)

    def _end(self, connection: Connection, outcome: int | str) -> None:
        ask, connection.ask = connection.ask, None
        assert ask is not None
        self.records.add(ask.kind, connection.due, connection.sent, time.monotonic(), outcome)

    def _never(self, ask: Ask, due: float, reason: str) -> None:
        self.records.add(ask.kind, due, math.nan, time.monotonic(), reason)


async def open_loop(
    address: Address,
    asks: Iterable[Ask],
    *,
    rate: float,
    seconds: float,
    warm_up: float = 0.0,
    arrivals: Arrivals = "poisson",
    seed: int = 0,
    connections: int = 64,
    timeout: float = 30.0,
    inspect: Inspect | None = None,
) -> Result:
    """Send requests when they are due, whatever became of those before.

    Parameters
    ----------
    address : (host, port)
    asks : iterable of Ask
        Ends the load if it ends.
    rate : float
        Requests a second.
    seconds, warm_up : float
        What is due in the first `warm_up` seconds, which come on top, is sent and not counted.
    arrivals, seed
        See `schedule`.
    connections : int
        Requests that can be on their way at once; more wait for one of these, and the wait counts.
    timeout : float
        Seconds after which a request is given up.
    inspect : callable or None
        Given each request with status and body of its reply.
    """
    pool = Pool(address, connections, timeout, inspect)
    plan = schedule(rate, warm_up + seconds, arrivals, seed)
    source = iter(asks)
    finished = asyncio.Event()
    ended = math.inf
    await pool.fill()
    start, due = 0.0, deque[float]()

    def ring() -> None:
        nonlocal ended
        now = time.monotonic()
        while due and due[0] <= now:
            ask = next(source, None)
            if ask is None:
                ended = due[0]
                due.clear()
                break
            pool.send(ask, due.popleft())
        if due:
            alarm.set(due[0])
        else:
            finished.set()

    with Alarm(ring) as alarm, _Undisturbed() as undisturbed:
        start = time.monotonic() + 0.01
        due.extend(start + t for t in plan)
        sweeping = asyncio.ensure_future(pool.sweep())
        alarm.set(start)
        await finished.wait()
        while not pool.idle:
            await asyncio.sleep(0.01)
        sweeping.cancel()
    await pool.close()
    began = start + warm_up
    ended = max(min(ended, began + seconds), began + 1e-9)
    return Result.of(pool.records, began, ended, rate, undisturbed.busy)


async def closed_loop(
    address: Address,
    asks: Iterable[Ask],
    *,
    clients: int,
    seconds: float,
    warm_up: float = 0.0,
    timeout: float = 30.0,
    inspect: Inspect | None = None,
) -> Result:
    """Have `clients` ask one request after the other, without a pause: what a server can do at most.

    Its latencies say nothing of what independent clients would see; see the package's docstring. Parameters as of
    `open_loop`; replies that come after the end are not counted.
    """
    pool = Pool(address, clients, timeout, inspect)
    source = iter(asks)
    began = ended = math.inf

    def refill(now: float) -> tuple[Ask, float] | None:
        nonlocal ended
        if now >= ended:
            return None
        ask = next(source, None)
        if ask is None:
            ended = now
            return None
        return ask, now

    pool.refill = refill
    with _Undisturbed() as undisturbed:
        began = time.monotonic() + warm_up
        ended = began + seconds
        sweeping = asyncio.ensure_future(pool.sweep())
        await pool.fill()
        while time.monotonic() < ended or not pool.idle:
            await asyncio.sleep(0.005)
        sweeping.cancel()
    await pool.close()
    return Result.of(pool.records, began, ended, None, undisturbed.busy)


def forever(asks: Iterable[Ask]) -> Iterator[Ask]:
    """Repeat the requests without end."""
    return itertools.cycle(list(asks))


class _Undisturbed:
    """No garbage collection while it lasts, which would delay requests; counts the processor time that went by.

    It begins with one, which takes a second in a large process: look at the clock afterwards.
    """

    busy = 0.0

    def __enter__(self) -> _Undisturbed:
        gc.collect()
        gc.disable()
        self._began = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        gc.enable()
        wall, processor = self._began
        self.busy = (time.process_time() - processor) / max(time.monotonic() - wall, 1e-9)
