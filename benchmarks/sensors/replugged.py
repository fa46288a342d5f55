"""A real recording, at its own pace, through `olfactory serve`: unplugged, plugged in again, every frame counted.

    python -m benchmarks.sensors.replugged --data ../shared/data --report docs/results/sensors-replugged.md

A pseudo-terminal plays a recording of SmellNet as a board writes it, numbered, one frame a second, to a server with
SENSOR_PORT and its default settings otherwise. The bundled model has learned from all training recordings, so that it
names this one rightly shows that nothing is lost on the way, and nothing of how well it names.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.load.report import machine
from benchmarks.load.servers import Served, served
from benchmarks.sensors.terminal import Terminal
from olfactory_transformer.core.errors import DataError
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.train.nose.data import read_smellnet
from olfactory_transformer.train.report import table
from olfactory_transformer.train.shipping import commit

COMMAND = (str(Path(sys.executable).with_name("olfactory")), "serve")
BOARD = "bench"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--substance", default="coriander", help="of which the first recording is played")
    parser.add_argument("--unplug", type=float, default=150, help="after so many seconds")
    parser.add_argument("--away", type=float, default=20, help="seconds until it is plugged in again")
    parser.add_argument("--seconds", type=float, default=330, help="in all")
    parser.add_argument("--report", type=Path, help="the page")
    return parser.parse_args()


def lines(recording: Recording) -> Iterator[str]:
    """Yield a recording as a board may write it; from its end it begins anew, its numbers go on."""
    for number in range(10**9):
        row = recording.values[number % len(recording.values)]
        values = (f"{name}={value:g}" for name, value in zip(recording.names, row, strict=True))
        yield f"seq={number} {' '.join(values)}"


@dataclass
class Look:
    """What the server says at a moment.

    Parameters
    ----------
    after : float
        Seconds since the first frame.
    ready : int
        The status of /ready.
    degraded : bool
        Whether /ready names the sensor as away.
    name : str
        What it smells; empty: nothing.
    probability : float
    """

    after: float
    ready: int
    degraded: bool
    name: str = ""
    probability: float = 0.0


def look(server: Served, began: float) -> Look:
    """Ask the server."""
    after = time.monotonic() - began
    ready = server.get("/ready")
    away = "sensor" in ready.json().get("degraded", ())
    said = server.get(f"/v1/sensors/{BOARD}").json()["identification"]
    if not said:
        return Look(after, ready.status_code, away)
    return Look(after, ready.status_code, away, said["name"], said["ranked"][0]["probability"])


def errors_of(server: Served) -> dict[str, int]:
    """Return what the server counts as gone wrong with its board, by kind."""
    return {
        sample.labels["error"]: int(sample.value)
        for family in text_string_to_metric_families(server.get("/metrics").text)
        for sample in family.samples
        if sample.name == "olfactory_sensor_errors_total" and sample.labels["sensor_type"] == "serial"
    }


def watch(server: Served, terminal: Terminal, given: argparse.Namespace) -> list[Look]:
    """Unplug and plug in again, and look twice a second."""
    looks, began, plugged = [], time.monotonic(), True
    while (after := time.monotonic() - began) < given.seconds:
        there = not given.unplug <= after < given.unplug + given.away
        if there != plugged:
            (terminal.plug if there else terminal.unplug)()
            plugged = there
        looks.append(look(server, began))
        time.sleep(0.5)
    terminal.end()
    time.sleep(1.0)  # for the last line to be read
    return looks


def page(
    given: argparse.Namespace, recording: str, looks: list[Look], rows: list[list[object]], on: str
) -> str:
    """Return the page."""
    said, last = [], None
    for each in looks:
        now = (each.name, each.degraded, each.ready)
        if now != last:
            state = "sensor" if each.degraded else ""
            said.append([f"{each.after:.1f}", each.ready, state, each.name or "-", f"{each.probability:.2f}"])
        last = now
    return f"""# A board on `olfactory serve`, unplugged and plugged in again

Written by the command below; do not edit.

- command: `python -m benchmarks.sensors.replugged --data ../shared/data --report {given.report}`
- commit: {commit()}
- machine: {on}
- {recording}, one frame a second by a pseudo-terminal; unplugged after {given.unplug:g} s for {given.away:g} s, \
{given.seconds:g} s in all. The model has learned from this recording: that it is named rightly shows that nothing \
is lost on the way, not how well smells are named ([accuracy](sensors.md)).

## Frames

{table(["what", "count"], rows)}

## What the server said

A row whenever something changed, by a look twice a second.

{table(["seconds", "/ready", "degraded", "smells of", "probability"], said)}
"""


def main() -> int:
    """Measure, and write what was asked for."""
    given, on = arguments(), machine()
    found = [each for each in read_smellnet(given.data) if each.substance == given.substance]
    if not found:
        raise DataError(f"{given.substance}: no such substance in {given.data}")
    with TemporaryDirectory(prefix="board-") as folder:
        path = Path(folder) / "tty"
        terminal = Terminal(path, 1.0, lines(found[0].recording))
        with served(COMMAND, SENSOR_PORT=path, SENSOR_ID=BOARD) as server:
            server.until_ready()
            with terminal:
                looks = watch(server, terminal, given)
                readings = int(server.metric("olfactory_sensor_readings_total", sensor_type="serial"))
                errors = errors_of(server)
            code = server.stop()
            crashed = server.log.count("Traceback")
    missing = terminal.sent - readings - errors.get("lost", 0)
    rows: list[list[object]] = [
        ["frames sent", terminal.sent],
        ["of those, while it was unplugged", terminal.unheard],
        ["read by the server", readings],
        *[[f"errors: {kind}", count] for kind, count in sorted(errors.items()) if count],
        ["neither read nor counted as lost", missing],
        ["tracebacks in the log", crashed],
        ["exit code after SIGTERM", code],
    ]
    text = page(given, f"{found[0].name} of SmellNet's training recordings", looks, rows, on)
    if given.report:
        given.report.write_text(text, encoding="utf-8")
    print(text)
    return int(bool(missing or crashed or code))


if __name__ == "__main__":
    sys.exit(main())
