"""Frames of one board in a row, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.sensors.channels import Channel, channel
from olfactory_transformer.sensors.frame import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A board's frames over some time.

    Parameters
    ----------
    channels : tuple of Channel
        The columns.
    times : array (n,), float64
        Seconds, not falling; from the start of the recording or since 1970.
    values : array (n, channels), float32
        In the channels' units; NaN where there was no number.
    notes : mapping of str to str
        What is known besides: device, firmware, calibration, substance...

    Raises
    ------
    RecordingError
        When the shapes do not fit, a channel occurs twice, or times fall or are not finite.

    Examples
    --------
    >>> frames = [Frame(float(t), {"CO": 800.0 + t}) for t in range(3)]
    >>> recording = Recording.of(frames)
    >>> recording.values.shape, recording.seconds
    ((3, 1), 2.0)
    """

    channels: tuple[Channel, ...]
    times: NDArray[np.float64]
    values: NDArray[np.float32]
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", MappingProxyType(dict(self.notes)))
        n = len(self.times)
        if self.values.shape != (n, len(self.channels)):
            raise RecordingError(f"values of shape {self.values.shape}", f"({n}, {len(self.channels)})")
        if len(set(self.names)) < len(self.channels):
            raise RecordingError(f"channels {', '.join(self.names)}", "each name once")
        if not np.isfinite(self.times).all():
            raise RecordingError("a time that is not a number", "seconds")
        if (falls := np.flatnonzero(np.diff(self.times) < 0)).size:
            row = int(falls[0]) + 1
            raise RecordingError(
                f"time {self.times[row]:g} after {self.times[row - 1]:g}", "rising times", row
            )

    @classmethod
    def of(cls, frames: Iterable[Frame], notes: Mapping[str, str] | None = None) -> Recording:
        """Put frames in a row; channels in the order in which they first occur."""
        kept = list(frames)
        names = list(dict.fromkeys(name for frame in kept for name in frame.values))
        values = np.array(
            [[frame.values.get(name, np.nan) for name in names] for frame in kept], np.float32
        ).reshape(len(kept), len(names))
        times = np.array([frame.time for frame in kept], np.float64)
        return cls(tuple(channel(name) for name in names), times, values, notes or {})

    @property
    def names(self) -> tuple[str, ...]:
        """Return the channels' names."""
        return tuple(each.name for each in self.channels)

    @property
    def seconds(self) -> float:
        """Return the time from the first frame to the last."""
        return float(self.times[-1] - self.times[0]) if len(self.times) else 0.0
