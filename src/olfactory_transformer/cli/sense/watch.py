"""`olfactory sense reference` and `watch`: what good batches have in common, and whether another is like them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ConfigOption
from olfactory_transformer.cli.sense.listening import SpeedOption

if TYPE_CHECKING:
    from olfactory_transformer.inference.nose.reference_profile import ReferenceProfile, Verdict

_HOOK_SECONDS = 30.0  # after which a hook that does not end is ended


class Against(StrEnum):
    """What a curve is relative to."""

    LEVEL = "level"
    START = "start"


def reference(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Recordings of good batches, or folders.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write the profile (JSON).")
    ],
    against: Annotated[
        Against,
        typer.Option(
            help="What counts: a channel's level, or only its change from the batch's start, where levels move "
            "between batches."
        ),
    ] = Against.LEVEL,
    false_alarms: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Share of good batches that may be called bad.")
    ] = 0.02,
) -> None:
    """Make a reference profile from three or more good batches, all begun at the same step of the process."""
    from olfactory_transformer.bulk.files import open_output
    from olfactory_transformer.cli.sense.listening import recordings_in
    from olfactory_transformer.core.errors import RecordingError
    from olfactory_transformer.inference.nose.reference_profile import learn, to_json

    batches = []
    for path in paths:
        for file, found in recordings_in(path):
            if isinstance(found, Exception):
                # A batch that is not there would make a profile that nobody asked for.
                raise RecordingError(f"{file}: {found}", "good batches that can all be read")
            batches.append(found)
    profile = learn(batches, false_alarms, against.value)
    with open_output(str(out)) as sink:
        sink.write(to_json(profile))
    typer.echo(
        f"{out}: {profile.batches} batches of {profile.grid.seconds:.0f} s, {', '.join(profile.channels)}. "
        f"Of good batches {100 * false_alarms:g} % are meant to be called bad.",
        err=True,
    )
    for warning in profile.warnings:
        typer.echo(f"  ! {warning}", err=True)


def watch(
    source: Annotated[str, typer.Argument(help="A board (as for `read`), or a recording of a batch.")],
    profile_path: Annotated[
        Path, typer.Option("--reference", "-r", metavar="FILE", help="What `reference` wrote.")
    ],
    hook: Annotated[
        str | None,
        typer.Option(
            help="A command to run for each channel that deviates, with the verdict as JSON on its standard input. "
            "Watching goes on.",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="How long to watch.", show_default="as long as good batches are"),
    ] = None,
    speed: SpeedOption = None,
    config: ConfigOption = None,
) -> None:
    """Watch a batch from its start, and say when it is not like good ones.

    Without --hook the first deviation ends it. On a terminal the state is shown live, else a JSON object a line
    whenever it changes, and one at the end.

    Exit code: 0 when the batch was like good ones, 1 when it deviated, 2 when it could not be watched.
    """
    from olfactory_transformer.core.errors import RecordingError
    from olfactory_transformer.inference.nose.reference_profile import read_profile

    if speed is not None and Path(source).is_file():
        raise typer.BadParameter("--speed is of a board that is played: got a recording with it")
    profile = read_profile(profile_path)
    last: Verdict | None = None
    told: set[str] = set()
    with _Screen() as screen:
        for verdict in _verdicts(profile, source, config, seconds, speed):
            last = verdict
            new = [each for each in verdict.channels if each.channel not in told]
            told.update(each.channel for each in new)
            screen.show(verdict, bool(new))
            if new and hook is None:
                break
            if new and hook is not None:
                _run(hook, verdict)
    if last is None:
        raise RecordingError("no frame", "a batch to watch")
    screen.end(last)
    if not told and last.seconds < min(last.of_seconds, seconds or last.of_seconds) - profile.grid.step:
        typer.echo(
            f"olfactory: heard {last.seconds:.0f} of {last.of_seconds:.0f} s; the rest was not judged",
            err=True,
        )
    if told:
        raise typer.Exit(1)


def _verdicts(
    profile: ReferenceProfile,
    source: str,
    config: Path | None,
    seconds: float | None,
    speed: float | None,
) -> Iterator[Verdict]:
    """Yield a verdict on a recording, or one for every moment of a board's batch, until that is over."""
    from olfactory_transformer.cli.sense.listening import frames_of, pace_of, recordings_in
    from olfactory_transformer.inference.nose.reference_profile import judge
    from olfactory_transformer.sensors.recording import Recording

    if Path(source).is_file():
        for file, found in recordings_in(Path(source)):
            if isinstance(found, Exception):
                raise found
            typer.echo(f"{file}:", err=True)
            yield judge(profile, found)
        return
    frames, due = [], 0.0
    length = min(profile.grid.seconds, seconds or profile.grid.seconds)
    for frame in frames_of(source, config, length, speed=pace_of(speed, sys.stdout.isatty())):
        frames.append(frame)
        if frame.time - frames[0].time >= due:
            due = frame.time - frames[0].time + profile.grid.step
            yield judge(profile, Recording.of(frames))
    if frames:
        yield judge(profile, Recording.of(frames))


def _run(hook: str, verdict: Verdict) -> None:
    """Run the hook; whatever goes wrong with it is told of and harms nothing."""
    try:
        done = subprocess.run(
            hook,
            shell=True,
            input=json.dumps(verdict.as_dict()).encode(),
            stdout=2,  # standard output has our verdicts alone
            timeout=_HOOK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        typer.echo(f"olfactory: the hook did not end within {_HOOK_SECONDS:.0f} s and was ended", err=True)
    except OSError as error:
        typer.echo(f"olfactory: the hook cannot be run: {error.strerror or error}", err=True)
    else:
        if done.returncode:
            typer.echo(f"olfactory: the hook ended with {done.returncode}", err=True)


class _Screen:
    """Shows verdicts: redrawn on a terminal, else JSON Lines."""

    def __init__(self) -> None:
        self._live: Any = None

    def __enter__(self) -> _Screen:
        if sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(transient=True, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, verdict: Verdict, news: bool) -> None:
        """Show where the batch stands; without a terminal only if there is news."""
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text(text_of(verdict)))
        elif news:
            print(json.dumps(verdict.as_dict()), flush=True)

    def end(self, verdict: Verdict) -> None:
        """Show the last verdict."""
        print(text_of(verdict) if self._live is not None else json.dumps({**verdict.as_dict(), "end": True}))


def text_of(verdict: Verdict) -> str:
    """Return a verdict in some lines.

    >>> from olfactory_transformer.inference.nose.reference_profile import ChannelDeviation, Verdict
    >>> leak = ChannelDeviation("CO", 9.0, 40.0, 90.0, "high")
    >>> print(text_of(Verdict(True, 9.0, 4.5, 100.0, 600.0, (leak,))))
    deviates: score 9.0, threshold 4.5, after 100 of 600 s
      CO high from 40 s on
    """
    from olfactory_transformer.core.render import printable

    state = "deviates" if verdict.deviates else "as good batches"
    lines = [
        f"{state}: score {verdict.score:.1f}, threshold {verdict.threshold:.1f}, "
        f"after {verdict.seconds:.0f} of {verdict.of_seconds:.0f} s"
    ]
    lines += [
        f"  {printable(each.channel)} {each.direction} from {each.began:.0f} s on"
        for each in verdict.channels
    ]
    return "\n".join(lines)
