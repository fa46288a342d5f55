"""Recordings that are made up: each smell moves the channels in its own proportions."""

from __future__ import annotations

import numpy as np

from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording

CHANNELS = ("NO2", "CO", "VOC", "Temperature")
SMELLS = {
    "coffee": (1.0, 0.2, 0.0),
    "tea": (0.0, 1.0, 0.4),
    "soap": (-0.3, 0.0, 1.0),
    "ether": (0.6, -1.0, -0.5),
}


def recording(
    smell: str = "coffee",
    seed: int = 0,
    seconds: int = 60,
    channels: tuple[str, ...] = CHANNELS,
    strength: float = 100.0,
) -> Recording:
    """A frame a second: the channels rise or fall from their level towards another, with noise of two counts."""
    rng = np.random.default_rng(seed)
    times = np.arange(float(seconds))
    rise = 1 - np.exp(-times / 60)
    columns = {
        name: level + strength * rng.uniform(0.9, 1.1) * share * rise
        for name, level, share in zip(CHANNELS, (400, 800, 300), SMELLS[smell], strict=False)
    }
    columns["Temperature"] = np.full(len(times), rng.uniform(20, 30))
    values = np.stack([columns[name] for name in channels], axis=1) + rng.normal(
        0, 2, (seconds, len(channels))
    )
    return Recording(tuple(map(channel, channels)), times, values.astype(np.float32))
