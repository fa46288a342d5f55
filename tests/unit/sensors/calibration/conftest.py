"""A made-up board whose resistances are known: power laws, a room, noise, and an ADC behind voltage dividers."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording

START = 1_764_000_000.0
FULL, LOAD = 65535.0, 10.0  # counts, kOhm


@dataclass
class Board:
    """Three sensors: two with counts (`mq3` warmer air lowers), and one in kOhm."""

    r0: dict = field(default_factory=lambda: {"mq3": 60.0, "mq7": 25.0, "Gas_Resistance": 70.0})
    laws: dict = field(default_factory=lambda: {"mq3": (2.0, -0.6), "mq7": (1.5, -0.25)})  # of ethanol
    warmth: dict = field(default_factory=lambda: {"mq3": -0.01})  # decades a degC away from 25
    damp: dict = field(default_factory=lambda: {"mq3": -0.004, "mq7": -0.002})  # decades a % away from 40
    noise: float = 0.002  # decades
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def record(
        self, seconds=180, ppm=0.0, temperature=25.0, humidity=40.0, start=START, warming=0.0, shift=None
    ):
        """Record at 1 Hz; `warming`: decades that all levels fall meanwhile; `shift`: decades, by channel."""
        t = np.arange(seconds, dtype=float)
        warm, damp = (np.broadcast_to(np.asarray(v, float), t.shape) for v in (temperature, humidity))
        columns = {}
        for name, r0 in self.r0.items():
            logs = np.log10(r0) + self.rng.normal(0, self.noise, len(t)) - warming * t / seconds
            a, b = self.laws.get(name, (1.0, 0.0))
            if ppm:
                logs += np.log10(a * ppm**b) * (1 - np.exp(-t / 15))
            logs += self.warmth.get(name, 0) * (warm - 25) + self.damp.get(name, 0) * (damp - 40)
            logs += (shift or {}).get(name, 0)
            r = 10**logs
            columns[name] = r if name == "Gas_Resistance" else np.round(FULL * LOAD / (r + LOAD))
        columns |= {
            "Temperature": warm + self.rng.normal(0, 0.05, len(t)),
            "Humidity": damp + self.rng.normal(0, 0.1, len(t)),
            "Pressure": 1013 + self.rng.normal(0, 0.1, len(t)),
            "Altitude": 40 + self.rng.normal(0, 0.1, len(t)),
        }
        values = np.column_stack(list(columns.values())).astype(np.float32)
        return Recording(tuple(channel(name) for name in columns), start + t, values)


SCALES = {name: {"full_scale": FULL, "load": LOAD} for name in ("mq3", "mq7")}


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def scales():
    return SCALES


def with_column(recording, name, values):
    """Return the same recording with other values of one channel, added if it is new."""
    columns = dict(zip(recording.names, recording.values.T, strict=True))
    columns[name] = np.broadcast_to(np.asarray(values, np.float32), recording.times.shape)
    return Recording(
        tuple(channel(each) for each in columns),
        recording.times,
        np.column_stack(list(columns.values())),
        recording.notes,
    )


@pytest.fixture
def replaced():
    return with_column
