"""A made-up board, to try things without one. Whatever it says is labelled `simulated`.

Each channel follows its steady level G by a first-order lag, faster when gas comes than when it goes, and G is a power
law of the concentration, as Clifford & Tuma (1983, "Characteristics of semiconductor gas
sensors", Sensors and Actuators 3) describe those of tin oxide. Temperature and humidity move it, and it drifts.
"""

from __future__ import annotations

import time
from typing import Literal, Self

import numpy as np

from olfactory_transformer.core.errors import SourceError
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.sources.contract import Trouble

CHANNELS = ("NO2", "C2H5OH", "VOC", "CO", "Alcohol", "LPG")
_CLEAN = np.array([35.0, 60.0, 65.0, 730.0, 3.0, 20.0])  # counts in clean air
_RISE, _FALL = 12.0, 40.0  # seconds
_NOISE = 0.01  # of the level
_DRIFT = 2e-5  # of the level, a second, random walk
_PERIOD, _SMELT = 300.0, 180.0  # seconds: of clean air and a smell, and of the smell in it


class SimulatedSource:
    """A board of six channels at one frame a second: two minutes of clean air, three of a smell, again and again.

    Parameters
    ----------
    seed : int
        Of the smell, the noise and the drift; the same seed, the same frames.
    speed : float
        1: a frame a second; 0: as fast as it is read.

    Examples
    --------
    >>> with SimulatedSource(7, speed=0) as board:
    ...     board.read(1.0).source
    'simulated:7'
    """

    kind: Literal["simulated"] = "simulated"

    def __init__(self, seed: int = 0, speed: float = 1.0) -> None:
        if seed < 0 or speed < 0:
            raise SourceError(f"seed {seed} and speed {speed:g}, expected 0 or more")
        self.name, self._seed, self._speed = f"simulated:{seed}", seed, speed
        self._closed = True
        self.open()

    def open(self) -> None:
        """Begin anew."""
        self._random = np.random.default_rng(self._seed)
        count = len(CHANNELS)
        self._strength = self._random.uniform(
            0.2, 4.0, count
        )  # by which a concentration of 1 raises a channel
        self._power = self._random.uniform(0.3, 0.9, count)
        self._level, self._drift = np.ones(count), np.zeros(count)
        self._row, self._began, self._start = 0, time.monotonic(), time.time()
        self._closed = False

    def read(self, timeout: float) -> Frame | Trouble | None:
        """Return the next second's frame when its time has come."""
        if self._closed:
            return None
        if self._speed:
            wait = self._began + self._row / self._speed - time.monotonic()
            if wait > timeout:
                time.sleep(timeout)
                return None
            time.sleep(max(wait, 0.0))
        row, random = self._row, self._random
        self._row += 1
        smelt = row % _PERIOD >= _PERIOD - _SMELT
        concentration = 0.7 + 0.3 * np.sin(row / 45) if smelt else 0.0
        steady = 1 + self._strength * concentration**self._power
        self._level += (steady - self._level) / np.where(steady > self._level, _RISE, _FALL)
        self._drift += random.normal(0, _DRIFT, len(CHANNELS))
        temperature = 25 + 0.5 * np.sin(row / 600) + random.normal(0, 0.02)
        humidity = 40 + 2 * np.sin(row / 900) + random.normal(0, 0.05)
        room = 1 + 0.004 * (temperature - 25) + 0.003 * (humidity - 40)
        counts = _CLEAN * self._level * room * np.exp(self._drift + random.normal(0, _NOISE, len(CHANNELS)))
        values = dict(zip(CHANNELS, np.round(counts).tolist(), strict=True))
        values |= {"Temperature": round(float(temperature), 2), "Humidity": round(float(humidity), 2)}
        return Frame(self._start + row, values, self.name, row, float(row))

    def close(self) -> None:
        """End it."""
        self._closed = True

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
