"""Answers of a board while it is heard, and how they are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from olfactory_transformer.core.smells import SmellIdentification
    from olfactory_transformer.inference.nose.naming import Namer
    from olfactory_transformer.sensors.calibration.value import Calibration
    from olfactory_transformer.sensors.frame import Frame


def answers(
    namer: Namer, frames: Iterable[Frame], calibration: Calibration | None
) -> Iterator[SmellIdentification]:
    """Yield what a board smells of whenever another window was heard, and at the end; sharper each time.

    Parameters
    ----------
    namer : Namer
    frames : iterable of Frame
    calibration : Calibration or None
        The board's; the answers warn where it is none, does not hold, or a channel is at fault.

    Raises
    ------
    RecordingError, UnknownSmell
        Of the board's channels nothing can be made, or nothing was taught that it could be.
    """
    from olfactory_transformer.api.sensors.listening import Listening
    from olfactory_transformer.api.sensors.naming import Heard, with_warnings
    from olfactory_transformer.core.errors import RecordingError
    from olfactory_transformer.sensors.calibration.checks import Checks

    listening, checks = Listening(namer.base.window_seconds, namer.base.hop_seconds), Checks(calibration)
    heard, begun, pending = Heard(namer.base.hop_seconds), 0, False
    refused: RecordingError | None = None
    answered = False

    def answer() -> SmellIdentification:
        found = heard.add(namer, listening.recording(), seconds=listening.seconds, full=listening.full)
        return with_warnings(found, checks.warnings())

    for frame in frames:
        pending = True
        checks.add(frame)
        if not listening.add(frame.time, frame.values):
            continue
        if listening.times_begun > begun:  # a board that went away may be another when it is back
            heard, begun = Heard(namer.base.hop_seconds), listening.times_begun
        try:
            yield answer()
            answered = True
        except RecordingError as error:
            refused = error  # too short still, perhaps: it counts if nothing better ever comes
        pending = False
    if pending and listening.seconds > 0:
        try:
            yield answer()
            answered = True
        except RecordingError as error:
            refused = error
    if refused is not None and not answered:
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
