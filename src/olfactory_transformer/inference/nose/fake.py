"""A made-up nose for tests: it keeps the contract without a network, on whatever channels there are."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.inference.nose.contract import NoseReadings
from olfactory_transformer.sensors.channels import ROOM
from olfactory_transformer.sensors.recording import Recording

WIDTH = 16
SMELLS = ("clove", "garlic", "mint")


class FakeNose:
    """Says what a window smells of by how far each of its channels moved, compared with the others.

    Gas channels alone count, and neither their level nor how strong the smell is: windows whose channels rose and fell
    in the same proportions lie in one place. Without any movement the place is that of noise.

    Parameters
    ----------
    smells : sequence of str
    version : str
    window_seconds, hop_seconds : float

    Examples
    --------
    >>> from olfactory_transformer.sensors.frame import Frame
    >>> frames = [Frame(float(t), {"CO": 800.0 + t, "NO2": 200.0 - 2 * t}) for t in range(40)]
    >>> readings = FakeNose().read(Recording.of(frames))
    >>> readings.logits.shape, readings.embeddings.shape, readings.ends.tolist()
    ((3, 3), (3, 16), [19.0, 29.0, 39.0])
    """

    def __init__(
        self,
        smells: Sequence[str] = SMELLS,
        version: str = "made-up-nose@1",
        *,
        window_seconds: float = 20.0,
        hop_seconds: float = 10.0,
    ) -> None:
        self.smells, self.version = tuple(smells), version
        self.window_seconds, self.hop_seconds = window_seconds, hop_seconds

    def read(self, recording: Recording) -> NoseReadings:
        """Read each window; see `NoseModel.read`."""
        used = [i for i, each in enumerate(recording.channels) if each.kind not in ROOM]
        if not used:
            raise RecordingError(
                f"channels {', '.join(recording.names) or 'none'}", "at least one of a gas sensor"
            )
        if len(recording.times) < 2:
            raise RecordingError(f"{len(recording.times)} frames", "at least 2")
        at = recording.times - recording.times[0]
        last = max(float(at[-1]) - self.window_seconds, 0.0)
        # A frame a second is a window's last one a second before the window's end.
        starts = np.arange(0.0, last + 1e-9 + 1, self.hop_seconds)
        directions = np.stack([_direction(recording.channels[i].name) for i in used])
        windows = [
            _place(recording.values[(at >= start) & (at < start + self.window_seconds)][:, used], directions)
            for start in starts
        ]
        embeddings = np.stack(windows).astype(np.float32)
        ends = np.minimum(starts + self.window_seconds - 1, at[-1])
        named = np.stack([_direction(smell) for smell in self.smells])
        logits = (4 * embeddings @ named.T).astype(np.float32)
        heard = tuple(recording.channels[i].name for i in used)
        return NoseReadings(logits, embeddings, ends, heard, ends - starts + 1)


def _direction(name: str) -> NDArray[np.float64]:
    """Return a direction of length 1 that is always the same for a name."""
    drawn = np.random.default_rng(zlib.crc32(name.encode())).normal(size=WIDTH)
    return drawn / np.linalg.norm(drawn)


def _place(values: NDArray[np.float32], directions: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.nan_to_num(values.astype(np.float64), nan=0.0)
    moved = (
        np.abs(known - known[:1]).mean(axis=0) * np.sign(known[-1] - known[0] + 1e-12) if len(known) else 0.0
    )
    place = np.asarray(moved @ directions if len(known) else directions[0])
    length = float(np.linalg.norm(place))
    return place / length if length > 1e-9 else directions[0]
