"""Recordings at one rate, cut into windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.sensors.recording import Recording

RATE = 1.0  # frames a second, of SmellNet and of what is made of every other board's
GAP = 10.0  # seconds without a value over which a line is drawn; a longer gap ends a piece
LEAST = 10  # seconds; a piece that is shorter says nothing
MOST = 7 * 24 * 3600  # seconds; more frames a second of a longer recording would be gigabytes


def resample(recording: Recording, columns: list[int]) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Yield the recording's pieces without a gap, at one frame a second.

    Where the board sends faster, the frames of a second are averaged; where it sends slower, or a value is missing,
    a line is drawn from one value to the next, over no more than `GAP` seconds.

    Parameters
    ----------
    recording : Recording
    columns : list of int
        Which of its channels; at least one of them has a value in each second of a piece.

    Yields
    ------
    float
        Seconds from the recording's start to the piece's first frame.
    array (seconds, columns), float64
        NaN where a channel has no value over the whole of a gap.

    Raises
    ------
    RecordingError
        Fewer than two frames, or a recording of more than a week.

    Examples
    --------
    >>> from olfactory_transformer.sensors.channels import channel
    >>> twice_a_second = Recording((channel("CO"),), np.arange(40) / 2, np.arange(40.0)[:, None])
    >>> [(start, piece[:3, 0].tolist()) for start, piece in resample(twice_a_second, [0])]
    [(0.0, [0.5, 2.5, 4.5])]
    """
    if len(recording.times) < 2:
        raise RecordingError(f"{len(recording.times)} frames", "at least 2")
    if recording.seconds > MOST:
        raise RecordingError(f"{recording.seconds:.0f} seconds", f"at most {MOST}")
    second = np.floor((recording.times - recording.times[0]) * RATE + 1e-6).astype(np.int64)
    length = int(second[-1]) + 1
    grid = np.stack([_filled(second, recording.values[:, column], length) for column in columns], 1)
    heard = np.isfinite(grid).any(1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], heard, [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2):
        if end - start >= LEAST or (start == 0 and end == length):
            yield float(start) / RATE, grid[start:end]


def cut(length: int, window: int, hop: int) -> Iterator[tuple[int, int]]:
    """Yield where each window of a piece begins and ends; what is shorter than a window is one.

    Examples
    --------
    >>> list(cut(160, 100, 25)), list(cut(40, 100, 25))
    ([(0, 100), (25, 125), (50, 150)], [(0, 40)])
    """
    if length <= window:
        yield 0, length
        return
    for start in range(0, length - window + 1, hop):
        yield start, start + window


def _filled(second: NDArray[np.int64], values: NDArray[np.float32], length: int) -> NDArray[np.float64]:
    """Return a channel a second: means, then lines over short gaps, NaN over long ones."""
    good = np.isfinite(values)
    count = np.bincount(second[good], minlength=length)
    total = np.bincount(second[good], values[good].astype(np.float64), minlength=length)
    at = np.flatnonzero(count)
    if not at.size:
        return np.full(length, np.nan)
    means = total[at] / count[at]
    every = np.arange(length)
    line = np.interp(every, at, means)
    after = np.searchsorted(at, every)  # the first value at or after each second
    next_at = at[np.minimum(after, at.size - 1)]
    previous_at = at[np.maximum(np.where(next_at == every, after, after - 1), 0)]
    inside = (every >= at[0]) & (every <= at[-1])
    near = np.where(inside, next_at - previous_at <= GAP * RATE, np.abs(every - previous_at) < GAP * RATE)
    near |= ~inside & (np.abs(every - next_at) < GAP * RATE)
    return np.where(near, line, np.nan)
