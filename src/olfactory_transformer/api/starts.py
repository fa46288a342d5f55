"""The ASGI messages that begin an answer: to a request, and to the handshake of a WebSocket, taken or refused."""

from __future__ import annotations

STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
SWITCHED = 101  # the status that `websocket.accept` stands for
