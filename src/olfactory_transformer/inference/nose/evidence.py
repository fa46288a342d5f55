"""What the windows of a recording say together: names with probabilities, or that it is none of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.core.smells import Smell, SmellIdentification
from olfactory_transformer.inference.nose.contract import NoseReadings

_AGREEING = 3  # windows that end on the same name
_STILL = 0.02  # largest change of the first name's probability with the last window
_SURE = 0.6
_LEAST = 1e-3  # of an agreement: what is less tells no more
_TINY = 1e-6


class Evidence:
    """Gathers readings of one recording, in order, and answers at any time.

    The windows' probabilities are averaged, not multiplied: they overlap, and what is strange about a session
    is strange in all of them. How much surer many windows make is a number fitted on held-out recordings.

    Parameters
    ----------
    config : NoseConfig
        Of the model that made the readings.

    Examples
    --------
    >>> config = NoseConfig(("CO", "VOC"), ("clove", "mint"))
    >>> evidence = Evidence(config)
    >>> said = np.log(np.array([[0.8, 0.2], [0.9, 0.1]], np.float32))
    >>> ends, seconds = np.array([99.0, 124.0]), np.full(2, 100.0)
    >>> evidence.add(NoseReadings(said, np.ones((2, 1), np.float32), ends, ("CO", "VOC"), seconds))
    >>> answer = evidence.answer()
    >>> answer.name, round(answer.ranked[0].probability, 2), answer.windows
    ('clove', 0.85, 2)
    """

    def __init__(self, config: NoseConfig) -> None:
        self._config = config
        self._logits: list[NDArray[np.float32]] = []
        self._agreement: list[float] = []
        self._seconds = 0.0
        self._channels: dict[str, None] = {}

    def add(self, readings: NoseReadings) -> None:
        """Take what comes after what was added before."""
        self._logits.extend(readings.logits)
        alone = np.full(len(readings.logits), np.nan)
        self._agreement.extend(alone if readings.agreement is None else readings.agreement)
        self._channels.update(dict.fromkeys(readings.channels))
        if len(readings.ends):
            self._seconds = max(self._seconds, float(readings.ends[-1]) + 1.0)

    def answer(self) -> SmellIdentification:
        """Return what all of it says; without a window, nothing is ranked and `unknown` is 1."""
        config = self._config
        version = f"{config.name}@{config.version}"
        if not self._logits:
            return SmellIdentification((), unknown=1.0, model_version=version)
        probabilities, unknown = probabilities_of(np.stack(self._logits), np.array(self._agreement), config)
        order = np.argsort(-probabilities, kind="stable")
        ranked = tuple(Smell(config.smells[i], float(probabilities[i])) for i in order)
        return SmellIdentification(
            ranked,
            unknown=unknown,
            seconds=self._seconds,
            windows=len(self._logits),
            settled=self._settled(int(order[0]), float(probabilities[order[0]])),
            channels=tuple(self._channels),
            model_version=version,
        )

    def _settled(self, first: int, probability: float) -> bool:
        if len(self._logits) <= _AGREEING or probability < _SURE:
            return False
        said = np.stack(self._logits)
        if any(int(row.argmax()) != first for row in said[-_AGREEING:]):
            return False
        before, _ = probabilities_of(said[:-1], np.array(self._agreement[:-1]), self._config)
        return abs(float(before[first]) - probability) <= _STILL


def strangeness(logits: NDArray[np.floating], agreement: NDArray[np.floating]) -> tuple[float, bool]:
    """Return how little speaks for any of the smells, 0 or more, and whether both network and forest were asked.

    They were if the forest was asked of half the windows. Then it is minus the logarithm of how probable it is that
    they mean the same smell; else of how probable the first smell is.

    Parameters
    ----------
    logits : array (windows, smells)
    agreement : array (windows,)
        As in `NoseReadings`; NaN where the forest was not asked.

    Examples
    --------
    >>> said = np.log(np.array([[0.5, 0.5], [0.5, 0.5]]))
    >>> strangeness(said, np.array([0.25, np.nan]))[0].__round__(3), strangeness(said, np.full(2, np.nan))[1]
    (1.383, False)
    """
    asked = np.isfinite(agreement)
    if 2 * asked.sum() >= len(agreement):
        return float(-np.log((agreement[asked].mean() + _LEAST) / (1 + _LEAST))), True
    return float(-np.log(mean_probabilities(logits).max())), False


def probabilities_of(
    logits: NDArray[np.floating], agreement: NDArray[np.floating], config: NoseConfig
) -> tuple[NDArray[np.float64], float]:
    """Return the probability of each smell (smells,), and that of none of them; together they sum to 1.

    Parameters
    ----------
    logits : array (windows, smells)
    agreement : array (windows,)
        See `strangeness`.
    config : NoseConfig
    """
    strange, both = strangeness(logits, agreement)
    of_these = slice(0, 2) if both else slice(2, 4)
    smells = sharpened(mean_probabilities(logits), len(logits), config.sharpness[of_these])
    unknown = 0.0
    if config.unknown:
        bias, slope = config.unknown[of_these]
        unknown = float(1 / (1 + np.exp(-np.clip(bias + slope * strange, -50, 50))))
    return smells * (1 - unknown), unknown


def mean_probabilities(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean over the windows of each smell's probability, (windows, smells) -> (smells,).

    >>> mean_probabilities(np.log([[0.5, 0.5], [1.0, 1e-9]])).round(2).tolist()
    [0.75, 0.25]
    """
    each = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return np.asarray((each / each.sum(1, keepdims=True)).mean(0))


def sharpened(
    means: NDArray[np.float64], windows: NDArray[np.int64] | int, sharpness: tuple[float, ...]
) -> NDArray[np.float64]:
    """Return mean probabilities (..., smells) made as sure as so many windows (...) make them."""
    base, more = sharpness
    power = np.maximum(base + more * np.log(windows), 0.05)
    scaled = np.log(means + _TINY) * np.asarray(power)[..., None]
    odds = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(odds / odds.sum(-1, keepdims=True))
