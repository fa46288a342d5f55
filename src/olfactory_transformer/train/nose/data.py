"""SmellNet's recordings, and the folds in which they are held out."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording

# The gas channels with a range of values. Benzene is 0 or -1 as an unsigned number; the gas resistance comes from the
# sensor of the room's temperature and humidity, which is stuck for nine substances: it would tell those apart.
GAS = ("NO2", "C2H5OH", "VOC", "CO", "Alcohol", "LPG")
FLOORS = (1.0, 1.0, 1.0, 1.0, 2.0, 2.0)
FOLDS = 5
_FILE = Path("smellnet") / "train.csv.gz"
_TEXT = ("substance", "recording")


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One recording of a known substance.

    Parameters
    ----------
    substance, name : str
    fold : int
        0 to 4: the recording's place among those of its substance, so each fold has one of each.
    recording : Recording
        All channels.
    gas : array (seconds, 6), float32
        The channels of `GAS`, not below 0.
    """

    substance: str
    name: str
    fold: int
    recording: Recording
    gas: NDArray[np.float32]


def read_smellnet(data: Path) -> list[Labelled]:
    """Read `smellnet/train.csv.gz` of a data folder, sorted by substance and recording.

    Raises
    ------
    DataError
        The file is missing, or not what its README says.
    """
    path = data / _FILE
    if not path.is_file():
        raise DataError(f"{path}: missing; expected SmellNet's training recordings")
    rows: dict[tuple[str, str], list[list[float]]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if tuple(header[:2]) != _TEXT or "t" not in header or not set(GAS) <= set(header):
            raise DataError(f"{path}: got columns {', '.join(header)[:200]}")
        try:
            for row in reader:
                rows.setdefault((row[0], row[1]), []).append([float(cell or "nan") for cell in row[2:]])
        except (ValueError, IndexError) as error:
            raise DataError(f"{path}: line {reader.line_num}: {error}") from None
    names = header[2:]
    at, gas = names.index("t"), [names.index(name) for name in GAS]
    columns = [place for place in range(len(names)) if place != at]
    seen: Counter[str] = Counter()
    found = []
    for (substance, name), values in sorted(rows.items()):
        array = np.array(values)
        array = array[np.argsort(array[:, at], kind="stable")]
        recording = Recording(
            tuple(channel(names[place]) for place in columns),
            array[:, at],
            array[:, columns].astype(np.float32),
            {"substance": substance},
        )
        found.append(
            Labelled(
                substance,
                name,
                seen[substance] % FOLDS,
                recording,
                np.maximum(array[:, gas], 0).astype(np.float32),
            )
        )
        seen[substance] += 1
    return found


def smells_of(recordings: list[Labelled]) -> tuple[str, ...]:
    """Return the substances, sorted."""
    return tuple(sorted({each.substance for each in recordings}))
