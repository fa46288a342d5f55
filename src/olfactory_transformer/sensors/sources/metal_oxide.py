"""A model of metal-oxide sensors, for boards that are made up.

The conductance G of a channel follows its steady value by a first-order lag, dG/dt = (G∞ - G) / τ, with one τ when gas
comes and a longer one when it goes (Monroy, González-Jiménez & Blanco 2012, "Overcoming the slow recovery of MOX gas
sensors through a system modeling approach", Sensors 12, 13664-13680). The steady value is a power law of the
concentration c, G∞ = G0 (1 + a c^b) (Clifford & Tuma 1983, "Characteristics of semiconductor gas sensors I", Sensors
and Actuators 3, 233-254). Temperature and humidity change G0, which also drifts: a line and a random walk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np

WARM, HUMID = 25.0, 40.0  # degC and %, at which G0 is stated
FULL_SCALE = 4095.0  # counts


@dataclass(frozen=True, slots=True)
class MetalOxide:
    """One channel.

    Parameters
    ----------
    name : str
    clean : float
        Counts in clean air of 25 degC and 40 %.
    laws : mapping of str to (float, float)
        By compound: a, in ppm^-b, and b.
    rise, fall : float
        Time constants in seconds.
    noise : float
        Standard deviation of a reading, as a part of it.
    walk : float
        Standard deviation of the random walk after one second, as a part.
    trend : float
        Drift in an hour, as a part.
    per_degree, per_percent : float
        By what part a degree and a percent of relative humidity raise it.

    Examples
    --------
    >>> sensor = MetalOxide("CO", 700.0, {"ethanol": (0.5, 0.5)})
    >>> sensor.steady("ethanol", 4.0), sensor.steady("water", 4.0)
    (2.0, 1.0)
    >>> round(sensor.after(1.0, 2.0, seconds=12.0), 3)
    1.632
    """

    name: str
    clean: float
    laws: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    rise: float = 12.0
    fall: float = 40.0
    noise: float = 0.01
    walk: float = 2e-5
    trend: float = 0.0
    per_degree: float = 0.004
    per_percent: float = 0.003

    def steady(self, compound: str | None, ppm: float) -> float:
        """Return G∞ / G0; 1 in clean air, and for a compound that it does not react to."""
        if compound is None or compound not in self.laws or ppm <= 0:
            return 1.0
        strength, power = self.laws[compound]
        return 1.0 + strength * math.pow(ppm, power)

    def after(self, level: float, steady: float, seconds: float) -> float:
        """Return G / G0 some seconds after it was `level`."""
        constant = self.rise if steady > level else self.fall
        return steady + (level - steady) * math.exp(-seconds / constant)

    def in_room(self, temperature: float, humidity: float) -> float:
        """Return by what factor the room changes G0."""
        return (1 + self.per_degree * (temperature - WARM)) * (1 + self.per_percent * (humidity - HUMID))


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the board smells for some time: a compound in ppm, or None for clean air."""

    seconds: float
    compound: str | None = None
    ppm: float = 0.0


def readings(
    sensors: Sequence[MetalOxide], schedule: Sequence[Exposure], *, seed: int, rate: float = 1.0
) -> Iterator[dict[str, float]]:
    """Yield what the board says, one reading after the other, without end: the schedule again and again.

    Parameters
    ----------
    sensors : sequence of MetalOxide
    schedule : sequence of Exposure
    seed : int
        Of the noise, the drift and the room.
    rate : float
        Readings a second.

    Yields
    ------
    dict of str to float
        Counts by channel, from 0 to 4095, and `Temperature` and `Humidity`.

    Examples
    --------
    >>> air = [Exposure(60.0)]
    >>> next(readings([MetalOxide("CO", 700.0, noise=0.0)], air, seed=1))["CO"]
    700.0
    """
    random = np.random.default_rng(seed)
    step = 1.0 / rate
    levels, drifts = [1.0] * len(sensors), np.zeros(len(sensors))
    walks = np.array([sensor.walk for sensor in sensors]) * math.sqrt(step)
    noises = np.array([sensor.noise for sensor in sensors])
    seconds = 0.0
    exposures = cycle(schedule)
    exposure, until = next(exposures), schedule[0].seconds
    while True:
        while seconds >= until:
            exposure = next(exposures)
            until += exposure.seconds
        drifts += random.normal(0.0, 1.0, len(sensors)) * walks
        noise = random.normal(0.0, 1.0, len(sensors)) * noises
        temperature = WARM + 0.5 * math.sin(seconds / 600) + random.normal(0, 0.02)
        humidity = HUMID + 2.0 * math.sin(seconds / 900) + random.normal(0, 0.05)
        found = {}
        for at, sensor in enumerate(sensors):
            levels[at] = sensor.after(levels[at], sensor.steady(exposure.compound, exposure.ppm), step)
            drift = math.exp(drifts[at] + noise[at]) * (1 + sensor.trend * seconds / 3600)
            counts = sensor.clean * levels[at] * sensor.in_room(temperature, humidity) * drift
            found[sensor.name] = float(round(min(max(counts, 0.0), FULL_SCALE)))
        yield found | {"Temperature": round(float(temperature), 2), "Humidity": round(float(humidity), 2)}
        seconds += step
