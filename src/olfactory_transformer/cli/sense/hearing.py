"""Answers of a board while it is heard, and how they are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from olfactory_transformer.core.smells import SmellIdentification
    from olfactory_transformer.inference.nose.naming import Namer
    from olfactory_transformer.sensors.frame import Frame


def answers(namer: Namer, frames: Iterable[Frame]) -> Iterator[SmellIdentification]:
    """Yield what a board smells of whenever another window was heard, and at the end; sharper each time.

    Raises
    ------
    RecordingError, UnknownSmell
        Of the board's channels nothing can be made, or nothing was taught that it could be.
    """
    from olfactory_transformer.api.sensors.listening import Listening
    from olfactory_transformer.api.sensors.naming import Heard, Naming
    from olfactory_transformer.core.errors import RecordingError

    listening = Listening(namer.base.window_seconds, namer.base.hop_seconds)
    naming: Naming | None = None
    heard = Heard(namer.base.hop_seconds)
    begun, pending, refused = 0, False, None
    warnings: tuple[str, ...] = ()

    def answer() -> Iterator[SmellIdentification]:
        nonlocal naming, heard, begun, pending, refused, warnings
        recording = listening.recording()
        if naming is None or listening.times_begun > begun:
            # The first window says what board it is; a board that went away may be another when it is back.
            model = namer.model_for(recording)
            naming = Naming(model, lambda: namer.evidence(model))
            heard, begun, warnings = Heard(model.hop_seconds), listening.times_begun, namer.warnings(model)
        pending = False
        try:
            found = heard.add(naming, recording, seconds=listening.seconds, full=listening.full)
        except RecordingError as error:
            refused = error  # too short still, perhaps: it counts if nothing else ever comes
            return
        refused = None
        yield replace(found, warnings=tuple(dict.fromkeys((*found.warnings, *warnings))))

    for frame in frames:
        pending = True
        if listening.add(frame.time, frame.values):
            yield from answer()
    if pending and listening.seconds > 0:
        yield from answer()
    if refused is not None:
        raise refused


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
