"""`olfactory sense plot`: a recording as lines, in the terminal or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from olfactory_transformer.sensors.recording import Recording

_NARROWEST = 10


def plot(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A recording, or a folder of recordings.")],
    channel: Annotated[
        list[str] | None,
        typer.Option(
            "--channel", help="Show this one alone; may be given more than once.", show_default="all"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.svg", help="Write a picture of one recording.")
    ] = None,
) -> None:
    """Show how each channel of a recording went.

    Exit code: 0, 1 when some files could not be read, 2 when nothing could be done.
    """
    from olfactory_transformer.sensors.files import read_recordings

    if out is not None and out.suffix.lower() != ".svg":
        raise typer.BadParameter(f"--out: got {out.name!a}, expected a name that ends in .svg")
    failed, shown = 0, 0
    for name, found in read_recordings(path):
        if isinstance(found, Exception):
            typer.echo(f"olfactory: {_why(name, found)}", err=True)
            failed += 1
            continue
        if out is not None and shown:
            raise typer.BadParameter(f"--out: got several recordings in {path}, expected one")
        recording = found if channel is None else _only(found, channel, name)
        if out is None:
            typer.echo(("\n" if shown else "") + text_of(recording, name))
        else:
            picture, title = recording, name
        shown += 1
    if out is not None and shown:
        from olfactory_transformer.cli.sense.svg import recording_svg

        out.write_text(recording_svg(picture, title), encoding="utf-8")
    if not shown and not failed:
        typer.echo(f"{path}: no recordings", err=True)
    if failed or not shown:
        raise typer.Exit(1)


def text_of(
    recording: Recording, name: str, width: int | None = None, *, ascii_only: bool | None = None
) -> str:
    """Return a recording as text: a line a channel, with its least, its greatest and its last value.

    Examples
    --------
    >>> from olfactory_transformer.sensors.frame import Frame
    >>> from olfactory_transformer.sensors.recording import Recording
    >>> made = Recording.of([Frame(float(t), {"CO": 800.0 + t * t}) for t in range(8)])
    >>> print(text_of(made, "a.csv", 80, ascii_only=True))
    a.csv: 8 frames, 7 s
      CO  ___.-~+#  800 to 849 count, at last 849
    """
    import shutil

    import numpy as np

    from olfactory_transformer.cli.sense.sparks import only_ascii, sparkline
    from olfactory_transformer.core.render import printable

    if ascii_only is None:
        ascii_only = only_ascii()
    lines = [f"{name}: {len(recording.times)} frames, {recording.seconds:.4g} s"]
    names = [printable(each.name) for each in recording.channels]
    longest = max(map(len, names))
    facts = []
    for place, each in enumerate(recording.channels):
        known = recording.values[:, place][np.isfinite(recording.values[:, place])]
        said = f"{known.min():.5g} to {known.max():.5g}" if known.size else "no value"
        last = f", at last {known[-1]:.5g}" if known.size else ""
        facts.append(f"{said} {printable(each.unit)}".rstrip() + last)
    room = (width or shutil.get_terminal_size().columns) - longest - max(map(len, facts)) - 6
    for place, (label, fact) in enumerate(zip(names, facts, strict=True)):
        drawn = sparkline(recording.values[:, place], max(room, _NARROWEST), ascii_only=ascii_only)
        lines.append(f"  {label:<{longest}}  {drawn}  {fact}")
    notes = [
        f"{key} {text}"
        for key, text in recording.notes.items()
        if text and key in ("substance", "source", "cut")
    ]
    if recording.notes.get("simulated") == "true":
        notes.insert(0, "simulated")
    lines[0] = printable(", ".join([lines[0], *notes]))
    return "\n".join(lines)


def _only(recording: Recording, names: list[str], file: str) -> Recording:
    from dataclasses import replace

    if unknown := [name for name in names if name not in recording.names]:
        raise typer.BadParameter(
            f"--channel: got {unknown[0]!a}, expected one of {file}: {', '.join(recording.names)}"
        )
    places = [recording.names.index(name) for name in dict.fromkeys(names)]
    return replace(
        recording,
        channels=tuple(recording.channels[place] for place in places),
        values=recording.values[:, places],
    )


def _why(name: str, error: Exception) -> str:
    return f"{name}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
