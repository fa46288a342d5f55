"""What waits for the model: a bounded line that is fair between requests, from which batches are taken."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from olfactory_transformer.core.errors import EngineBusy, OlfactoryError
from olfactory_transformer.engine.contract import Outcome, PictureForm

if TYPE_CHECKING:
    from opentelemetry.context import Context

Answer = Outcome | bytes | OlfactoryError
# Atoms of a SMILES are at most its characters, and about 0.7 of them.
_ATOMS_A_CHARACTER = 0.7


@dataclass(slots=True, eq=False)
class Entry:
    """One molecule that waits, for one request or for several that ask the same.

    Parameters
    ----------
    text : str
    dilution : float
    answer : Future
        Always given a result, which may be an error as a value.
    born : float
        Time of the event loop, seconds.
    picture : tuple of form and word, or None
        What to draw, if it is not to be predicted.
    trace : Context or None
        The step of a trace that it is a part of.
    waiting : int
        Requests that still want it.
    failures_alone : int
        Times that a process failed with it and nothing else.
    """

    text: str
    dilution: float
    answer: asyncio.Future[Answer]
    born: float
    picture: tuple[PictureForm, str | None] | None = None
    trace: Context | None = None
    waiting: int = 1
    failures_alone: int = 0
    lane: Lane | None = field(default=None, init=False)

    @property
    def tokens(self) -> int:
        """Atoms, estimated without reading the molecule."""
        return max(1, math.ceil(len(self.text) * _ATOMS_A_CHARACTER))

    def finish(self, answer: Answer) -> None:
        """Give the answer to those who wait."""
        if not self.answer.done():
            self.answer.set_result(answer)


class Lane(deque[Entry]):
    """The entries of one request; those that left it early are still in it, but not counted by `queued`."""

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__
    queued = 0


class Line:
    """Entries that wait, up to a number of them.

    Each request has a lane of its own, and a batch takes from the lanes in turn: a list of a thousand does not
    keep a single molecule waiting. Entries with which a process failed go first, and each alone. Pictures, which
    take as long as many predictions, go one by one between batches, and never keep all processes at once.

    Parameters
    ----------
    limit : int
        Entries that may wait.
    pictures : int
        Pictures that may be drawn at the same time.
    """

    def __init__(self, limit: int, pictures: int = 1) -> None:
        self.limit = limit
        self.queued = 0
        self._most_pictures, self._drawing, self._picture_next = pictures, 0, True
        self._pictures = Lane()
        self._lanes: dict[Lane, None] = {}  # in the order of their turns
        self._again = Lane()
        self._there, self._room = asyncio.Event(), asyncio.Event()
        self._idle = 0

    def add(self, entries: Sequence[Entry]) -> None:
        """Let the entries of one request wait; a picture is a request of its own.

        Raises
        ------
        EngineBusy
            There is no room for all of them. A line that is empty takes a list of any length.
        """
        if not self._fits(len(entries)):
            raise EngineBusy("queue-full")
        if entries[0].picture is not None:
            self._wait_in(self._pictures, entries)
            return
        self._lanes[lane := Lane()] = None
        self._wait_in(lane, entries)

    async def room_for(self, count: int) -> None:
        """Wait until `add` would take so many entries."""
        while not self._fits(count):
            self._room.clear()
            await self._room.wait()

    def add_again(self, entries: Sequence[Entry]) -> None:
        """Let entries wait once more, before all others; there is always room for them."""
        self._wait_in(self._again, [e for e in entries if e.waiting and not e.answer.done()])

    def leave(self, entry: Entry) -> None:
        """Note that a request does not want the entry any more; without any, it leaves the line."""
        entry.waiting -= 1
        if not entry.waiting and entry.lane is not None:
            self._leaves(entry, entry.lane)

    def done(self, batch: Sequence[Entry]) -> None:
        """Note that a process has nothing more to do with a batch that it took."""
        if batch[0].picture is not None:
            self._drawing -= 1
            self._there.set()

    async def take(self, items: int, tokens: int, delay: float = 0.0) -> list[Entry]:
        """Return a batch, as soon as there is something.

        Parameters
        ----------
        items : int
            The most entries. Fewer, where other processes are idle and can take their share.
        tokens : int
            The most tokens with padding; a single entry may have more.
        delay : float
            Seconds to wait for more entries where there are less than `items`.
        """
        self._idle += 1
        try:
            while True:
                while not self.queued:
                    self._there.clear()
                    await self._there.wait()
                if delay and self._lanes and self.queued < items and not self._again:
                    # Counted from the arrival, so that a take which is given up and begun anew does not start over.
                    oldest = next(iter(self._lanes))[0].born
                    await asyncio.sleep(oldest + delay - asyncio.get_running_loop().time())
                if batch := self._batch(min(items, math.ceil(self.queued / self._idle)), tokens):
                    self._drawing += batch[0].picture is not None
                    return batch
                self._there.clear()  # pictures wait, and enough are being drawn
                await self._there.wait()
        finally:
            self._idle -= 1

    def _batch(self, items: int, tokens: int) -> list[Entry]:
        while self._again:
            entry = self._again.popleft()
            if entry.lane is not None:
                self._leaves(entry, entry.lane)
                return [entry]
        if self._pictures and self._drawing < self._most_pictures and (self._picture_next or not self._lanes):
            self._picture_next = False
            while self._pictures:
                entry = self._pictures.popleft()
                if entry.lane is not None:
                    self._leaves(entry, entry.lane)
                    return [entry]
        self._picture_next = True
        batch: list[Entry] = []
        longest = 0
        while self._lanes and len(batch) < items:
            lane = next(iter(self._lanes))
            entry = lane[0]
            if entry.lane is not None:
                longest = max(longest, entry.tokens)
                if batch and longest * (len(batch) + 1) > tokens:
                    break
                batch.append(entry)
            lane.popleft()
            if entry.lane is not None:
                self._leaves(entry, lane)
            if lane in self._lanes:  # to the end
                del self._lanes[lane]
                self._lanes[lane] = None
        return batch

    def _wait_in(self, lane: Lane, entries: Sequence[Entry]) -> None:
        for entry in entries:
            entry.lane = lane
            lane.append(entry)
        lane.queued += len(entries)
        self.queued += len(entries)
        self._there.set()

    def _leaves(self, entry: Entry, lane: Lane) -> None:
        entry.lane = None
        lane.queued -= 1
        self.queued -= 1
        if not lane.queued:  # also what left it early goes
            self._lanes.pop(lane, None)
            lane.clear()
        self._room.set()

    def _fits(self, count: int) -> bool:
        return not self.queued or self.queued + count <= self.limit
