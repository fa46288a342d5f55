"""Frames of a board that there is not, with the channels of SmellNet, for measuring how they are served."""

from __future__ import annotations

import math
from collections.abc import Iterator

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


def lines(count: int) -> Iterator[str]:
    """Yield such frames as a board may write them, in CSV."""
    yield ",".join(LEVELS)
    for values in frames(count):
        yield ",".join(map(str, values.values()))
