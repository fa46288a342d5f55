"""From a recording, or from what was heard window by window, to the answer a client gets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.core.smells import SmellIdentification
from olfactory_transformer.inference.nose.contract import NoseModel, NoseReadings
from olfactory_transformer.inference.nose.enrolment import Enrolled
from olfactory_transformer.inference.nose.naming import Namer, Smells
from olfactory_transformer.inference.nose.taught import Evidence
from olfactory_transformer.sensors.recording import Recording

REMEMBERED_SECONDS = 600.0  # of a stream: what was smelt before that says nothing about now


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
    """A model, from which a `Namer` is made for whatever was taught by then. Immutable, and so usable from any thread.

    Parameters
    ----------
    model : NoseModel
    evidence : callable
        Makes an `Evidence` of the model's own smells, with nothing in it.
    config : NoseConfig
        Of the model.
    """

    def __init__(self, model: NoseModel, evidence: Callable[[], Evidence], config: NoseConfig) -> None:
        self.model, self.config, self._evidence = model, config, evidence

    def namer(self, taught: Sequence[Enrolled] = (), smells: Smells = "auto") -> Namer:
        """Return what names recordings by these smells; see `Namer`."""
        return Namer(self.model, self._evidence, self.config, taught, smells)


def each_window(namer: Namer, recording: Recording) -> list[WindowAnswer]:
    """Return what each window of a recording smells of by itself.

    Raises
    ------
    RecordingError, UnknownSmell
        As from `Namer.identify`.
    """
    model = namer.model_for(recording)
    readings = model.read(recording)
    return [
        WindowAnswer(float(readings.ends[row]), namer.answer(model, [readings.window(row)]))
        for row in range(len(readings.ends))
    ]


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
        self._version, self._short = "", False

    def add(self, namer: Namer, recording: Recording, *, seconds: float, full: bool) -> SmellIdentification:
        """Read a window, and return what all of them say.

        Parameters
        ----------
        namer : Namer
        recording : Recording
            The window's frames.
        seconds : float
            How long has been listened, to the window's end.
        full : bool
            Whether it is as long as a window is.

        Raises
        ------
        RecordingError, UnknownSmell
            As from `Namer.identify`.
        """
        model = namer.model_for(recording)
        readings = model.read(recording)
        last = replace(readings.window(-1), ends=np.array([seconds]))
        if model.version != self._version:  # other channels came: what was heard lies on another map
            self._readings.clear()
            self._version = model.version
        elif self._short and self._readings:
            self._readings.pop()
        self._short = not full
        self._readings.append(last)
        return namer.answer(model, self._readings)


def with_warnings(answer: SmellIdentification, warnings: Sequence[str]) -> SmellIdentification:
    """Return an answer with further warnings, each once."""
    return replace(answer, warnings=tuple(dict.fromkeys((*warnings, *answer.warnings))))
