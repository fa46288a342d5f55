"""Walking a person through a calibration: what is asked, and what is shown while a step listens."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from olfactory_transformer.core.errors import CalibrationError

if TYPE_CHECKING:
    from rich.table import Table

    from olfactory_transformer.sensors.calibration.listen import Progress
    from olfactory_transformer.sensors.calibration.walk import Walk
    from olfactory_transformer.sensors.recording import Recording
    from olfactory_transformer.sensors.sources.contract import Source

_EVERY = 10.0  # seconds between two lines of progress where there is no terminal


@dataclass(frozen=True, slots=True)
class Asking:
    """What was given on the command line."""

    seconds: float
    patience: float
    scales: Mapping[str, Mapping[str, Any]]
    days: float
    folder: Path | None
    resume: bool | None
    yes: bool


def walk_through(source: Source, sensor: str, asking: Asking) -> Walk:
    """Return the walk with all its steps done, of which a calibration can be made.

    Raises
    ------
    CalibrationError
        A step does not come to an end, and nobody is asked.
    """
    folder = asking.folder or Path(f"calibration-{re.sub('[^A-Za-z0-9._-]+', '-', sensor)}")
    walk = _begin(folder, sensor, asking)
    try:
        with source:
            if not walk.recordings("clean-air"):
                _clean_air(walk, source, asking)
            while not asking.yes:
                _more(walk, source, asking)
                try:
                    walk.calibration()
                    break
                except CalibrationError as error:
                    _say(f"That does not do yet: {error}")
    except (KeyboardInterrupt, typer.Abort):
        _say(
            f"\nStopped. {len(walk.state.steps)} steps are kept in {folder}; --resume goes on with the next."
        )
        raise
    return walk


def _begin(folder: Path, sensor: str, asking: Asking) -> Walk:
    from olfactory_transformer.sensors.calibration.walk import Walk

    found = None if asking.resume is False else Walk.resume(folder)
    if found is not None and found.state.steps:
        done = ", ".join(_step_name(s.kind, s.compound, s.ppm) for s in found.state.steps)
        _say(f"{folder} has an unfinished calibration of {found.state.sensor_id}: {done}.")
        if found.state.sensor_id != sensor:
            raise CalibrationError(f"got the sensor {sensor}, expected {found.state.sensor_id}, or --restart")
        if asking.resume is None and asking.yes:
            raise CalibrationError(f"{folder} has an unfinished calibration, expected --resume or --restart")
        if asking.resume or typer.confirm("Go on with it?", default=True, err=True):
            return found
    elif asking.resume:
        _say(f"{folder} has no unfinished calibration; this is a new one.")
    return Walk.begin(folder, sensor, days=asking.days, scales=asking.scales)


def _clean_air(walk: Walk, source: Source, asking: Asking) -> None:
    from olfactory_transformer.sensors.calibration.baseline import measure_baseline

    _say(
        "Clean air. Have the board warmed up for as long as its data sheet says (a new sensor for a day or more), "
        "in air without a smell, where nobody breathes on it."
    )

    def judge(window: Recording) -> object:
        return measure_baseline(window, walk.state.scales)

    recorded = _step(source, asking, "clean air", judge)
    while recorded is None:
        if not typer.confirm("Try again?", default=True, err=True):
            raise typer.Abort
        recorded = _step(source, asking, "clean air", judge)
    walk.add("clean-air", recorded)


def _more(walk: Walk, source: Source, asking: Asking) -> None:
    """Ask for reference compounds and other rooms until there are no more."""
    from olfactory_transformer.sensors.calibration.build import Reference, reference_ratios

    baseline = walk.baseline()
    while compound := typer.prompt(
        "Reference compound ('air': clean air in another room; Enter: no more)",
        default="",
        show_default=False,
        err=True,
    ).strip()[:100]:
        if compound.lower() == "air":
            recorded = _step(source, asking, "clean air in another room", _anything)
            if recorded is not None:
                walk.add("other-air", recorded)
            continue
        ppm = _ask_ppm()
        name = _step_name("reference", compound, ppm)

        def judge(window: Recording, compound: str = compound, ppm: float = ppm) -> object:
            return reference_ratios(baseline, {}, Reference(compound, ppm, window))

        recorded = _step(source, asking, name, judge)
        if recorded is not None:
            walk.add("reference", recorded, compound, ppm)
            _say("Kept. Put the board back into clean air, until its levels are as they were.")


def _ask_ppm() -> float:
    while not 0 < (ppm := typer.prompt("Its concentration in ppm", type=float, err=True)) <= 1e6:
        _say("Expected above 0, to 1000000.")
    return float(ppm)


def _step(
    source: Source, asking: Asking, name: str, judge: Callable[[Recording], object]
) -> Recording | None:
    """Listen once; None if it did not do, and somebody is there to be told."""
    from olfactory_transformer.sensors.calibration.listen import drain, listen

    if not asking.yes:
        typer.prompt(f"Press Enter for {name}", default="", show_default=False, err=True)
        drain(source)
    try:
        with _shown(name) as show:
            return listen(source, asking.seconds, judge, patience=asking.patience, show=show)
    except CalibrationError as error:
        if asking.yes:
            raise
        _say(f"{name}: {error}")
        return None


@contextmanager
def _shown(name: str) -> Iterator[Callable[[Progress], None]]:
    """Give what shows progress: a live table on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
            yield lambda progress: live.update(_table(name, progress))
    else:
        last = 0.0

        def tell(progress: Progress) -> None:
            nonlocal last
            if progress.trouble is not None:
                _say(f"{name}: {progress.trouble.kind}: {progress.trouble.detail}")
            elif time.monotonic() - last >= _EVERY:
                last = time.monotonic()
                _say(_line(name, progress))

        yield tell


def _table(name: str, progress: Progress) -> Table:
    from rich.table import Table

    table = Table(title=_line(name, progress), title_justify="left", box=None)
    table.add_column("channel")
    table.add_column("reading", justify="right")
    if progress.trouble is not None:
        table.add_row(progress.trouble.kind, progress.trouble.detail)
    for channel, value in (progress.frame.values if progress.frame else {}).items():
        table.add_row(channel, f"{value:g}")
    return table


def _anything(_: Recording) -> object:
    return None  # in another room the levels may move with it


def _line(name: str, progress: Progress) -> str:
    why = f"; {progress.waiting_for}" if progress.waiting_for else ""
    return f"{name}: {progress.heard:.0f} of {progress.wanted:.0f} s{why}"


def _step_name(kind: str, compound: str, ppm: float) -> str:
    return f"{compound} at {ppm:g} ppm" if kind == "reference" else kind.replace("-", " ")


def _say(text: str) -> None:
    typer.echo(text, err=True)
