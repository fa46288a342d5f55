"""Naming what a user has taught: by the distance to its recordings, with a way to say that it is none of them.

A smell's distance is that to its nearest recording, squared and in units of how far its recordings lie from each other.
Its weight falls as that of Student's t, (1 + distance / spread)^-3, and `unknown` has the weight of a smell at 1.5
spreads. Few recordings say little of their spread, so it is mixed with that of all smells, and that with what was usual
of substances that a model had not learned. These four numbers were chosen on SmellNet's training recordings, with an
embedding by linear discriminants that had not seen the substances it was asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import ModelForeign, UnknownSmell
from olfactory_transformer.core.smells import Smell, SmellIdentification
from olfactory_transformer.inference.nose.contract import NoseReadings
from olfactory_transformer.inference.nose.enrolment import (
    Enrolled,
    Floats,
    left_out,
    place,
    squared_distances,
)

POWER = 3.0
OUTSIDE = 1.5  # spreads from every recording, at which `unknown` is as probable as a smell
USUAL_SPREAD = 0.2  # squared distance of a recording from the nearest other of its smell
USUAL_WEIGHT = 10.0  # recordings that the above counts for
ENOUGH = 3  # recordings of a smell
SETTLED_WINDOWS = 3  # that change the answer by no more than...
SETTLED_CHANGE = 0.05  # ...this, half the sum of the probabilities' changes


class Evidence(Protocol):
    """What is gathered of one smell, as in `inference.nose.evidence`."""

    def add(self, readings: NoseReadings) -> None: ...  # noqa: D102
    def answer(self) -> SmellIdentification: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Report:
    """How well the taught smells can be told apart, each recording named by all the others.

    Parameters
    ----------
    asked, right : int
        Recordings that could be left out, since their smell has others; and those that were named rightly.
    confused : tuple of (str, str, int)
        A smell, what its recordings were taken for instead (`unknown` too), and how often.
    warnings : tuple of str
        For people: too few recordings, recordings of one name that disagree, names that cannot be told apart.
    """

    asked: int
    right: int
    confused: tuple[tuple[str, str, int], ...] = ()
    warnings: tuple[str, ...] = ()


class Taught:
    """The smells that a user has taught, on the map of one model.

    Parameters
    ----------
    smells : sequence of Enrolled
        Each name once.
    model_version : str
        Of the model whose readings are to be named.

    Raises
    ------
    UnknownSmell
        There is no smell.
    ModelForeign
        A smell lies on the map of another version of the model, where its place means nothing.

    Examples
    --------
    >>> across = [Enrolled(n, np.eye(3, dtype=np.float32)[[i]], "m@1") for i, n in enumerate(("tea", "coffee"))]
    >>> taught = Taught(across, "m@1")
    >>> probabilities, unknown = taught.chances(np.array([[1, 0.1, 0]], np.float32))
    >>> probabilities.round(2).tolist(), round(unknown, 2)
    ([0.93, 0.0], 0.07)
    """

    def __init__(self, smells: Sequence[Enrolled], model_version: str) -> None:
        if not smells:
            raise UnknownSmell("no smell has been taught; expected at least one")
        if old := [each.name for each in smells if each.model_version != model_version]:
            raise ModelForeign(
                f"{', '.join(old)}: taught to another model than {model_version}; enrol the recordings again"
            )
        self.smells, self.model_version = tuple(smells), model_version
        self.names = tuple(each.name for each in smells)
        self._spreads = _spreads([each.prototypes for each in smells])

    def chances(self, embeddings: Floats) -> tuple[NDArray[np.float64], float]:
        """Return how probable each smell is by windows of one recording, and that it is none of them.

        Parameters
        ----------
        embeddings : array (windows, embedding), float32
        """
        here = place(embeddings)[None]
        nearest = np.array([squared_distances(here, each.prototypes).min() for each in self.smells])
        return _chances(nearest, self._spreads)

    def report(self) -> Report:
        """Name each recording by all the others, and say what that shows."""
        asked, right = 0, 0
        confused: dict[tuple[str, str], int] = {}
        rows = [each.prototypes for each in self.smells]
        for smell, own in enumerate(rows):
            for left in range(len(own) if len(own) > 1 else 0):
                others = [*rows]
                others[smell] = np.delete(own, left, axis=0)
                nearest = np.array([squared_distances(own[[left]], each).min() for each in others])
                probabilities, unknown = _chances(nearest, _spreads(others))
                best = int(probabilities.argmax())
                said = self.names[best] if probabilities[best] >= unknown else "unknown"
                asked, right = asked + 1, right + (said == self.names[smell])
                if said != self.names[smell]:
                    pair = (self.names[smell], said)
                    confused[pair] = confused.get(pair, 0) + 1
        found = tuple((*pair, count) for pair, count in confused.items())
        return Report(asked, right, found, tuple(self._warnings(found)))

    def _warnings(self, confused: Sequence[tuple[str, str, int]]) -> list[str]:
        said = []
        for each in self.smells:
            if each.recordings < ENOUGH:
                said.append(f"{each.name}: {each.recordings} of {ENOUGH} recordings; more make it surer")
        for name, other, count in confused:
            of = next(each.recordings for each in self.smells if each.name == name)
            if other == "unknown":
                said.append(f"{name}: {count} of {of} recordings are unlike the others of the same name")
            else:
                said.append(f"{name}: {count} of {of} recordings are taken for {other}")
        single = [each for each in self.smells if each.recordings == 1]
        for i, one in enumerate(single):  # they could not be left out
            for other_smell in single[i + 1 :]:
                near = float(squared_distances(one.prototypes, other_smell.prototypes)[0, 0])
                if near < USUAL_SPREAD / 4:
                    said.append(f"{one.name} and {other_smell.name} lie so near that they will be confused")
        return said


class TaughtEvidence:
    """What has been gathered of one smell, named by what was taught; used as `Evidence` is.

    Parameters
    ----------
    taught : Taught
    base : Evidence or None
        That of the model's own smells: what is none of the taught ones is then whatever the base says. None: taught
        smells alone, as for a board that the model never saw.
    """

    def __init__(self, taught: Taught, base: Evidence | None = None) -> None:
        self._taught, self._base = taught, base
        self._embeddings: list[Floats] = []
        self._end = 0.0
        self._channels: tuple[str, ...] = ()

    def add(self, readings: NoseReadings) -> None:
        """Take the readings of further windows."""
        self._embeddings.append(readings.embeddings)
        if len(readings.ends):  # a frame is a second's
            self._end = max(self._end, float(readings.ends[-1]) + 1.0)
        self._channels = readings.channels
        if self._base is not None:
            self._base.add(readings)

    def answer(self) -> SmellIdentification:
        """Return what all windows so far say; without a window, nothing is ranked and `unknown` is 1."""
        if not self._embeddings:
            return SmellIdentification((), unknown=1.0, model_version=self._taught.model_version)
        windows = np.concatenate(self._embeddings)
        chances, unknown = self._taught.chances(windows)
        settled = len(windows) > SETTLED_WINDOWS
        for earlier in range(max(1, len(windows) - SETTLED_WINDOWS), len(windows)):
            before, before_unknown = self._taught.chances(windows[:earlier])
            moved = (np.abs(chances - before).sum() + abs(unknown - before_unknown)) / 2
            settled = settled and bool(moved <= SETTLED_CHANGE)
        found = dict(zip(self._taught.names, chances.tolist(), strict=True))
        warnings = self._missing()
        if self._base is not None:
            below = self._base.answer()
            for each in below.ranked:  # a smell of the base that was taught, too, is one smell
                found[each.name] = found.get(each.name, 0.0) + unknown * each.probability
            # Where what was taught says nearly all, the base need not have settled.
            settled = settled and (below.settled or unknown <= SETTLED_CHANGE)
            unknown, warnings = unknown * below.unknown, (*warnings, *below.warnings)
        ranked = sorted(found.items(), key=lambda item: -item[1])
        return SmellIdentification(
            ranked=tuple(Smell(name, chance) for name, chance in ranked),
            unknown=unknown,
            seconds=self._end,
            windows=len(windows),
            settled=settled,
            channels=self._channels,
            warnings=tuple(dict.fromkeys(warnings)),
            model_version=self._taught.model_version,
        )

    def _missing(self) -> tuple[str, ...]:
        """Return a warning for every channel that the smells were taught with and that is not there now."""
        used = dict.fromkeys(name for each in self._taught.smells for name in each.channels)
        return tuple(f"missing:{name}" for name in used if name not in self._channels)


def _spreads(rows: Sequence[Floats]) -> NDArray[np.float64]:
    """Return the spread (smells,) of each smell, drawn towards that of all, and that towards the usual."""
    apart = [left_out(each) for each in rows]
    together = np.concatenate(apart)
    pooled = (together.sum() + USUAL_WEIGHT * USUAL_SPREAD) / (len(together) + USUAL_WEIGHT)
    return np.array([(own.sum() + USUAL_WEIGHT * pooled) / (len(own) + USUAL_WEIGHT) for own in apart])


def _chances(nearest: NDArray[np.float64], spreads: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the probabilities (smells,) by squared distances (smells,) and spreads (smells,), and of none."""
    weights = np.append((1 + nearest / spreads) ** -POWER, (1 + OUTSIDE) ** -POWER)
    shares = weights / weights.sum()
    return shares[:-1], float(shares[-1])
