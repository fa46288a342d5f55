"""`olfactory sense identify`: what recordings, or a board as it is heard, smell of."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ConfigOption
from olfactory_transformer.cli.sense.listening import (
    NoseOption,
    SecondsOption,
    Smells,
    SmellsOption,
    SourceArgument,
    SpeedOption,
)

if TYPE_CHECKING:
    from olfactory_transformer.cli.sense.smell_text import Words
    from olfactory_transformer.core.smells import SmellIdentification
    from olfactory_transformer.inference.nose.naming import Namer
    from olfactory_transformer.sensors.calibration.value import Calibration

_SHOWN = 5


def identify(
    source: SourceArgument = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "--input", "-i", metavar="PATH", help="A recording, or a folder of them, in place of SOURCE."
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Of files a JSON array with an object a file; of a board an object a line, whenever there is news.",
        ),
    ] = False,
    words: Annotated[
        bool, typer.Option("--words", help="Also what the smell's known compounds smell of.")
    ] = False,
    smells: SmellsOption = Smells.AUTO,
    count: Annotated[int, typer.Option(min=1, help="How many smells to show; --json has all.")] = _SHOWN,
    seconds: SecondsOption = None,
    speed: SpeedOption = None,
    until_settled: Annotated[
        bool, typer.Option("--until-settled", help="Listen until more would hardly change the answer.")
    ] = False,
    sensor: Annotated[
        str | None,
        typer.Option(
            "--sensor",
            help="By which id the board's calibration is kept.",
            show_default="what the recording says, $SENSOR_ID, or the board's own",
        ),
    ] = None,
    nose: NoseOption = None,
    config: ConfigOption = None,
) -> None:
    """Name the smell of recordings, or of a board while it is heard.

    A recording has a column a channel, named as the board names it; without a column of times a row is a second. An
    answer warns of a board that is not calibrated, and of channels at fault.

    Exit code: 0 when all was named (`unknown` is a name, too), 1 when some file could not be, 2 when nothing could be
    done.
    """
    from olfactory_transformer.cli.sense.calibrations import calibrations_of
    from olfactory_transformer.cli.sense.hearing import answers
    from olfactory_transformer.cli.sense.listening import board_named, frames_of, load_namer, pace_of
    from olfactory_transformer.settings import load_settings

    if (path is not None) and (
        source is not None or until_settled or seconds is not None or speed is not None
    ):
        raise typer.BadParameter(
            "--input takes recordings: got SOURCE, --seconds, --speed or --until-settled with it"
        )
    namer, known = load_namer(nose, config, smells), calibrations_of(config)
    said = _words() if words else None
    if path is not None:
        usual = load_settings(olfactory_config=config).sensor_id or ""
        failed = _files(named(namer, path, known, sensor, usual), path, as_json, count, said)
    else:
        _, board = board_named(source, config, sensor=sensor)
        pace = pace_of(speed, sys.stdout.isatty() and not as_json)
        told = answers(namer, frames_of(source, config, seconds, speed=pace), known.get(board))
        failed = _live(told, until_settled, as_json, count, said)
    if failed:
        raise typer.Exit(1)


# -- files ---------------------------------------------------------------------------------------------------


def _files(
    answers: Iterable[tuple[str, SmellIdentification | Exception]],
    path: Path,
    as_json: bool,
    count: int,
    words: Words | None,
) -> int:
    """Show the answer of each file, and return of how many there is none."""
    from olfactory_transformer.cli.sense.listening import told_of
    from olfactory_transformer.cli.sense.smell_text import show
    from olfactory_transformer.core.smells import SmellIdentification

    failed = total = 0
    for file, found in answers:
        if as_json:
            # Printed as they come: a folder may be long, and what is done is not lost to what fails later.
            print(
                "[" if not total else ",", json.dumps(_object(file, found, words)), sep="\n" if total else ""
            )
        elif isinstance(found, SmellIdentification):
            show(file, found, count, words)
        else:
            sys.stdout.flush()
            typer.echo(told_of(file, found), err=True)
        failed += not isinstance(found, SmellIdentification)
        total += 1
    if as_json:
        print("[]" if not total else "]")
    elif not total:
        typer.echo(f"{path}: no recordings", err=True)
    return failed


def named(
    namer: Namer, path: Path, known: Mapping[str, Calibration], sensor: str | None, usual: str
) -> Iterator[tuple[str, SmellIdentification | Exception]]:
    """Yield (file, answer or why there is none) for each recording of a file or folder.

    A recording is of the board `sensor`, else of the one that its notes name, else of the `usual` one.
    """
    from olfactory_transformer.api.sensors.naming import with_warnings
    from olfactory_transformer.cli.sense.listening import recordings_in
    from olfactory_transformer.core.errors import SensorError
    from olfactory_transformer.sensors.calibration.checks import check_recording

    for file, recording in recordings_in(path):
        if isinstance(recording, Exception):
            yield file, recording
            continue
        calibration = known.get(sensor or recording.notes.get("sensor", usual))
        try:
            yield file, with_warnings(namer.identify(recording), check_recording(recording, calibration))
        except SensorError as error:
            yield file, error


def _object(
    file: str,
    found: SmellIdentification | Exception,
    words: Words | None,
) -> dict[str, Any]:
    if isinstance(found, Exception):
        return {"file": file, "ranked": [], "error": str(found)}
    said = {} if words is None else {"words": words(found.name)}
    return {"file": file, **found.as_dict(), **said}


# -- a board -------------------------------------------------------------------------------------------------


def _live(
    answers: Iterable[SmellIdentification],
    until_settled: bool,
    as_json: bool,
    count: int,
    words: Words | None,
) -> int:
    from olfactory_transformer.cli.sense.hearing import Screen
    from olfactory_transformer.cli.sense.smell_text import show

    last = None
    with Screen(as_json, count) as tell:
        try:
            for answer in answers:
                last = answer
                tell(answer)
                if until_settled and answer.settled:
                    break
        except KeyboardInterrupt:
            if last is None:
                raise
    if last is None:
        typer.echo("olfactory: too little was heard to say anything", err=True)
        return 1
    if not as_json:
        show(f"after {last.seconds:.0f} s", last, count, words)
    elif words is not None:
        print(json.dumps({"name": last.name, "words": words(last.name)}))
    return 0


def _words() -> Words:
    """Load the molecule model, and return what gives the words of a name; None where no compound is known."""
    from olfactory_transformer.core.errors import UnknownSmell
    from olfactory_transformer.inference.mixture_predictor import MixturePredictor
    from olfactory_transformer.inference.nose.bridge import words_of
    from olfactory_transformer.inference.predictor import ScentPredictor

    predictor, mixtures = ScentPredictor.from_pretrained(), MixturePredictor.from_pretrained()

    def words(name: str) -> dict[str, Any] | None:
        try:
            return words_of(name, predictor, mixtures).as_dict()
        except UnknownSmell:
            return None

    return words
