"""Sending the head of an answer together with its body: uvicorn writes them one by one, and uvloop sends at once."""

from __future__ import annotations

import asyncio
from typing import Any

_SMALL = 16 * 1024  # bytes of a piece that is held back


class Joined:
    """A transport that holds a small piece back, to send it with the next; without one, when the loop comes round.

    Half of what a cached answer costs the kernel, and the client, is that it comes in two packets.

    Parameters
    ----------
    transport : Transport
        Has all other methods.
    loop : AbstractEventLoop
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.transport, self._loop = transport, loop
        self._held = b""
        self._later: asyncio.Handle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        """Send, or hold back for a moment; never more than one piece."""
        if self._later is not None:
            self._later.cancel()
            held, self._held, self._later = self._held, b"", None
            self.transport.writelines((held, data))
        elif len(data) > _SMALL:
            self.transport.write(data)
        else:
            self._held, self._later = data, self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what is held back."""
        if self._later is not None:
            self._later.cancel()
            held, self._held, self._later = self._held, b"", None
            self.transport.write(held)

    def close(self) -> None:
        """Send what is held back, and close."""
        self.flush()
        self.transport.close()

    def write_eof(self) -> None:
        """Send what is held back, and nothing more."""
        self.flush()
        self.transport.write_eof()
