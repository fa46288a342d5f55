"""Answers of a board while it is heard, and how they are shown."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from olfactory_transformer.core.smells import SmellIdentification
    from olfactory_transformer.inference.nose.contract import NoseReadings
    from olfactory_transformer.inference.nose.naming import Namer
    from olfactory_transformer.sensors.frame import Frame
    from olfactory_transformer.sensors.recording import Recording

_REMEMBERED = 600.0  # seconds: what was smelt before that says nothing about now


def answers(namer: Namer, frames: Iterable[Frame]) -> Iterator[SmellIdentification]:
    """Yield what a board smells of whenever another window was heard, and at the end; sharper each time.

    Raises
    ------
    RecordingError, UnknownSmell
        Of the board's channels nothing can be made, or nothing was taught that it could be.
    """
    from olfactory_transformer.api.sensors.listening import Listening
    from olfactory_transformer.core.errors import RecordingError

    listening = Listening(namer.base.window_seconds, namer.base.hop_seconds)
    heard, begun, pending = _Heard(namer), 0, False
    refused: RecordingError | None = None
    answered = False
    for frame in frames:
        pending = True
        if not listening.add(frame.time, frame.values):
            continue
        if listening.times_begun > begun:  # a board that went away may be another when it is back
            heard, begun = _Heard(namer), listening.times_begun
        try:
            yield heard.answer(listening.recording(), listening.seconds, listening.full)
            answered = True
        except RecordingError as error:
            refused = error  # too short still, perhaps: it counts if nothing better ever comes
        pending = False
    if pending and listening.seconds > 0:
        try:
            yield heard.answer(listening.recording(), listening.seconds, listening.full)
            answered = True
        except RecordingError as error:
            refused = error
    if refused is not None and not answered:
        raise refused


class _Heard:
    """The readings of a board's windows; one that is not full yet gives way to the next, which holds it."""

    def __init__(self, namer: Namer) -> None:
        most = max(1, int(_REMEMBERED / namer.base.hop_seconds))
        self._namer, self._short = namer, False
        self._readings: deque[NoseReadings] = deque(maxlen=most)

    def answer(self, recording: Recording, seconds: float, full: bool) -> SmellIdentification:
        model = self._namer.model_for(recording)
        read = model.read(recording)
        last = replace(
            read, logits=read.logits[-1:], embeddings=read.embeddings[-1:], ends=read.ends[-1:] * 0 + seconds
        )
        if self._short and self._readings:
            self._readings.pop()
        self._short = not full
        self._readings.append(last)
        evidence = self._namer.evidence(model)
        for each in self._readings:
            evidence.add(each)
        found = evidence.answer()
        return replace(found, warnings=tuple(dict.fromkeys((*found.warnings, *self._namer.warnings(model)))))


class Screen:
    """Shows answers as they come: redrawn on a terminal, a JSON object a line, or a line of text each."""

    def __init__(self, as_json: bool, count: int) -> None:
        self._as_json, self._count = as_json, count
        self._live: Any = None

    def __enter__(self) -> Callable[[SmellIdentification], None]:
        if not self._as_json and sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(transient=True, refresh_per_second=4)
            self._live.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _show(self, answer: SmellIdentification) -> None:
        if self._as_json:
            print(json.dumps(answer.as_dict()), flush=True)
        elif self._live is not None:
            from rich.text import Text

            from olfactory_transformer.cli.sense.smell_text import text_of

            self._live.update(Text(text_of("listening", answer, self._count)))
        else:
            state = "settled" if answer.settled else "listening"
            best = answer.ranked[0].probability if answer.ranked else 0.0
            chance = answer.unknown if answer.name == "unknown" else best
            print(f"{answer.seconds:6.0f} s  {answer.name}  {100 * chance:.0f} %  {state}", flush=True)
