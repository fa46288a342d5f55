"""Cutting a recording into the batches of windows that a nose reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.windows import LEAST, RATE, cut, resample

_BATCH = 64
LEAST_CHANNELS = 2  # one alone has nothing to be compared with
_WHOLE = 0.9  # of a window: frames seldom begin and end with it


@dataclass(frozen=True, slots=True, eq=False)
class CutWindows:
    """A recording's windows.

    Parameters
    ----------
    batches : tuple of array (N, T, C), float64
        Windows of one length each, at one frame a second; NaN where a channel has no value.
    order : array (windows,)
        Which row of all batches, one after the other, is the first window in time, the second, and so on.
    ends : array (windows,), float64
        Seconds from the recording's start to each window's last frame, rising.
    seconds : array (windows,), float64
        How long each is.
    heard : tuple of bool
        Which channels have a value at all.
    """

    batches: tuple[NDArray[np.float64], ...]
    order: NDArray[np.int64]
    ends: NDArray[np.float64]
    seconds: NDArray[np.float64]
    heard: tuple[bool, ...]


def is_whole(seconds: float, window: float) -> bool:
    """Say whether a window is as long as a model's are, but for what falls between two frames of a slow board.

    >>> is_whole(98, 100), is_whole(60, 100)
    (True, False)
    """
    return seconds >= _WHOLE * window


def cut_windows(recording: Recording, columns: list[int], window: float, hop: float) -> CutWindows:
    """Resample and cut the chosen channels of a recording.

    Raises
    ------
    RecordingError
        Fewer than two frames, or nowhere two channels with values for long enough.
    """
    by_length: dict[int, list[tuple[float, NDArray[np.float64]]]] = {}
    for start, piece in resample(recording, columns):
        for begin, end in cut(len(piece), round(window * RATE), round(hop * RATE)):
            part = piece[begin:end]
            if np.isfinite(part).all(0).sum() >= LEAST_CHANNELS:
                by_length.setdefault(end - begin, []).append((start + (end - 1) / RATE, part))
    if not by_length:
        raise RecordingError(
            f"{recording.seconds:.0f} seconds, and nowhere two channels with values in each second",
            f"a stretch of at least {LEAST} seconds",
        )
    batches = tuple(
        np.stack([part for _, part in windows[i : i + _BATCH]])
        for windows in by_length.values()
        for i in range(0, len(windows), _BATCH)
    )
    ends = np.array([end for windows in by_length.values() for end, _ in windows])
    seconds = np.array([length / RATE for length, windows in by_length.items() for _ in windows])
    order = np.argsort(ends, kind="stable")
    heard = tuple(bool(np.isfinite(recording.values[:, place]).any()) for place in columns)
    return CutWindows(batches, order, ends[order], seconds[order], heard)
