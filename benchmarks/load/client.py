"""A keep-alive connection that speaks as little HTTP/1.1 as can be: one request at a time, replies read by httptools.

A full client would cost more than the servers that are measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from benchmarks.load.asks import Ask


class Connection(asyncio.Protocol):
    """One connection.

    Parameters
    ----------
    replied : callable (Connection, int)
        Called with the status when a reply is complete; the connection may be used again if `open`.
    lost : callable (Connection, str)
        Called with a reason when the connection is gone; `ask` is then the request that it took along, if any.
    keep : bool
        Whether to collect the body of each reply in `body`.
    """

    def __init__(
        self,
        replied: Callable[[Connection, int], None],
        lost: Callable[[Connection, str], None],
        *,
        keep: bool = False,
    ) -> None:
        self._replied, self._lost = replied, lost
        self.ask: Ask | None = None
        self.due = self.sent = 0.0
        self.body = b""
        self.open = False
        self._transport: asyncio.Transport | None = None
        if keep:
            self.on_body = self._collect
        self._parser = httptools.HttpResponseParser(self)

    def send(self, ask: Ask, due: float, now: float) -> None:
        """Send a request that was due at `due`."""
        assert self._transport is not None and self.ask is None
        self.ask, self.due, self.sent, self.body = ask, due, now, b""
        self._transport.write(ask.wire)

    def close(self) -> None:
        """Cut the connection; `lost` is called soon."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio calls it
        self._transport, self.open = cast(asyncio.Transport, transport), True  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio calls it
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._end("not HTTP")

    def connection_lost(self, error: Exception | None) -> None:  # noqa: D102 - asyncio calls it
        self._end("reset" if isinstance(error, ConnectionResetError | BrokenPipeError) else "closed")

    def on_message_complete(self) -> None:  # noqa: D102 - the parser calls it
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue, 103 Early Hints
            return
        if not self._parser.should_keep_alive():
            self.open = False
            self.close()
        if self.ask is not None:
            self._replied(self, status)

    def _collect(self, data: bytes) -> None:
        self.body += data

    def _end(self, reason: str) -> None:
        if self._transport is not None:
            transport, self._transport, self.open = self._transport, None, False
            transport.abort()
            self._lost(self, reason)
