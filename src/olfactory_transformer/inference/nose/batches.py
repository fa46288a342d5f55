"""A recording as curves that can be laid over those of other batches: one a channel.

A channel's curve is asinh(value / unit), with the channel's noise as the unit: far above the noise the logarithm of the
value, within the noise the value itself. It may be relative to the recording's own start; then neither the gain of a
session nor the drift of a board between batches counts, and neither does a smell that was there from the first second.
Channels of the room are left out: a warm day is no bad batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.sensors.channels import ROOM, places_of
from olfactory_transformer.sensors.recording import Recording

START_SECONDS = 10.0  # whose median a curve is relative to
MOST_STEPS = 600  # of a curve: longer batches are sampled more rarely

Floats = NDArray[np.float64]
Against = Literal["level", "start"]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """At which moments curves are compared: 0, step, 2 step... seconds from a recording's start.

    Parameters
    ----------
    step : float
        Seconds; a sample is the mean of the frames in the step that ends there.
    count : int
    """

    step: float
    count: int

    @property
    def seconds(self) -> float:
        """Return how long a curve is."""
        return self.step * self.count

    @classmethod
    def over(cls, seconds: float) -> Grid:
        """Return one of at most `MOST_STEPS` whole seconds' steps.

        >>> Grid.over(600), Grid.over(3600)
        (Grid(step=1.0, count=600), Grid(step=6.0, count=600))
        """
        step = float(max(1, int(np.ceil(seconds / MOST_STEPS))))
        return cls(step, max(2, int(seconds // step)))


def gas_channels(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """Return the channels, but those of the room, that all recordings have, in the first one's order and letters.

    Raises
    ------
    RecordingError
        There is none.
    """
    first = [each.name for each in recordings[0].channels if each.kind not in ROOM]
    places = [places_of(one.names) for one in recordings]
    common = tuple(name for name in first if all(name.strip().lower() in each for each in places))
    if not common:
        raise RecordingError("recordings without a gas channel in common", "at least one")
    return common


def noise(recordings: Sequence[Recording], names: Sequence[str]) -> Floats:
    """Return the unit (channels,) of each channel: its median change from frame to frame, and never 0."""
    units = []
    for name in names:
        key = name.strip().lower()
        values = [one.values[:, places_of(one.names)[key]].astype(np.float64) for one in recordings]
        steps = np.concatenate([np.abs(np.diff(each)) for each in values])
        everything = np.concatenate(values)
        level = float(np.nanmedian(np.abs(everything))) if np.isfinite(everything).any() else 0.0
        moved = steps[steps > 0]  # most steps of a coarse converter are none
        units.append(max(float(np.median(moved)) if moved.size else 0.0, 1e-3 * level, 1e-9))
    return np.array(units)


def sampled(times: Floats, values: Floats, grid: Grid) -> Floats:
    """Return the mean of the frames in each step, (steps, channels); NaN where there is no number.

    Parameters
    ----------
    times : array (n,)
        Seconds from the recording's start.
    values : array (n, channels)
    grid : Grid
    """
    step = np.floor(times / grid.step + 1e-9).astype(np.int64)
    inside = (step >= 0) & (step < grid.count)
    total = np.zeros((grid.count, values.shape[1]))
    count = np.zeros_like(total)
    known = np.isfinite(values)
    np.add.at(total, step[inside], np.where(known, values, 0.0)[inside])
    np.add.at(count, step[inside], known[inside].astype(np.float64))
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def curves(
    recording: Recording, names: Sequence[str], units: Floats, grid: Grid, against: Against = "level"
) -> Floats:
    """Return a recording's curves (steps, channels); NaN where there is no number, or no start to be relative to.

    Parameters
    ----------
    recording : Recording
    names : sequence of str
        Of the channels wanted, in letters of any size; one that the recording does not have is all NaN.
    units : array (channels,)
    grid : Grid
    against : "level" or "start"
        What a curve is relative to: nothing, or the median of the recording's first 10 seconds.

    Examples
    --------
    >>> from olfactory_transformer.sensors.frame import Frame
    >>> frames = [Frame(float(t), {"CO": 100.0 if t < 20 else 200.0}) for t in range(30)]
    >>> curve = curves(Recording.of(frames), ["CO"], np.ones(1), Grid(1.0, 30), "start")[:, 0]
    >>> curve[[0, 19, 20]].round(3).tolist()  # the last is ln 2
    [0.0, 0.0, 0.693]
    """
    values = np.full((len(recording.times), len(names)), np.nan)
    places = places_of(recording.names)
    for column, name in enumerate(names):
        if (place := places.get(name.strip().lower())) is not None:
            values[:, column] = recording.values[:, place]
    times = recording.times - recording.times[0] if len(recording.times) else recording.times
    scaled = np.arcsinh(sampled(times, values, grid) / units)
    if against == "level":
        return scaled
    start = scaled[: max(1, int(START_SECONDS // grid.step))]
    known = np.isfinite(start).any(axis=0)
    level = np.full(len(names), np.nan)
    level[known] = np.nanmedian(start[:, known], axis=0)
    return scaled - level  # type: ignore[no-any-return]
