"""A nose without training, for boards that no model knows: windows lie close together when their features are alike.

The features of `sensors.features` are spread over random waves (Rahimi & Recht 2007, "Random features for large-scale
kernel machines"), so that the product of two embeddings is a Gaussian kernel of the features' distance. The waves
of a pair of channels depend on the channels' names alone: the same board always gets the same map.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.inference.nose.contract import NoseModel, NoseReadings
from olfactory_transformer.inference.nose.reading import cut_windows
from olfactory_transformer.sensors.channels import ROOM, named_alone
from olfactory_transformer.sensors.features import (
    CHANNEL_FEATURES,
    LEVELS,
    PAIR_FEATURES,
    Features,
    features_of,
)
from olfactory_transformer.sensors.recording import Recording

WAVES = 256
# Chosen on SmellNet, where anything from half to twice as much is as good: what two features differ by, over which they
# count as different: ratios, correlations, and each channel's moves.
_OTHERS = PAIR_FEATURES - LEVELS
PAIR_SPREADS = np.repeat([0.25 * np.sqrt(LEVELS), 0.5 * np.sqrt(_OTHERS)], [LEVELS, _OTHERS])
CHANNEL_SPREAD = 0.8
MOST_CHANNELS = 64


class PlainNose:
    """Knows no smell by itself; smells are taught. The contract is `NoseModel`.

    Examples
    --------
    >>> from olfactory_transformer.sensors.frame import Frame
    >>> frames = [Frame(float(t), {"mq3": 300.0 + t, "mq135": 120.0}) for t in range(120)]
    >>> readings = PlainNose().read(Recording.of(frames))
    >>> readings.embeddings.shape, readings.logits.shape
    ((1, 512), (1, 0))
    """

    smells: tuple[str, ...] = ()
    version = "plain@2"
    window_seconds = 100.0
    hop_seconds = 25.0

    def read(self, recording: Recording) -> NoseReadings:
        """Read each window of all gas channels; see `NoseModel.read`."""
        gas = named_alone([each.name for each in recording.channels if each.kind not in ROOM])
        used = [place for place, name in enumerate(recording.names) if name in gas]
        if len(used) < 2:
            raise RecordingError(
                f"channels {', '.join(recording.names)[:200] or 'none'}", "at least two of gas sensors"
            )
        if len(used) > MOST_CHANNELS:
            raise RecordingError(f"{len(used)} gas channels", f"at most {MOST_CHANNELS}")
        # In the order of their names, which is the same whatever the file's.
        used.sort(key=lambda place: recording.names[place])
        names = [recording.names[place] for place in used]
        cut = cut_windows(recording, used, self.window_seconds, self.hop_seconds)
        frequencies = _frequencies(names)
        said = [_embed(features_of(windows, np.ones(len(used))), frequencies) for windows in cut.batches]
        embeddings = np.concatenate(said)[cut.order]
        heard = tuple(name for name, there in zip(names, cut.heard, strict=True) if there)
        return NoseReadings(
            np.zeros((len(embeddings), 0), np.float32), embeddings, cut.ends, heard, cut.seconds
        )


def model_for(recording: Recording, base: NoseModel, known: tuple[str, ...]) -> NoseModel:
    """Return `base` if it knows most of a recording's gas channels, else a plain nose.

    Parameters
    ----------
    recording : Recording
    base : NoseModel
    known : tuple of str
        The channels of `base`.
    """
    found = [each.name for each in recording.channels if each.kind not in ROOM]
    gas = {name.strip().lower() for name in named_alone(found)}
    common = gas & {name.lower() for name in known}
    return base if len(common) >= 2 and len(common) * 2 >= len(gas) else PlainNose()


def _frequencies(names: list[str]) -> NDArray[np.float32]:
    """Return the waves' frequencies (P x 7 + C x 14, WAVES), of unit variance, drawn by the channels' names."""
    rows = []
    for i, name in enumerate(names):
        for other in names[:i]:
            rows.append(_drawn(f"{name}/{other}", PAIR_FEATURES))
    rows += [_drawn(name, CHANNEL_FEATURES) for name in names]
    return np.concatenate(rows)


def _drawn(key: str, count: int) -> NDArray[np.float32]:
    return np.random.default_rng(zlib.crc32(key.encode())).standard_normal((count, WAVES)).astype(np.float32)


def _embed(said: Features, frequencies: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return embeddings (N, 2 WAVES) of length 1. Missing channels count for nothing, and the rest for more."""
    count = len(said.present)
    first, second = np.tril_indices(said.present.shape[1], -1)
    pairs = np.maximum((said.present[:, first] * said.present[:, second]).sum(1), 1)[:, None, None]
    channels = said.present.sum(1)[:, None, None]
    numbers = np.concatenate(
        [
            (said.pairs / (PAIR_SPREADS * np.sqrt(pairs))).reshape(count, -1),
            (said.channels / (CHANNEL_SPREAD * np.sqrt(channels * CHANNEL_FEATURES))).reshape(count, -1),
        ],
        1,
    )
    angles = numbers @ frequencies
    return np.asarray(np.concatenate([np.cos(angles), np.sin(angles)], 1) / np.sqrt(WAVES), np.float32)
