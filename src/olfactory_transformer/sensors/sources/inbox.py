"""What one thread puts in and another takes out: messages, of which so many are kept, and news, of which all are."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Message = TypeVar("Message")
News = TypeVar("News")


class Inbox(Generic[Message, News]):
    """A queue in the order of arrival, that drops its oldest messages when there are too many, and counts them.

    Parameters
    ----------
    most : int
        Messages that are kept.

    Examples
    --------
    >>> inbox = Inbox[str, int](2)
    >>> for text in "abc":
    ...     inbox.put(text)
    >>> inbox.dropped(), inbox.take(0), inbox.dropped()
    (1, ('b', None), 0)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: deque[tuple[Message | None, News | None]] = deque()
        self._messages = self._dropped = 0
        self._changed = threading.Condition()

    def put(self, message: Message) -> None:
        """Add a message."""
        with self._changed:
            if self._messages >= self._most:
                oldest = next(at for at, item in enumerate(self._items) if item[1] is None)
                del self._items[oldest]
                self._messages -= 1
                self._dropped += 1
            self._messages += 1
            self._items.append((message, None))
            self._changed.notify()

    def tell(self, news: News) -> None:
        """Add news."""
        with self._changed:
            self._items.append((None, news))
            self._changed.notify()

    def take(self, timeout: float) -> tuple[Message | None, News | None]:
        """Return what came next, a message or news; neither if nothing did within `timeout` seconds."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout)
            if not self._items:
                return None, None
            item = self._items.popleft()
            self._messages -= item[1] is None
            return item

    def dropped(self) -> int:
        """Return how many messages were dropped since this was last asked."""
        with self._changed:
            dropped, self._dropped = self._dropped, 0
        return dropped
