"""A TCP proxy that does to a real service what networks and broken machines do to it.

    client ──▶ FaultProxy ──▶ service          answers come back through the fault of the moment

    with FaultProxy("127.0.0.1", 6379) as proxy:
        connect("127.0.0.1", proxy.port)       # forwards faithfully
        with proxy.fault(delay=0.2):           # also: stall, reset, refuse, cut_after, drip, alter
            ...
        proxy.set(stall=True)                  # until proxy.heal()

A fault holds for connections that are open already and for new ones. The proxy runs in a thread of its own; its
methods are called from any other and return when the fault is in force. `silent_port` is an address that does not
even answer the handshake, as behind a firewall that drops packets.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

_PIECE = 65536
_TICK = 0.002  # seconds between looks at whether a stall is over
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER for zero seconds: closing sends a reset
Result = TypeVar("Result")


@dataclass(frozen=True)
class Fault:
    """What happens to answers of the service, and to connections.

    Parameters
    ----------
    delay : float
        Seconds that each piece of an answer is late.
    stall : bool
        Half-open: connections are accepted and stay, nothing passes either way. What waits passes when it ends.
    reset : bool
        Every connection ends with a TCP reset, new ones at once.
    refuse : bool
        Nobody listens on the port, and connections are closed.
    cut_after : int or None
        Bytes of answers, over a connection's life, after which it is closed.
    drip : float
        Seconds between the single bytes of an answer.
    alter : callable or None
        From a piece of an answer to what the client gets in its place.
    """

    delay: float = 0.0
    stall: bool = False
    reset: bool = False
    refuse: bool = False
    cut_after: int | None = None
    drip: float = 0.0
    alter: Callable[[bytes], bytes] | None = None


def flipped(piece: bytes) -> bytes:
    """Flip the lowest bit of every seventh byte: a corrupting line, for `alter`."""
    return bytes(byte ^ (i % 7 == 3) for i, byte in enumerate(piece))


class FaultProxy:
    """A proxy on a free port of the loopback address; see the module.

    Parameters
    ----------
    host, port : str, int
        The service. It need not run yet: while it does not, connections are closed as soon as they are accepted.

    Attributes
    ----------
    port : int
        To connect to.
    connections : int
        Accepted so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self._service = (host, port)
        self._fault = Fault()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self.port, self.connections = 0, 0

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(self, **fault: Any) -> None:
        """Put a `Fault` with these fields in the place of the present one."""
        self._do(self._change(Fault(**fault)))

    def heal(self) -> None:
        """Forward faithfully from now on."""
        self.set()

    @contextmanager
    def fault(self, **fault: Any) -> Iterator[None]:
        """Have a fault inside the block, and none after it."""
        self.set(**fault)
        try:
            yield
        finally:
            self.heal()

    # -- in the thread of the loop ---------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _change(self, fault: Fault) -> None:
        self._fault = fault
        if fault.refuse or fault.reset:
            for client in list(self._clients):
                _end(client, reset=fault.reset)
        if fault.refuse and self._server is not None:
            self._server.close()
            self._server = None
        elif not fault.refuse and self._server is None:
            await self._listen()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            if self._fault.reset:
                return
            await self._while_stalled()
            answers, upstream = await asyncio.open_connection(*self._service)
            both = {
                asyncio.ensure_future(self._questions(reader, upstream)),
                asyncio.ensure_future(self._answers(answers, writer)),
            }
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in both:
                    pump.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._clients.discard(writer)
            _end(writer, reset=self._fault.reset)
            if upstream is not None:
                _end(upstream)

    async def _questions(self, reader: asyncio.StreamReader, service: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                await self._while_stalled()
                service.write(piece)
                await service.drain()

    async def _answers(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        passed = 0
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self._fault.delay:
                    await asyncio.sleep(self._fault.delay)
                await self._while_stalled()
                fault = self._fault
                if fault.alter is not None:
                    piece = fault.alter(piece)
                if fault.cut_after is not None:
                    piece = piece[: max(0, fault.cut_after - passed)]
                passed += len(piece)
                await _write(client, piece, fault.drip)
                if fault.cut_after is not None and passed >= fault.cut_after:
                    return

    async def _while_stalled(self) -> None:
        while self._fault.stall:
            await asyncio.sleep(_TICK)


async def _write(client: asyncio.StreamWriter, piece: bytes, drip: float) -> None:
    if not drip:
        client.write(piece)
        await client.drain()
        return
    for byte in piece:
        client.write(bytes([byte]))
        await client.drain()
        await asyncio.sleep(drip)


def _end(writer: asyncio.StreamWriter, *, reset: bool = False) -> None:
    """Close a connection: by a reset, or after what was written has gone out."""
    if not reset:
        writer.close()
        return
    with suppress(OSError):
        sock = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@contextmanager
def silent_port() -> Iterator[int]:
    """Yield a port of the loopback address on which no handshake is answered: its queue of connections is full.

    Linux drops what does not fit in the queue, as a firewall does, so that a client waits until its own time limit.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(address)
            yield address[1]
        finally:
            for filler in fillers:
                filler.close()
