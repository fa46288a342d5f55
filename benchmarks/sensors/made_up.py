"""Frames of a board that there is not, with the channels of SmellNet, for measuring how they are served."""

from __future__ import annotations

import math
import os
import pty
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

LEVELS = {
    "NO2": 220.0, "C2H5OH": 480.0, "VOC": 330.0, "CO": 830.0, "Alcohol": 12.0, "LPG": 420.0, "Benzene": 90.0,
    "Temperature": 24.0, "Pressure": 1008.0, "Humidity": 41.0, "Gas_Resistance": 72.0, "Altitude": 38.0,
}  # fmt: skip


def frames(count: int, seed: int = 0) -> Iterator[dict[str, float]]:
    """Yield frames, one a second: a smell that comes and goes every five minutes, and noise."""
    rng = np.random.default_rng(seed)
    strength = rng.uniform(-0.3, 0.6, len(LEVELS))
    for t in range(count):
        there = 0.5 - 0.5 * math.cos(2 * math.pi * t / 300)
        noise = rng.normal(1, 0.004, len(LEVELS))
        yield {
            name: round(float(level * (1 + there * part) * drawn), 2)
            for (name, level), part, drawn in zip(LEVELS.items(), strength, noise, strict=True)
        }


class Terminal:
    """A pseudo-terminal that writes CSV lines, `rate` a second, as a board on a serial port does.

    Parameters
    ----------
    path : Path
        A link to the terminal, for SENSOR_PORT.
    rate : float
        Lines a second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self._slave = slave
        path.symlink_to(os.ttyname(slave))
        self._rate, self.sent = rate, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(10)
        os.close(self._master)
        os.close(self._slave)

    def _write(self) -> None:
        os.write(self._master, (",".join(LEVELS) + "\r\n").encode())
        began = time.monotonic()
        for values in frames(10**9):
            if self._stop.wait(max(0.0, began + self.sent / self._rate - time.monotonic())):
                return
            os.write(self._master, (",".join(map(str, values.values())) + "\r\n").encode())
            self.sent += 1
