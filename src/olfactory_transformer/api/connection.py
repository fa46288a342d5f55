"""A client's connection: uvicorn's, with limits on what it may take of time and memory, and a gentle end.

uvicorn with httptools waits without end for a request's headers, however long, and for a client to read its answer.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from olfactory_transformer.api.headers import completed
from olfactory_transformer.api.joined import Joined
from olfactory_transformer.api.problems import MEDIA_TYPE, ApiError, problem_body, problem_headers
from olfactory_transformer.api.socket import is_handshake

logger = logging.getLogger("olfactory_transformer.requests")

HEAD_BYTES = 64 * 1024  # of the request line and the headers together, and once more of what follows a body
HEAD_SECONDS = 20.0  # from a request's first byte, or a connection's beginning, to the end of its headers
# Between two requests: longer than the 60 s for which nginx and most load balancers keep a connection, since a
# request that crosses our close on its way is lost.
IDLE_SECONDS = 75
_TOO_LARGE = ApiError("headers-too-large", f"expected at most {HEAD_BYTES} bytes")
_NO_HANDSHAKE = ApiError("bad-request", "expected a WebSocket handshake of RFC 6455, alone on its connection")
_STOPPING = ApiError("draining", "the server is stopping")
_CODED = ApiError("bad-request", "expected no Transfer-Encoding but chunked")
# Requests that were sent before their client could know that we close are still answered.
_LINGER = 0.25  # seconds, after an answer
_FIRST_LINGER = 1.0  # seconds, on a connection that has said nothing yet


class Connection(HttpToolsProtocol):
    """One connection; the class attributes are what the server says of all of them.

    Attributes
    ----------
    write_seconds : float
        How long a client may leave an answer unread, once the buffers are full.
    count : callable
        Is told the code of each error that is answered here.
    """

    write_seconds = 30.0
    count: Callable[[str], None] = staticmethod(lambda code: None)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._begun = False  # a request of which the headers are not complete
        self._unfinished = False  # a request of which the headers are complete, and the body is not
        self._advanced = False  # by what arrived last: a request, or its body
        self._framing_bytes = 0  # since then: chunk sizes, their extensions, trailers
        self._refused = False
        self._closing = False
        self._upgraded = False  # another protocol has the connection now
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(cast(asyncio.Transport, Joined(transport, self.loop)))
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget about the timers."""
        self._stop_waiting()
        self._reads_again()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, and wait for headers only so long, and only for so many."""
        self._advanced = False
        if not self._refused:
            super().data_received(data)
        if self._refused or self._upgraded or self.transport.is_closing():
            return
        if self._unfinished and not self._advanced:
            self._framing_bytes += len(data)
            if self._framing_bytes > HEAD_BYTES:
                self._hang_up()
                return
        if self._begun:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(_TOO_LARGE)
        elif self._busy or self.timeout_keep_alive_task is not None:
            return
        # Something came that is not a whole request: the rest of one, or of a body that nobody reads any more.
        if self._head_timer is None:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        super().on_message_begin()
        self._begun, self._head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a field after the body is none, and must not pass for one that the gate or a proxy knows."""
        if self._begun:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start on the request, unless its headers are too long."""
        self._begun = False
        self._unfinished = self._advanced = True
        self._framing_bytes = 0
        self._stop_waiting()
        size, codings = len(self.url), []
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"transfer-encoding":
                codings.append(value.lower())
        if size > HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        # The parser takes chunks whatever they hold, and would hand over compressed bytes as they are.
        if codings and codings != [b"chunked"]:
            self._refuse(_CODED)
        if self._refused:
            return
        super().on_headers_complete()
        if self._closing and self._busy:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Hand over a part of a body."""
        self._advanced, self._framing_bytes = True, 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        self._unfinished = False
        if not self._refused:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, unless what was asked for is no WebSocket."""
        if self._refused:
            return
        method = str(self.scope["method"]).encode("latin-1")
        if self._closing:
            self._refuse(_STOPPING)
        elif self._busy or not is_handshake(method, self.url, self.headers):
            self._refuse(_NO_HANDSHAKE)
        if self._refused:
            return
        self._upgraded = True
        self._stop_waiting()
        joined = cast(Joined, self.transport)
        joined.flush()
        self.transport = joined.transport  # a message is one piece
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(ApiError("bad-request", "expected a request in HTTP/1.1"))

    def pause_writing(self) -> None:
        """Note that the client does not read: it has `write_seconds` to begin again."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        self._reads_again()
        super().resume_writing()

    def shutdown(self) -> None:
        """Close once what was sent has been answered: at once, if nothing comes within a moment."""
        self._closing = True
        if self._busy:
            self.cycle.keep_alive = False
        else:
            linger = _FIRST_LINGER if self.cycle is None else _LINGER
            self.loop.call_later(linger, self._close_if_idle)

    @property
    def _busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _close_if_idle(self) -> None:
        if not self._begun and not self._busy:
            self.transport.close()

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _reads_again(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._begun:
            self._refuse(ApiError("request-timeout", f"expected the headers within {HEAD_SECONDS:g} s"))
        elif not self._busy:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        """Answer without the application, which has no request yet, and hang up."""
        if self._refused or self.transport.is_closing():
            return
        if self._busy:  # a second answer would end up inside the first
            self._hang_up()
            return
        kind, request_id = error.kind, os.urandom(16).hex()
        self.count(kind.code)
        body = problem_body(error, "", request_id, {})
        headers = [
            *self.server_state.default_headers,
            *completed(
                [
                    (b"content-type", MEDIA_TYPE.encode()),
                    (b"content-length", b"%d" % len(body)),
                    (b"connection", b"close"),
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in problem_headers(error).items()
                    ),
                    (b"x-request-id", request_id.encode()),
                ]
            ),
        ]
        head = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[kind.status], head, body))
        self._hang_up()
        logger.info("- unmatched %d %s id=%s", kind.status, kind.code, request_id)

    def _hang_up(self) -> None:
        """Take nothing more, and close: at once, if a request is being answered."""
        self._refused = True
        self._stop_waiting()
        if self._busy:
            self.transport.abort()
            return
        # Closed with something unread, a connection is reset, and what was answered may be lost with it.
        self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)
