"""`olfactory sense list`: what is connected, and what it seems to say."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.sense.listening import BaudrateOption

if TYPE_CHECKING:
    from olfactory_transformer.sensors.sources.serial import SerialSource

_COMMON = (9600, 115200)  # bits a second that boards come with
_ENOUGH = 3  # frames after which no more are waited for


def list_boards(
    port: Annotated[
        list[str] | None,
        typer.Argument(
            help="Ports to list, as those that no adapter tells of.", show_default="all that are found"
        ),
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Listen to each for some seconds.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, max=60, help="How long, for each baud rate.")] = 2,
    baudrate: BaudrateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the serial ports that something is connected to.

    With --probe, each is opened, which restarts some boards, and heard at 9600 and 115200 bits a second, or at
    --baudrate alone.
    """
    from olfactory_transformer.cli.keys import print_table
    from olfactory_transformer.sensors.sources.serial import list_ports

    found = list_ports()
    if port:
        known = {each["device"]: each for each in found}
        found = [known.get(name, dict.fromkeys(_KEYS) | {"device": name}) for name in port]
    rows: list[dict[str, Any]] = [dict(each) for each in found]
    if probe:
        for each in rows:
            each["heard"] = listen(str(each["device"]), (baudrate,) if baudrate else _COMMON, seconds)
    if as_json:
        typer.echo(json.dumps(rows))
    elif rows:
        heading = ("PORT", "USB ID", "SERIAL", "WHAT") + ("HEARD",) * probe
        shown = ("device", "usb_id", "serial_number", "description")
        lines = [tuple(str(each[key] or "-") for key in shown) for each in rows]
        if probe:
            lines = [(*line, said(each["heard"])) for line, each in zip(lines, rows, strict=True)]
        print_table(heading, lines)
    else:
        typer.echo("nothing is connected to a serial port", err=True)


_KEYS = ("device", "description", "usb_id", "serial_number", "manufacturer")


def listen(port: str, rates: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """Return what a port says: the first baud rate with frames, their channels and how many a second, or why none.

    Raises
    ------
    MissingExtra
        The `sensors` extra (pyserial) is not installed.
    """
    from olfactory_transformer.core.errors import SourceError
    from olfactory_transformer.sensors.sources.serial import SerialSource

    heard: dict[str, Any] = {
        "frames": 0,
        "channels": [],
        "baudrate": None,
        "per_second": None,
        "trouble": None,
    }
    for rate in rates:
        try:
            with SerialSource(port, rate, timeout=seconds) as board:
                _hear(board, seconds, heard)
        except SourceError as error:
            return heard | {"trouble": str(error)}
        if heard["frames"]:
            return heard | {"baudrate": rate, "trouble": None}
    return heard | {"trouble": heard["trouble"] or "silent"}


def _hear(board: SerialSource, seconds: float, heard: dict[str, Any]) -> None:
    from olfactory_transformer.sensors.frame import Frame

    until = time.monotonic() + seconds
    times: list[float] = []
    while (left := until - time.monotonic()) > 0 and len(times) < _ENOUGH:
        came = board.read(left)
        if isinstance(came, Frame):
            times.append(came.time)
            heard["channels"] = list(came.values)
        elif came is not None and came.kind != "partial":
            heard["trouble"] = f"{came.kind}: {came.detail}"
    heard["frames"] = len(times)
    if len(times) > 1 and times[-1] > times[0]:
        heard["per_second"] = round((len(times) - 1) / (times[-1] - times[0]), 2)


def said(heard: dict[str, Any]) -> str:
    """Return what was heard for people.

    >>> said({"frames": 3, "channels": ["CO", "VOC"], "baudrate": 9600, "per_second": 1.0, "trouble": None})
    'CO, VOC; 1 a second at 9600 baud'
    """
    from olfactory_transformer.core.render import printable

    if not heard["frames"]:
        return printable(heard["trouble"])
    rate = "" if heard["per_second"] is None else f"{heard['per_second']:g} a second "
    return printable(f"{', '.join(heard['channels'])}; {rate}at {heard['baudrate']} baud")
