"""SmellNet's recordings, and the folds in which they are held out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.sensors.files import read_recordings
from olfactory_transformer.sensors.recording import Recording

# The gas channels with a range of values. Benzene is 0 or -1 as an unsigned number; the gas resistance comes from the
# sensor of the room's temperature and humidity, which is stuck for nine substances: it would tell those apart.
GAS = ("NO2", "C2H5OH", "VOC", "CO", "Alcohol", "LPG")
FLOORS = (1.0, 1.0, 1.0, 1.0, 2.0, 2.0)
FOLDS = 5
_FILE = Path("smellnet") / "train.csv.gz"


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
    read = []
    for name, recording in read_recordings(path):
        if not isinstance(recording, Recording):
            raise DataError(f"{path}: {name}: {recording}")
        if missing := [each for each in ("substance", "recording") if each not in recording.notes]:
            raise DataError(f"{path}: no column {missing[0]}")
        if missing := [each for each in GAS if each not in recording.names]:
            raise DataError(f"{path}: no column {missing[0]}")
        read.append((recording.notes["substance"], recording.notes["recording"], recording))
    seen: Counter[str] = Counter()
    found = []
    for substance, name, recording in sorted(read, key=lambda each: each[:2]):
        gas = recording.values[:, [recording.names.index(each) for each in GAS]]
        found.append(Labelled(substance, name, seen[substance] % FOLDS, recording, np.maximum(gas, 0)))
        seen[substance] += 1
    return found


def smells_of(recordings: list[Labelled]) -> tuple[str, ...]:
    """Return the substances, sorted."""
    return tuple(sorted({each.substance for each in recordings}))
