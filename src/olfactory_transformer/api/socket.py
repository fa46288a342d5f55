"""A WebSocket connection: uvicorn's, with limits on what it may take of time, and an end that the application chooses.

uvicorn would close every WebSocket as soon as the server stops, and wait without end for a client to read.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Request
from websockets.server import ServerProtocol

MESSAGE_BYTES = 1024 * 1024  # of one message, whatever frames it comes in
PING_SECONDS = 20.0  # between pings, and for the answer to one
_CLOSE_SECONDS = 2.0  # for a client to answer that we close
# Its lines at INFO name the path as it was sent; ours name the route.
_LOGGER = logging.getLogger("olfactory_transformer.websockets")
_LOGGER.setLevel(logging.WARNING)


class Socket(WebSocketsSansIOProtocol):
    """One WebSocket; the class attributes are limits.

    Attributes
    ----------
    write_seconds : float
        How long a client may leave messages unread, once the buffers are full.
    """

    write_seconds = 30.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = self.conn.logger = _LOGGER
        self.conn.debug = False  # or LOG_LEVEL=DEBUG would write headers, and so keys, into the log
        self.close_timeout = _CLOSE_SECONDS
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget about the timer."""
        self._reads_again()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the client does not read: it has `write_seconds` to begin again."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._reads_again()
        super().resume_writing()

    def shutdown(self) -> None:
        """Leave it to the application, which knows that the server stops, to say goodbye; it is given its time."""
        if self.close_sent or not self.handshake_complete:
            super().shutdown()

    def _reads_again(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def is_handshake(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a request is the beginning of a WebSocket as RFC 6455 has it.

    >>> is_handshake(b"GET", b"/v1/sensors/stream", [(b"upgrade", b"websocket"), (b"connection", b"upgrade")])
    False
    """
    names = {name for name, _ in headers}
    if method != b"GET" or b"content-length" in names or b"transfer-encoding" in names:
        return False
    fields = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
    try:
        ServerProtocol().process_request(Request(target.decode("latin-1"), fields))
    except InvalidHandshake:
        return False
    return True
