"""What a board says, on a terminal: a table that is redrawn."""

from __future__ import annotations

import math
import sys
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

import typer

from olfactory_transformer.cli.sense.sparks import only_ascii, sparkline
from olfactory_transformer.core.render import printable
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.frame import Frame

if TYPE_CHECKING:
    from rich.console import RenderableType

    from olfactory_transformer.sensors.sources.contract import Trouble

_SHOWN = 40  # frames of a sparkline
_TOLD = 3  # troubles that are shown
_EVERY = 0.25  # seconds between two drawings


class Screen:
    """Shows frames and troubles as they come, on a stream that may be a terminal; else only the troubles.

    Parameters
    ----------
    stream : text file
        Standard output or standard error.
    heading : str
        Before the number of frames, as the name of a file.
    """

    def __init__(self, stream: TextIO, heading: str = "") -> None:
        self._stream, self._heading = stream, heading
        self._frames: deque[Frame] = deque(maxlen=_SHOWN)
        self._troubles: deque[str] = deque(maxlen=_TOLD)
        self._range: dict[str, tuple[float, float]] = {}
        self._count, self._began = 0, 0.0
        self._live: Any = None
        self._ascii = only_ascii()

    def __enter__(self) -> Self:
        if self._stream.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream)
            self._live = Live(
                get_renderable=self.drawn,
                console=console,
                refresh_per_second=1 / _EVERY,
                redirect_stderr=False,
            )
            self._live.start()
        return self

    def __exit__(self, *_: TracebackType | object) -> None:
        if self._live is not None:
            self._live.stop()

    def frame(self, frame: Frame) -> None:
        """Show a frame."""
        if not self._count:
            self._began = frame.time
        self._count += 1
        if self._live is None:
            return
        self._frames.append(frame)
        for name, value in frame.values.items():
            if math.isfinite(value):
                low, high = self._range.get(name, (value, value))
                self._range[name] = min(low, value), max(high, value)

    def trouble(self, trouble: Trouble) -> None:
        """Tell of a trouble."""
        text = printable(f"{trouble.source}: {trouble.kind}: {trouble.detail}")
        if self._live is not None and sys.stderr.isatty():
            self._troubles.append(text)
        else:
            typer.echo(text, err=True)

    def drawn(self) -> RenderableType:
        """Return the table at this moment."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        frames, troubles = list(self._frames), list(self._troubles)  # another thread draws than fills them
        if not frames:
            return Group(Text("waiting for the first frame"), *map(Text, troubles))
        last = frames[-1]
        table = Table("channel", "value", "least", "most", "lately")
        for name, value in last.values.items():
            low, high = (f"{each:.5g}" for each in self._range.get(name, (math.nan, math.nan)))
            lately = sparkline([each.values.get(name, math.nan) for each in frames], ascii_only=self._ascii)
            now = f"{value:.5g} {channel(name).unit}" if math.isfinite(value) else "none"
            table.add_row(Text(printable(name)), now.rstrip(), low, high, lately)
        span = frames[-1].time - frames[0].time
        rate = f", {(len(frames) - 1) / span:.3g} a second" if span > 0 else ""
        parts = [self._heading, last.source, f"{self._count} frames in {last.time - self._began:.0f} s{rate}"]
        title = Text(printable(": ".join(part for part in parts if part)))
        return Group(title, table, *(Text(f"! {each}") for each in troubles))
