"""From a recording, or from what was heard window by window, to the answer a client gets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from olfactory_transformer.core.errors import UnknownSmell
from olfactory_transformer.core.smells import SmellIdentification
from olfactory_transformer.inference.nose.contract import NoseModel, NoseReadings
from olfactory_transformer.inference.nose.enrolment import Enrolled
from olfactory_transformer.inference.nose.taught import Evidence, Taught, TaughtEvidence, usable
from olfactory_transformer.sensors.recording import Recording

REMEMBERED_SECONDS = 600.0  # of a stream: what was smelt before that says nothing about now


Which = Literal["all", "taught", "model"]
"""Among which smells: those that were taught before those of the model, or either alone."""


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
        self,
        recording: Recording,
        *,
        windows: bool = False,
        taught: Sequence[Enrolled] = (),
        which: Which = "all",
    ) -> tuple[SmellIdentification, list[WindowAnswer]]:
        """Return what a whole recording smells of; with `windows`, also what each of its windows alone does.

        Parameters
        ----------
        recording : Recording
        windows : bool
        taught : sequence of Enrolled
            Those of another version of the model are left out.
        which : str

        Raises
        ------
        RecordingError
            The model can make nothing of it.
        UnknownSmell
            Only taught smells are asked for, and there is none.
        """
        own = self.evidence(taught, which)
        readings = self.model.read(recording)
        each = []
        if windows:
            for row in range(len(readings.ends)):
                one = _part(readings, row)
                each.append(WindowAnswer(float(one.ends[-1]), own([one])))
        return own([readings]), each

    def evidence(
        self, taught: Sequence[Enrolled] = (), which: Which = "all"
    ) -> Callable[[Sequence[NoseReadings]], SmellIdentification]:
        """Return what makes readings, in their order, an answer."""
        mine = [] if which == "model" else usable(taught, self.model)[0]
        if which == "taught" and not mine:
            raise UnknownSmell(f"no smell has been taught to {self.model.version}")
        known = Taught(mine, self.model.version) if mine else None

        def answer(heard: Sequence[NoseReadings]) -> SmellIdentification:
            base = None if which == "taught" else self._evidence()
            evidence = base if known is None else TaughtEvidence(known, base)
            assert evidence is not None
            for readings in heard:
                evidence.add(readings)
            return evidence.answer()

        return answer


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

    def add(
        self,
        naming: Naming,
        recording: Recording,
        *,
        seconds: float,
        full: bool,
        taught: Sequence[Enrolled] = (),
        which: Which = "all",
    ) -> SmellIdentification:
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
        taught : sequence of Enrolled
        which : str
            As of `Naming.identify`.
        """
        readings = naming.model.read(recording)
        last = replace(_part(readings, len(readings.ends) - 1), ends=np.array([seconds]))
        if self._short and self._readings:
            self._readings.pop()
        self._short = not full
        self._readings.append(last)
        return naming.evidence(taught, which)(list(self._readings))


def with_warnings(answer: SmellIdentification, warnings: Sequence[str]) -> SmellIdentification:
    """Return an answer with further warnings, each once."""
    return replace(answer, warnings=tuple(dict.fromkeys((*warnings, *answer.warnings))))


def _part(readings: NoseReadings, row: int) -> NoseReadings:
    at = slice(row, row + 1)
    return NoseReadings(readings.logits[at], readings.embeddings[at], readings.ends[at], readings.channels)
