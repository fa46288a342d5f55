"""What sources that read lines have in common: frames numbered, and the board's own numbers and clock watched."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from typing import Literal, Self

from olfactory_transformer.core.errors import SourceError
from olfactory_transformer.sensors.channels import Channel
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.lines import BrokenLine, LineFormat, LineReader
from olfactory_transformer.sensors.sources.clock import Arrival, ArrivalClock
from olfactory_transformer.sensors.sources.continuity import Continuity
from olfactory_transformer.sensors.sources.contract import Trouble, TroubleKind

_DETAIL = 200


class LineSource(ABC):
    """Turns lines into frames and troubles, in their order.

    Parameters
    ----------
    name, kind : str
        See `Source`.
    names : tuple of str
        Of the columns of CSV without a header.
    line_format : str
        One of `lines.FORMATS`.
    """

    def __init__(
        self,
        name: str,
        kind: Literal["serial", "mqtt"],
        names: tuple[str, ...] = (),
        line_format: LineFormat = "auto",
    ) -> None:
        self.name = name
        self.kind: Literal["serial", "mqtt"] = kind
        try:
            self._reader = LineReader(names, line_format)
        except ValueError as error:
            raise SourceError(f"got {error}") from None
        self._ready: deque[Frame | Trouble] = deque()
        self._sequence = 0
        self._continuity = Continuity()
        self._arrivals = ArrivalClock()
        self._arrival: Arrival | None = None  # of the line before

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def open(self) -> None:
        """Connect; see `Source.open`."""

    @abstractmethod
    def close(self) -> None:
        """Let go; see `Source.close`."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Return the channels that came so far, with the units that the board stated."""
        return self._reader.channels

    @property
    def words(self) -> dict[str, str]:
        """Return what the board said besides numbers, as its `device` or `firmware`."""
        return dict(self._reader.words)

    @property
    def messages(self) -> tuple[str, ...]:
        """Return the latest comments, and words for people, that the board sent."""
        return tuple(self._reader.messages)

    def _trouble(self, kind: TroubleKind, detail: str, count: int = 1) -> None:
        printable = "".join(each if each.isprintable() else "?" for each in detail)[:_DETAIL]
        self._ready.append(Trouble(kind, printable, time.time(), self.name, count))

    def _take(self, line: bytes, *, whole: bool = True, arrival: Arrival | None = None) -> None:
        """Read a line; one that may lack its beginning is taken if it shows that it does not, as a JSON object does."""
        arrival = arrival or self._arrivals.now()
        if arrival.jumped and arrival is not self._arrival:
            self._trouble("clock-jump", f"this machine's clock moved by {arrival.jumped:+.1f} s, or it slept")
        self._arrival = arrival
        try:
            said = self._reader.read(line, whole=whole)
        except BrokenLine as error:
            self._trouble("garbled" if whole else "partial", str(error))
            return
        if said.starts:
            self._continuity.starts()
        if not said.values:
            return
        for each in self._continuity.check(said, arrival.monotonic):
            self._trouble(each.kind, each.detail, each.count)
        self._ready.append(Frame(arrival.time, said.values, self.name, self._sequence, said.device_time))
        self._sequence += 1
