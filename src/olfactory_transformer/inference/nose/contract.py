"""What stands between the sensor transformer and whatever makes its numbers an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.sensors.recording import Recording


@dataclass(frozen=True, slots=True, eq=False)
class NoseReadings:
    """What the network said of each window of a recording.

    Parameters
    ----------
    logits : array (windows, smells), float32
        Log odds by the model's `smells`, before any calibration.
    embeddings : array (windows, embedding), float32
        Where each window lies on the map of smells; of length 1.
    ends : array (windows,), float64
        Seconds from the recording's first frame to the window's end.
    channels : tuple of str
        Those of the recording that were used.
    seconds : array (windows,), float64
        How long each window is: as long as the model's are, or less.
    agreement : array (windows,), float64, or None
        Probability that two opinions mean the same smell (`inference.nose.joined`); NaN, or None for all, where there
        was one alone.
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    ends: NDArray[np.float64]
    channels: tuple[str, ...]
    seconds: NDArray[np.float64]
    agreement: NDArray[np.float64] | None = None

    def window(self, row: int) -> NoseReadings:
        """Return what was said of one window."""
        at = slice(row, row + 1) if row != -1 else slice(-1, None)
        return NoseReadings(
            self.logits[at],
            self.embeddings[at],
            self.ends[at],
            self.channels,
            self.seconds[at],
            None if self.agreement is None else self.agreement[at],
        )


class NoseModel(Protocol):
    """A trained sensor transformer."""

    smells: tuple[str, ...]
    """The names that it was trained on."""
    version: str
    """As in `smellnet-base-v1@1.0.0`."""
    window_seconds: float
    """How long a window is."""
    hop_seconds: float
    """How far apart windows begin."""

    def read(self, recording: Recording) -> NoseReadings:
        """Resample, cut into windows, and run the network.

        A recording shorter than a window is one window, padded.

        Raises
        ------
        RecordingError
            When no channel can be used, or there are fewer than two frames.
        """
