"""A made-up model of sensors, which names the channel that is highest, and a source that does what a test says."""

import queue
import threading
import time

import numpy as np

from olfactory_transformer.api.sensors.naming import Naming
from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.core.smells import Smell, SmellIdentification
from olfactory_transformer.inference.nose.contract import NoseReadings
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.sources.contract import Trouble

CHANNELS = ("NO2", "VOC", "CO")
SMELLS = {"NO2": "clove", "VOC": "mint", "CO": "coffee"}


class MadeUpNose:
    """Windows of 10 s, 5 s apart; `wait` holds every run up until it is set."""

    smells = tuple(SMELLS.values())
    version = "made-up@1.0.0"

    def __init__(self, window_seconds=10.0, hop_seconds=5.0, *, seconds=0.0, held=False):
        self.window_seconds, self.hop_seconds, self._seconds = window_seconds, hop_seconds, seconds
        self.go = threading.Event()
        self.runs = 0
        if not held:
            self.go.set()

    def read(self, recording):
        self.runs += 1
        self.go.wait()
        time.sleep(self._seconds)
        used = [name for name in recording.names if name in CHANNELS]
        if not used or len(recording.times) < 2:
            got = f"the channels {', '.join(recording.names)} and {len(recording.times)} frames"
            raise RecordingError(got, f"one of {', '.join(CHANNELS)}, and two frames")
        starts = np.arange(0.0, max(recording.seconds - self.window_seconds, 0.0) + 1e-9, self.hop_seconds)
        since, rows, ends = recording.times - recording.times[0], [], []
        for start in starts:
            inside = (since >= start) & (since <= start + self.window_seconds)
            level = [
                np.nan_to_num(recording.values[inside, recording.names.index(name)]).mean()
                if name in used
                else 0.0
                for name in CHANNELS
            ]
            rows.append(np.array(level, np.float32) / 100)
            ends.append(min(start + self.window_seconds, recording.seconds))
        logits = np.array(rows, np.float32)
        size = np.linalg.norm(logits, axis=1, keepdims=True)
        return NoseReadings(
            logits, logits / np.maximum(size, 1e-6), np.array(ends), tuple(used), np.array(ends) - starts
        )


class MadeUpEvidence:
    """The mean of what the windows say."""

    def __init__(self, model):
        self._model, self._logits, self._last = model, [], None

    def add(self, readings):
        self._logits.extend(readings.logits)
        self._last = readings

    def answer(self):
        logits = np.mean(self._logits, axis=0)
        odds = np.exp(logits - logits.max())
        ranked = sorted(zip(self._model.smells, odds / odds.sum(), strict=True), key=lambda pair: -pair[1])
        return SmellIdentification(
            tuple(Smell(name, float(p)) for name, p in ranked),
            seconds=float(self._last.ends[-1]),
            windows=len(self._logits),
            settled=len(self._logits) >= 3,
            channels=self._last.channels,
            warnings=("short",) if self._last.ends[-1] < self._model.window_seconds else (),
            model_version=self._model.version,
        )


def made_up(model=None):
    """Return what loads a `Naming` of the made-up model."""
    model = model or MadeUpNose()
    return lambda: Naming(model, lambda: MadeUpEvidence(model), NoseConfig(CHANNELS, model.smells))


def levels(name, seconds, since=0):
    """Return frames' values, one a second, of which the channel `name` is highest."""
    return [
        {each: 500.0 + t % 3 if each == name else 100.0 + t % 2 for each in CHANNELS}
        for t in range(since, since + seconds)
    ]


class Scripted:
    """A source of which each read gives the next thing that was put in; an exception is raised."""

    name, kind = "serial:/dev/scripted", "serial"

    def __init__(self):
        self.script, self.opened, self.closed, self._sequence = queue.Queue(), 0, 0, 0
        self.refusals = []
        self.time = 1764000000.0

    def open(self):
        self.opened += 1
        if self.refusals:
            raise self.refusals.pop(0)

    def read(self, timeout):
        try:
            found = self.script.get(timeout=min(timeout, 0.05))
        except queue.Empty:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def close(self):
        self.closed += 1

    def send(self, values):
        for each in values:
            self.script.put(Frame(self.time, each, self.name, self._sequence))
            self.time += 1
            self._sequence += 1

    def trouble(self, kind, count=1):
        self.script.put(Trouble(kind, f"it is {kind}", self.time, self.name, count))

    def fail(self, error):
        self.script.put(error)
