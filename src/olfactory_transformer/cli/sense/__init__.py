"""`olfactory sense`: electronic noses; one file a command."""

from __future__ import annotations

import typer

from olfactory_transformer.cli.sense import (
    calibrate,
    calibration,
    enroll,
    identify,
    plot,
    read,
    record,
    watch,
)
from olfactory_transformer.cli.sense import list as listing

app = typer.Typer(no_args_is_help=True, help="Electronic noses: name smells, teach them, watch batches.")
app.command("list")(listing.list_boards)
app.command("read")(read.read)
app.command("record")(record.record)
app.command("plot")(plot.plot)
app.command("calibrate")(calibrate.calibrate)
app.add_typer(calibration.app, name="calibration")
app.command("identify")(identify.identify)
app.command("enroll")(enroll.enroll)
app.command("enrolled")(enroll.enrolled)
app.command("forget")(enroll.forget)
app.command("export")(enroll.export)
app.command("import")(enroll.import_smells)
app.command("reference")(watch.reference)
app.command("watch")(watch.watch)
