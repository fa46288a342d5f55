"""What a session does to a board's counts: found from smells that are known, and undone before the next is named.

Another day, another room and an ageing sensor change each channel by a gain and an offset. A recording of a smell whose
usual counts the model knows shows both, and several show them well: the maximum a posteriori estimate, with the spread
of sessions and that of recordings of one smell as Gaussian priors (Gauss-Newton on the logarithms, and Huber's weights
for what fits badly). Counts decide nothing themselves: they only tell how far to go back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.contract import NoseModel, NoseReadings
from olfactory_transformer.inference.nose.enrolment import Enrolled
from olfactory_transformer.sensors.channels import places_of
from olfactory_transformer.sensors.recording import Recording

Floats = NDArray[np.float64]
_STEPS = 20
_LONGEST_STEP = 1.0  # of the log gain
_DONE = 1e-4
_HUBER = 2.0  # standard deviations from which a recording counts for less


@dataclass(frozen=True, slots=True, eq=False)
class SessionShift:
    """A session of one board.

    Parameters
    ----------
    channels : tuple of str
    gain, offset : array (channels,)
        Of the logarithm, and in counts: a session makes exp(gain) x counts + offset of what is usual.
    recordings : int
        That showed it.
    """

    channels: tuple[str, ...]
    gain: Floats
    offset: Floats
    recordings: int

    def undo(self, recording: Recording) -> Recording:
        """Return a recording as it would have been in the usual session; other channels are left as they are."""
        values = recording.values.copy()
        places = places_of(recording.names)
        for name, gain, offset in zip(self.channels, self.gain, self.offset, strict=True):
            if (place := places.get(name.lower())) is not None:
                values[:, place] = np.maximum(values[:, place] - offset, 0) * np.exp(-gain)
        return replace(recording, values=values)


def shift_of(usual: Floats, heard: Floats, config: NoseConfig) -> SessionShift:
    """Estimate a session from recordings of known smells.

    Parameters
    ----------
    usual, heard : array (recordings, channels)
        Mean counts of each recording: of its smell in the sessions that the model learned from, and now. NaN: unknown.
    config : NoseConfig

    Examples
    --------
    >>> config = NoseConfig(("CO", "VOC"), ("clove",), (1.0, 1.0), level_spread=(0.1, 0.1),
    ...     session_gain=(0.5, 0.5), session_offset=(3.0, 3.0))
    >>> usual = np.array([[100.0, 50.0], [800.0, 20.0], [400.0, 90.0]])
    >>> shift_of(usual, 1.5 * usual, config).gain.round(1).tolist()
    [0.4, 0.4]
    """
    floors = np.array(config.floors)
    known = np.isfinite(usual) & np.isfinite(heard)
    usual, heard = np.where(known, usual, 1.0), np.where(known, heard, 1.0)
    spread = np.array(config.level_spread)
    prior = np.stack([np.array(config.session_gain), np.array(config.session_offset)], 1) ** -2.0  # (C, 2)
    at = np.zeros((len(floors), 2))
    for _ in range(_STEPS):
        scaled = usual * np.exp(at[:, 0])
        expected = np.maximum(scaled + at[:, 1], 0) + floors
        missed = np.log(heard + floors) - np.log(expected)
        weight = known * np.minimum(1, _HUBER * spread / np.maximum(np.abs(missed), 1e-9)) / spread**2
        slopes = np.stack([scaled / expected, 1 / expected], -1)  # (recordings, C, 2)
        curve = np.einsum("nc,nci,ncj->cij", weight, slopes, slopes) + prior[:, :, None] * np.eye(2)
        pull = np.einsum("nc,nci,nc->ci", weight, slopes, missed) - prior * at
        step = np.linalg.solve(curve, pull[..., None])[..., 0]
        at = at + step * np.minimum(1, _LONGEST_STEP / np.maximum(np.abs(step[:, :1]), 1e-9))
        if np.abs(step[:, 0]).max() < _DONE:
            break
    return SessionShift(config.channels, at[:, 0], at[:, 1], len(usual))


def shows_session(smell: Enrolled, config: NoseConfig) -> bool:
    """Say whether the model knows the usual counts of a taught smell, and with them what the session does to it."""
    return bool(config.levels) and smell.name in config.smells and smell.counts is not None


def session_of(taught: Sequence[Enrolled], config: NoseConfig) -> SessionShift | None:
    """Return the session that taught smells show, by those whose usual counts the model knows; None: by none.

    Parameters
    ----------
    taught : sequence of Enrolled
    config : NoseConfig
    """
    if not config.levels:
        return None
    levels = np.array(config.levels).reshape(len(config.smells), len(config.channels))
    usual, heard = [], []
    for each in taught:
        if each.counts is None or not shows_session(each, config):
            continue
        places = places_of(each.channels)
        for row in each.counts:
            usual.append(levels[config.smells.index(each.name)])
            known = [places.get(name.lower()) for name in config.channels]
            heard.append([np.nan if place is None else row[place] for place in known])
    return shift_of(np.array(usual), np.array(heard, np.float64), config) if usual else None


class SessionNose:
    """A nose that hears what it names as in the sessions it learned from; the contract is `NoseModel`.

    What is taught lies on its map as it was heard, and so does what is compared with it.

    Parameters
    ----------
    base : NoseModel
    shift : SessionShift
    """

    def __init__(self, base: NoseModel, shift: SessionShift) -> None:
        self._base, self.shift = base, shift
        self.smells, self.version = base.smells, base.version
        self.window_seconds, self.hop_seconds = base.window_seconds, base.hop_seconds

    def read(self, recording: Recording) -> NoseReadings:
        """Read each window twice: for its place as it is, for its name without the session."""
        usual = self._base.read(self.shift.undo(recording))
        here = self._base.read(recording)
        return replace(here, logits=usual.logits, agreement=usual.agreement)
