"""Another day, made: what changes between two sessions of one board, and how much.

Almost every substance of SmellNet was recorded in one session, so a network that is to work on another day must learn
from made-up sessions. Size 1 is the standard deviation, over sessions, of a channel's gain and offset, as substances
with several sessions and the levels of days with weakly smelling substances show it (`docs/results/sensors.md`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.train.nose.data import GAS

# By channel, in the order of `GAS`: log gain, and counts of offset.
GAIN = np.array([0.12, 0.09, 0.12, 0.02, 0.6, 0.6])
OFFSET = np.array([2.0, 3.0, 4.0, 15.0, 1.0, 2.0])
SLOPE = 0.3  # of the gain's standard deviation, over a window or recording


def draw(size: NDArray[np.floating] | float, count: int, random: np.random.Generator) -> Session:
    """Draw `count` sessions of a size, 0 for none."""
    scale = np.broadcast_to(np.asarray(size, np.float64), (count,))[:, None]
    normal = random.standard_normal((3, count, len(GAS)))
    return Session(normal[0] * GAIN * scale, normal[1] * SLOPE * GAIN * scale, normal[2] * OFFSET * scale)


class Session:
    """What sessions do to a board's counts.

    Parameters
    ----------
    gain, slope, offset : array (sessions, 6)
        Log gain; change of the gain from the start to the end; counts.
    """

    def __init__(
        self, gain: NDArray[np.float64], slope: NDArray[np.float64], offset: NDArray[np.float64]
    ) -> None:
        self.gain, self.slope, self.offset = gain, slope, offset

    def apply(self, counts: NDArray[np.floating]) -> NDArray[np.float32]:
        """Shift counts (sessions, seconds, 6), a session each; or (seconds, 6) by the only one.

        Examples
        --------
        >>> session = draw(1.0, 1, np.random.default_rng(0))
        >>> session.apply(np.full((100, 6), 50.0)).shape
        (100, 6)
        """
        one = counts.ndim == 2
        batch = counts[None] if one else counts
        time = np.linspace(-0.5, 0.5, batch.shape[1])[None, :, None]
        shifted = batch * np.exp(self.gain)[:, None] * (1 + self.slope[:, None] * time) + self.offset[:, None]
        result = np.maximum(shifted, 0).astype(np.float32)
        return result[0] if one else result
