"""What a window says of a smell and not of the session: ratios between channels, and how each one moves.

A metal-oxide sensor's level depends on the sensor, its age, the air and the room; none of it reaches the network as
such. Levels enter as the logarithm of the ratio of two channels alone, so whatever multiplies all of them alike is
gone; each channel enters by differences at several lags and by its deviations from the window's own mean.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LAGS = (5, 10, 25, 50)  # seconds
QUANTILES = (0.05, 0.25, 0.75, 0.95)
SEGMENTS = 5
TOGETHER = (1, 5, 25)  # seconds; and the deviations from the mean
LEVELS = 3 + len(QUANTILES)
PAIR_FEATURES = LEVELS + 1 + len(TOGETHER)
CHANNEL_FEATURES = 1 + 2 * len(LAGS) + SEGMENTS
_QUIET = 0.01
_STILL = 0.003  # a move that is less than that of one count is that of no channel


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """N windows of C channels, P = C (C - 1) / 2 pairs.

    Parameters
    ----------
    pairs : array (N, P, 11), float32
        Log ratio of two channels: of their means, of four quantiles, and of the means of the first and last fifth; then
        the correlation of their deviations from the mean, and of their differences over 1, 5 and 25 s.
    channels : array (N, C, 14), float32
        Logarithm of the standard deviation; at each lag the mean difference and the logarithm of the
        differences' standard deviation; the deviation of each fifth from the mean of the window.
    present : array (N, C), float32
        1 where the board has the channel, else 0; what a missing one says is 0.
    """

    pairs: NDArray[np.float32]
    channels: NDArray[np.float32]
    present: NDArray[np.float32]

    @property
    def flat(self) -> NDArray[np.float32]:
        """Return the numbers of each window side by side, (N, 11 P + 14 C): those of pairs, then those of channels."""
        count = len(self.present)
        return np.concatenate([self.pairs.reshape(count, -1), self.channels.reshape(count, -1)], 1)


def features_of(windows: NDArray[np.floating], floors: NDArray[np.floating]) -> Features:
    """Return the features of windows of one length.

    Parameters
    ----------
    windows : array (N, T, C)
        Counts, not below 0, a frame a second; a channel that is NaN anywhere in a window is missing from it.
    floors : array (C,)
        Added before the logarithm.

    Examples
    --------
    >>> quiet = np.full((1, 100, 2), [40.0, 80.0])
    >>> said = features_of(quiet, np.zeros(2))
    >>> said.pairs[0, 0, 0].round(3), said.present.tolist()
    (np.float32(0.693), [[1.0, 1.0]])
    """
    present = np.isfinite(windows).all(1)  # (N, C)
    logs = np.log(np.where(present[:, None], np.maximum(windows, 0) + floors, 1.0)).astype(np.float32)
    count, length = logs.shape[:2]
    means = logs.mean(1)  # (N, C)
    ordered = np.sort(logs, axis=1)
    fifth = max(length // SEGMENTS, 1)
    levels = [means, *(ordered[:, int(q * (length - 1))] for q in QUANTILES)]
    levels += [logs[:, :fifth].mean(1), logs[:, -fifth:].mean(1)]
    first, second = np.tril_indices(logs.shape[2], -1)
    numbers = [level[:, first] - level[:, second] for level in levels]
    for moved in (logs - means[:, None], *(logs[:, lag:] - logs[:, :-lag] for lag in TOGETHER)):
        numbers.append(_together(moved, first, second))
    pairs = np.stack(numbers, -1)

    quiet = np.log(logs.std(1) + _QUIET)
    moves = [quiet]
    for lag in LAGS:
        if lag < length:
            step = logs[:, lag:] - logs[:, :-lag]
            moves += [np.arcsinh(step.mean(1) * 30), np.log(step.std(1) + _QUIET)]
        else:  # too short to know; as a window in which nothing moves
            moves += [np.zeros_like(means), np.full_like(means, np.log(_QUIET))]
    edges = np.linspace(0, length, SEGMENTS + 1).astype(int)
    for start, end in itertools.pairwise(edges):
        part = logs[:, start : max(end, start + 1)].mean(1) if start < length else means
        moves.append(np.arcsinh((part - means) * 10))
    channels = np.stack(moves, -1)  # (N, C, 14)
    both = present[:, first] & present[:, second]
    return Features(
        (pairs * both[..., None]).astype(np.float32).reshape(count, -1, PAIR_FEATURES),
        (channels * present[..., None]).astype(np.float32),
        present.astype(np.float32),
    )


def _together(
    moved: NDArray[np.float32], first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return how much pairs of channels move together (N, P), -1 to 1, of moves (N, T, C); 0 where there are none."""
    length = max(moved.shape[1], 1)
    spread = np.sqrt(np.square(moved).sum(1) / length) + _STILL
    both = np.einsum("nti,ntj->nij", moved, moved) / length
    return np.asarray(both[:, first, second] / (spread[:, first] * spread[:, second]), np.float32)
