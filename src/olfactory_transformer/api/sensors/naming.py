"""From a recording, or from what was heard window by window, to the answer a client gets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from olfactory_transformer.core.smells import SmellIdentification
from olfactory_transformer.inference.nose.contract import NoseModel, NoseReadings
from olfactory_transformer.sensors.recording import Recording

REMEMBERED_SECONDS = 600.0  # of a stream: what was smelt before that says nothing about now


class Evidence(Protocol):
    """What `inference.nose.evidence.Evidence` does."""

    def add(self, readings: NoseReadings) -> None: ...  # noqa: D102
    def answer(self) -> SmellIdentification: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class WindowAnswer:
    """What was said of one window alone.

    Parameters
    ----------
    end : float
        Seconds from the recording's first frame to the window's end.
    answer : SmellIdentification
    """

    end: float
    answer: SmellIdentification


class Naming:
    """A model, and how its readings become an answer. Immutable, and so usable from any thread.

    Parameters
    ----------
    model : NoseModel
    evidence : callable
        Makes an `Evidence` with nothing in it.
    """

    def __init__(self, model: NoseModel, evidence: Callable[[], Evidence]) -> None:
        self.model, self._evidence = model, evidence

    def identify(
        self, recording: Recording, *, windows: bool = False
    ) -> tuple[SmellIdentification, list[WindowAnswer]]:
        """Return what a whole recording smells of; with `windows`, also what each of its windows alone does.

        Raises
        ------
        RecordingError
            The model can make nothing of it.
        """
        readings = self.model.read(recording)
        each = []
        if windows:
            for row in range(len(readings.ends)):
                one = _part(readings, row)
                each.append(WindowAnswer(float(one.ends[-1]), self.answer([one])))
        return self.answer([readings]), each

    def answer(self, heard: Sequence[NoseReadings]) -> SmellIdentification:
        """Return what readings in their order say together."""
        evidence = self._evidence()
        for readings in heard:
            evidence.add(readings)
        return evidence.answer()


class Heard:
    """The readings of a stream's windows, of which the last `REMEMBERED_SECONDS` count.

    Windows that are not full yet replace each other, as each holds all that the one before it held.

    Parameters
    ----------
    hop_seconds : float
        Of the model.
    """

    def __init__(self, hop_seconds: float) -> None:
        self._readings: deque[NoseReadings] = deque(maxlen=max(1, int(REMEMBERED_SECONDS / hop_seconds)))
        self._short = False

    def add(self, naming: Naming, recording: Recording, *, seconds: float, full: bool) -> SmellIdentification:
        """Read a window, and return what all of them say.

        Parameters
        ----------
        naming : Naming
        recording : Recording
            The window's frames.
        seconds : float
            How long has been listened, to the window's end.
        full : bool
            Whether it is as long as a window is.
        """
        readings = naming.model.read(recording)
        last = replace(_part(readings, len(readings.ends) - 1), ends=np.array([seconds]))
        if self._short and self._readings:
            self._readings.pop()
        self._short = not full
        self._readings.append(last)
        return naming.answer(list(self._readings))


def with_warnings(answer: SmellIdentification, warnings: Sequence[str]) -> SmellIdentification:
    """Return an answer with further warnings, each once."""
    return replace(answer, warnings=tuple(dict.fromkeys((*warnings, *answer.warnings))))


def _part(readings: NoseReadings, row: int) -> NoseReadings:
    at = slice(row, row + 1)
    return NoseReadings(readings.logits[at], readings.embeddings[at], readings.ends[at], readings.channels)
