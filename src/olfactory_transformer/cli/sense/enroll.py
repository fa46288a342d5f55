"""`olfactory sense enroll`, `enrolled`, `forget`, `export` and `import`: smells that a user teaches."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import ConfigOption, Form, FormOption
from olfactory_transformer.cli.sense.listening import NoseOption

if TYPE_CHECKING:
    from olfactory_transformer.inference.nose.enrolment import Enrolled
    from olfactory_transformer.inference.nose.taught import Report
    from olfactory_transformer.sensors.recording import Recording

NameArgument = Annotated[str, typer.Argument(help="What the smell is called.")]
ReplaceOption = Annotated[
    bool,
    typer.Option("--replace", help="Forget what was taught by this name before, instead of adding to it."),
]


def enroll(
    name: NameArgument,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RECORDING]...", help="Recordings of it, or folders of them.", show_default=False
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Listen to this board, in place of recordings.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=10, max=3600, help="How long, with --source.")] = 120,
    replace: ReplaceOption = False,
    sensor: Annotated[str | None, typer.Option("--sensor", help="The board's id, for the list.")] = None,
    nose: NoseOption = None,
    form: FormOption = Form.TEXT,
    config: ConfigOption = None,
) -> None:
    """Teach a smell from one recording or more; three or more, of several days, make it sure.

    Nothing is trained. What was taught by the same name before is added to. All recordings of a call have to be of the
    same board, or of boards with the same channels.

    Exit code: 0 when the smell was taught, 1 when some recording could not be used (the rest was), 2 when none could.
    """
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.cli.sense.listening import load_namer, taught_smells
    from olfactory_transformer.core.errors import RecordingError, SensorError
    from olfactory_transformer.database.enrolments import EnrolmentStore
    from olfactory_transformer.inference.nose.enrolment import check_name, enrol, to_bytes

    if bool(paths) == (source is not None):
        raise typer.BadParameter("give either RECORDINGs or --source SOURCE")
    check_name(name)
    namer = load_namer(nose, config)
    recordings, failed = _recorded(paths) if paths else ([_listened(source, config, seconds)], 0)
    if not recordings:
        raise RecordingError("no recording that can be used", "one or more")
    model, known = namer.model_for(recordings[0]), taught_smells(config)
    smell = None if replace else next((before for before in known if before.name == name), None)
    taught = 0
    for recording in recordings:
        if namer.model_for(recording).version != model.version:
            raise RecordingError("recordings of boards with other channels in one call", "one board a call")
        try:
            one = enrol(model, name, [recording], sensor)
            smell = one if smell is None else smell.with_more(one)
            taught += 1
        except SensorError as error:
            failed += 1
            typer.echo(f"olfactory: {recording.notes.get('file', 'a recording')}: {error}", err=True)
    if smell is None or not taught:
        raise RecordingError("no recording that can be used", "one or more")
    with opened(config, make=True) as database:
        EnrolmentStore(database).save(
            name,
            to_bytes(smell),
            model_version=smell.model_version,
            recordings=smell.recordings,
            sensor_id=smell.sensor_id,
        )
        where = database.shown
    report = _report([each for each in known if each.name != name] + [smell], smell.model_version)
    if form is Form.JSON:
        print(json.dumps({**_members(smell), **_told(report)}))
    typer.echo(f"{name}: {smell.recordings} recordings for {smell.model_version}, kept in {where}.", err=True)
    for warning in report.warnings:
        typer.echo(f"  ! {warning}", err=True)
    if report.asked:
        typer.echo(
            f"{report.right} of {report.asked} recordings are named rightly by all the others.", err=True
        )
    if failed:
        raise typer.Exit(1)


def enrolled(form: FormOption = Form.TEXT, config: ConfigOption = None) -> None:
    """List the smells that were taught, and how well they can be told apart."""
    from olfactory_transformer.cli.keys import moment, opened, print_table
    from olfactory_transformer.cli.sense.listening import taught_smells
    from olfactory_transformer.database.enrolments import EnrolmentStore

    with opened(config) as database:
        records, where = EnrolmentStore(database).list(), database.shown
    reports = {}
    smells = taught_smells(config)
    for version in dict.fromkeys(each.model_version for each in smells):
        reports[version] = _report([each for each in smells if each.model_version == version], version)
    if form is Form.JSON:
        listed = [
            {
                "name": each.name,
                "recordings": each.recordings,
                "model_version": each.model_version,
                "sensor": each.sensor_id,
                "created": each.created.isoformat(),
            }
            for each in records
        ]
        told = {version: _told(report) for version, report in reports.items()}
        print(json.dumps({"smells": listed, "apart": told}))
        return
    if not records:
        typer.echo(f"No smell was taught in {where}.", err=True)
        return
    print_table(
        ("RECORDINGS", "MODEL", "CREATED", "SENSOR", "NAME"),
        [
            (str(each.recordings), each.model_version, moment(each.created), each.sensor_id or "-", each.name)
            for each in records
        ],
    )
    for report in reports.values():
        for warning in report.warnings:
            typer.echo(f"  ! {warning}", err=True)


def forget(name: NameArgument, config: ConfigOption = None) -> None:
    """Forget a smell, for good."""
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.database.enrolments import EnrolmentStore

    with opened(config) as database:
        record = EnrolmentStore(database).forget(name)
    typer.echo(f"{record.name} and its {record.recordings} recordings are forgotten.", err=True)


def export(
    path: Annotated[str, typer.Argument(metavar="FILE", help="Where to write them, or '-'.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which.", show_default="all")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write smells that were taught to a JSON file, for another machine with the same model."""
    from olfactory_transformer.bulk.files import open_output
    from olfactory_transformer.cli.sense.listening import taught_smells
    from olfactory_transformer.core.errors import UnknownSmell, shown
    from olfactory_transformer.inference.nose.enrolment import many_to_bytes

    smells = {each.name: each for each in taught_smells(config)}
    for name in names or []:
        if name not in smells:
            raise UnknownSmell(f"no smell {shown(name)} was taught")
    chosen = [smells[name] for name in names or smells]
    data = many_to_bytes(chosen)
    with open_output(path) as file:
        file.write(data)
    typer.echo(f"{len(chosen)} smells written.", err=True)


