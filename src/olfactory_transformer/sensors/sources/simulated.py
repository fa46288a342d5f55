"""A made-up board, to try things without one. Whatever it says is labelled `simulated`; see `metal_oxide`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Literal, Self

import numpy as np

from olfactory_transformer.core.errors import SourceError
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.sources.contract import Trouble
from olfactory_transformer.sensors.sources.metal_oxide import Exposure, MetalOxide, readings

SMELL = "smell"
# Counts in clean air, about as those of the board of SmellNet.
_CLEAN = {"NO2": 35.0, "C2H5OH": 60.0, "VOC": 65.0, "CO": 730.0, "Alcohol": 3.0, "LPG": 20.0}
SCHEDULE = (Exposure(120.0), Exposure(180.0, SMELL, 1.0))


class SimulatedSource:
    """A board of six channels at one frame a second: two minutes of clean air, three of a smell, again and again.

    Parameters
    ----------
    seed : int
        Of the smell, the noise and the drift; the same seed, the same frames.
    speed : float
        1: as fast as a real board; 0: as fast as it is read.
    sensors : tuple of MetalOxide or None
        None: `board_of(seed)`.
    schedule : tuple of Exposure
        What it smells, again and again.
    rate : float
        Frames a second.

    Examples
    --------
    >>> with SimulatedSource(7, speed=0) as board:
    ...     board.read(1.0).source
    'simulated:7'
    """

    kind: Literal["simulated"] = "simulated"

    def __init__(
        self,
        seed: int = 0,
        speed: float = 1.0,
        sensors: tuple[MetalOxide, ...] | None = None,
        schedule: tuple[Exposure, ...] = SCHEDULE,
        rate: float = 1.0,
    ) -> None:
        if seed < 0 or not speed >= 0:
            raise SourceError(f"seed {seed} and speed {speed:g}, expected 0 or more")
        if not rate > 0 or not schedule or not all(each.seconds > 0 for each in schedule):
            raise SourceError(
                f"a rate of {rate:g} and a schedule of {len(schedule)}, expected more than 0 seconds of each"
            )
        self.name, self._seed, self._speed, self._rate = f"simulated:{seed}", seed, speed, rate
        self._sensors, self._schedule = sensors or board_of(seed), schedule
        self._readings: Iterator[dict[str, float]] = iter(())
        self._row, self._began, self._start = 0, 0.0, 0.0
        self._closed = threading.Event()
        self._closed.set()  # until it is opened

    def open(self) -> None:
        """Begin anew."""
        self._readings = readings(self._sensors, self._schedule, seed=self._seed, rate=self._rate)
        self._row, self._began, self._start = 0, time.monotonic(), time.time()
        self._closed.clear()

    def read(self, timeout: float) -> Frame | Trouble | None:
        """Return the next frame when its time has come."""
        if self._closed.is_set():
            return None
        since = self._row / self._rate
        if self._speed:
            wait = self._began + since / self._speed - time.monotonic()
            if wait > timeout:
                self._closed.wait(timeout)
                return None
            if self._closed.wait(max(wait, 0.0)):
                return None
        row = self._row
        self._row += 1
        return Frame(self._start + since, next(self._readings), self.name, row, since)

    def close(self) -> None:
        """End it; a read that waits returns."""
        self._closed.set()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def board_of(seed: int) -> tuple[MetalOxide, ...]:
    """Return the sensors of a board, and how they react to the smell of this seed.

    >>> [sensor.name for sensor in board_of(3)]
    ['NO2', 'C2H5OH', 'VOC', 'CO', 'Alcohol', 'LPG']
    """
    random = np.random.default_rng(seed)
    laws = zip(random.uniform(0.2, 4.0, len(_CLEAN)), random.uniform(0.3, 0.9, len(_CLEAN)), strict=True)
    return tuple(
        MetalOxide(name, clean, {SMELL: (float(strength), float(power))})
        for (name, clean), (strength, power) in zip(_CLEAN.items(), laws, strict=True)
    )
