"""A small made-up SmellNet: a few substances whose channels differ, in the layout of the data folder."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np

CHANNELS = (
    "NO2", "C2H5OH", "VOC", "CO", "Alcohol", "LPG", "Benzene",
    "Temperature", "Pressure", "Humidity", "Gas_Resistance", "Altitude",
)  # fmt: skip
SUBSTANCES = ("basil", "clove", "fennel", "garlic", "lemon", "mint")


def values(substance: str, seconds: int, random: np.random.Generator) -> np.ndarray:
    """Return (seconds, 12): each substance raises the six gas channels in proportions of its own."""
    own = np.random.default_rng(SUBSTANCES.index(substance) if substance in SUBSTANCES else 99)
    rise = own.uniform(0.0, 2.0, 6)
    t = np.arange(seconds)[:, None]
    base = np.array([40.0, 70.0, 80.0, 740.0, 4.0, 20.0])
    gas = base * np.exp(rise * (1 - np.exp(-t / 60)) * random.uniform(0.9, 1.1))
    gas = np.round(gas * np.exp(random.normal(0, 0.01, gas.shape)))
    room = np.array([25.0, 1010.0, 40.0, 300.0, 10.0]) + random.normal(0, 0.5, (seconds, 5))
    return np.column_stack([gas, np.where(random.random(seconds) < 0.5, 0, 4294967295), room])


def write_smellnet(data: Path, seconds: int = 130, seed: int = 0) -> Path:
    """Write `smellnet/train.csv.gz` into a data folder: five recordings of each substance."""
    random = np.random.default_rng(seed)
    folder = data / "smellnet"
    folder.mkdir(parents=True)
    with gzip.open(folder / "train.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["substance", "recording", "t", *CHANNELS])
        for substance in SUBSTANCES:
            for number in range(5):
                for t, row in enumerate(values(substance, seconds, random)):
                    writer.writerow([substance, f"{substance}.{number}", t, *(f"{x:g}" for x in row)])
    return data