def import_smells(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put them in place of smells of the same names.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Take in smells that `export` wrote: all of them, or none when the file or a name is at fault."""
    from olfactory_transformer.cli.keys import opened
    from olfactory_transformer.core.errors import FileFormatError, shown
    from olfactory_transformer.database.enrolments import EnrolmentRecord, EnrolmentStore
    from olfactory_transformer.inference.nose.enrolment import MAX_FILE, many_from_bytes, to_bytes

    if path.stat().st_size > MAX_FILE:
        raise FileFormatError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_FILE}")
    smells = many_from_bytes(path.read_bytes(), str(path))
    with opened(config, make=True) as database:
        store = EnrolmentStore(database)
        known = {each.name for each in store.list()}
        if not replace and (there := [each.name for each in smells if each.name in known]):
            raise FileFormatError(
                f"{path}: {shown(', '.join(there))} was taught already; --replace puts the file's in its place"
            )
        now = datetime.now(UTC)
        store.save_all(
            [
                EnrolmentRecord(
                    each.name, each.model_version, each.recordings, to_bytes(each), now, each.sensor_id
                )
                for each in smells
            ]
        )
    typer.echo(f"{len(smells)} smells taken in.", err=True)


def _recorded(paths: list[Path]) -> tuple[list[Recording], int]:
    """Return the recordings of files and folders, and how many could not be read; each of those is told of."""
    from olfactory_transformer.cli.sense.listening import recordings_in, told_of

    found, failed = [], 0
    for path in paths:
        try:
            for file, recording in recordings_in(path):
                if isinstance(recording, Exception):
                    failed += 1
                    typer.echo(f"olfactory: {told_of(file, recording)}", err=True)
                else:
                    found.append(recording)
        except OSError as error:  # no such file or folder; the rest goes on
            failed += 1
            typer.echo(f"olfactory: {path}: {error.strerror or error}", err=True)
    return found, failed


def _listened(source: str | None, config: Path | None, seconds: float) -> Recording:
    from olfactory_transformer.cli.sense.listening import frames_of
    from olfactory_transformer.sensors.recording import Recording

    typer.echo(f"Listening for {seconds:.0f} s.", err=True)
    return Recording.of(frames_of(source, config, seconds))


def _report(smells: list[Enrolled], version: str) -> Report:
    from olfactory_transformer.inference.nose.taught import Taught

    return Taught([each for each in smells if each.model_version == version], version).report()


def _members(smell: Enrolled) -> dict[str, Any]:
    return {
        "name": smell.name,
        "recordings": smell.recordings,
        "model_version": smell.model_version,
        "channels": list(smell.channels),
        "sensor": smell.sensor_id,
    }


def _told(report: Report) -> dict[str, Any]:
    confused = [{"smell": a, "taken_for": b, "times": n} for a, b, n in report.confused]
    return {
        "asked": report.asked,
        "right": report.right,
        "confused": confused,
        "warnings": list(report.warnings),
    }
