"""What sources that read lines have in common: frames numbered, and the board's own numbers and clock watched."""

from __future__ import annotations

import time
from collections import deque
from typing import Literal, Self

from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.lines import BrokenLine, LineReader
from olfactory_transformer.sensors.sources.contract import Trouble, TroubleKind

_JUMP = 5.0  # seconds by which a board's clock may be off ours from one frame to the next
_WALL_JUMP = 2.0
_DETAIL = 200


class LineSource:
    """Turns lines into frames and troubles, in their order.

    Parameters
    ----------
    name, kind : str
        See `Source`.
    names : tuple of str
        Of the columns of CSV without a header.
    """

    def __init__(self, name: str, kind: Literal["serial", "mqtt"], names: tuple[str, ...] = ()) -> None:
        self.name = name
        self.kind: Literal["serial", "mqtt"] = kind
        self._reader = LineReader(names)
        self._ready: deque[Frame | Trouble] = deque()
        self._sequence = 0
        self._number: int | None = None
        self._clock: tuple[float, float] | None = None  # the board's and ours, at the last frame
        self._wall: float | None = None  # what our clock is ahead of the monotonic one

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Connect."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go."""
        raise NotImplementedError

    def _trouble(self, kind: TroubleKind, detail: str, count: int = 1) -> None:
        printable = "".join(each if each.isprintable() else "?" for each in detail)[:_DETAIL]
        self._ready.append(Trouble(kind, printable, time.time(), self.name, count))

    def _take(self, line: bytes, *, first: bool = False) -> None:
        """Read a line; the first after a connection may lack its beginning, and is taken only if it is a header."""
        try:
            said = self._reader.read(line)
        except BrokenLine as error:
            self._trouble("partial" if first else "garbled", str(error))
            return
        if not said.values:
            return
        if first:
            self._trouble("partial", "the first line after connecting, which may lack its beginning")
            return
        now, monotonic = time.time(), time.monotonic()
        ahead = now - monotonic
        if self._wall is not None and abs(ahead - self._wall) > _WALL_JUMP:
            self._trouble("clock-jump", f"this machine's clock moved by {ahead - self._wall:+.1f} s")
        self._wall = ahead
        restarted = self._watch_number(said.number)
        self._watch_clock(said.device_time, monotonic, restarted)
        self._ready.append(Frame(now, said.values, self.name, self._sequence, said.device_time))
        self._sequence += 1

    def _watch_number(self, number: int | None) -> bool:
        last, self._number = self._number, number
        if number is None or last is None or number == last + 1:
            return False
        if number > last:
            missing = number - last - 1
            self._trouble("lost", f"frames {last + 1} to {number - 1} never came", missing)
            return False
        self._trouble("restarted", f"frame {number} after {last}")
        return True

    def _watch_clock(self, device: float | None, monotonic: float, restarted: bool) -> None:
        last, self._clock = self._clock, None if device is None else (device, monotonic)
        if device is None or last is None or restarted:
            return
        off = (device - last[0]) - (monotonic - last[1])
        if device < last[0] - 1.0 and device < 60.0:  # it counts from its start
            self._trouble("restarted", f"its clock is at {device:g} s after {last[0]:g} s")
        elif abs(off) > _JUMP:
            self._trouble("clock-jump", f"its clock moved by {off:+.1f} s against ours")
