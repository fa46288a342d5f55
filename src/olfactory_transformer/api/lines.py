"""Lines out of a body that arrives in pieces, in bounded memory."""

from __future__ import annotations


class TooLong:
    """Stands for a line of more bytes than the limit, which were thrown away."""


TOO_LONG = TooLong()


class Lines:
    r"""Cuts pieces of a body into lines. Blank lines are left out.

    At most `limit` bytes of an unfinished line are kept, besides the piece fed last.

    Parameters
    ----------
    limit : int
        Bytes of a line.

    Examples
    --------
    >>> lines = Lines(limit=8)
    >>> lines.feed(b"one\n\ntwo\nthr")
    >>> lines.take(10)
    [b'one', b'two']
    >>> lines.end()
    >>> lines.take(10)
    [b'thr']
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending = bytearray()
        self._at = 0  # where in `_pending` the next line begins
        self._searched = 0  # up to where there is no end of a line
        self._skipping = False  # the rest of a line that was too long
        self._ended = False

    def feed(self, piece: bytes) -> None:
        """Add the next piece."""
        if self._at:
            del self._pending[: self._at]
            self._searched -= self._at
            self._at = 0
        self._pending += piece

    def end(self) -> None:
        """Say that there are no more pieces: what is left is a line."""
        self._ended = True

    def take(self, most: int) -> list[bytes | TooLong]:
        """Return lines that are complete, `most` at most; an empty list: more must be fed first."""
        found: list[bytes | TooLong] = []
        while len(found) < most:
            end = self._pending.find(b"\n", self._searched)
            if end < 0:
                found += self._unfinished()
                break
            if not self._skipping:
                found += self._line(end)
            self._skipping = False
            self._at = self._searched = end + 1
        return found

    def _line(self, end: int) -> list[bytes | TooLong]:
        if end - self._at > self._limit:
            return [TOO_LONG]
        line = bytes(self._pending[self._at : end]).strip()
        return [line] if line else []

    def _unfinished(self) -> list[bytes | TooLong]:
        """Return the last line if nothing follows, or what stands for one that is too long already."""
        found: list[bytes | TooLong] = []
        if self._ended or self._skipping or len(self._pending) - self._at > self._limit:
            if not self._skipping:
                found = self._line(len(self._pending))
            self._skipping = not self._ended
            self._pending.clear()
            self._at = 0
        self._searched = len(self._pending)
        return found
