"""How long after the last frame a smell is named, by `olfactory serve`, and what an hour's stream takes of memory.

    python -m benchmarks.sensors.latency --report docs/results/sensors-serving.md

A frame that makes a window due is sent, and the time taken until its identification is there: over WebSockets at the
client, for the server's own board (a pseudo-terminal) by the server's own histogram. An hour is 3,600 frames, a second
apart by their own times, sent faster.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from benchmarks.load.report import machine
from benchmarks.load.servers import OURS, Served, served, usage
from benchmarks.sensors.made_up import frames, lines
from benchmarks.sensors.terminal import Terminal
from olfactory_transformer.train.report import table
from olfactory_transformer.train.shipping import commit

HOUR = 3600
HISTOGRAM = "olfactory_sensor_identification_duration_seconds_bucket"


@dataclass
class Heard:
    """What came back over one stream, or several.

    Parameters
    ----------
    latencies : list of float
        Seconds from sending the last frame of a window to its identification.
    sent, received, lost : int
        Frames.
    """

    latencies: list[float] = field(default_factory=list)
    sent: int = 0
    received: int = 0
    lost: int = 0


@dataclass
class Findings:
    """What was measured.

    Parameters
    ----------
    streams : list of rows
        As the page has them.
    memory : list of float
        Of the front process, MiB.
    board : dict of str to float
        What was counted of the server's own board.
    histogram : dict of float to float
        Bound in seconds to the share of windows that were named within it.
    """

    streams: list[list[object]]
    memory: list[float]
    board: dict[str, float]
    histogram: dict[float, float]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=HOUR, help="of each stream")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32], help="at a time")
    parser.add_argument(
        "--rate", type=float, default=40, help="frames a second of each stream, and of the board"
    )
    parser.add_argument(
        "--board-seconds", type=float, default=900, help="that the server reads a terminal, by the clock"
    )
    parser.add_argument("--nose", help="the model, a folder; else the bundled one")
    parser.add_argument(
        "--hours", type=int, default=3, help="one after the other over one stream, for the memory"
    )
    parser.add_argument("--report", type=Path, help="the page")
    parser.add_argument("--json", type=Path, help="all figures")
    return parser.parse_args()


def stream(server: Served, count: int, rate: float, seed: int, into: Heard, lock: threading.Lock) -> None:
    """Send frames one by one, and note how long each window took; rate 0: as fast as they are answered."""
    mine, began = Heard(), time.perf_counter()
    host, port = server.address
    with connect(f"ws://{host}:{port}/v1/sensors/stream", max_size=None) as socket:
        socket.send(json.dumps({"type": "start"}))
        socket.recv(60)
        for sequence, values in enumerate(frames(count, seed)):
            if rate:
                time.sleep(max(0.0, began + sequence / rate - time.perf_counter()))
            frame = {"sequence": sequence, "time": float(sequence), "values": values}
            sent = time.perf_counter()
            socket.send(json.dumps({"type": "frames", "frames": [frame]}))
            mine.sent += 1
            while (said := json.loads(socket.recv(60)))["type"] != "received":
                if said["type"] == "problem":
                    raise RuntimeError(f"nothing is named: {said['detail']}")
                if said["type"] == "identification":
                    mine.latencies.append(time.perf_counter() - sent)
        mine.received, mine.lost = said["received"], said["lost"]
        socket.send(json.dumps({"type": "end"}))
    with lock:
        into.latencies += mine.latencies
        into.sent, into.received, into.lost = (
            into.sent + mine.sent,
            into.received + mine.received,
            into.lost + mine.lost,
        )


def streams(server: Served, number: int, count: int, rate: float) -> Heard:
    """Send so many streams at a time."""
    heard, lock = Heard(), threading.Lock()
    each = [
        threading.Thread(target=stream, args=(server, count, rate, seed, heard, lock))
        for seed in range(number)
    ]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    return heard


def memory(server: Served) -> float:
    """Return the resident memory of the front process, MiB."""
    found = usage(server.process.pid)
    return found.rss / 2**20 if found else float("nan")


def hours(server: Served, number: int, count: int) -> list[float]:
    """Send an hour over and over on one connection, and return the front's memory before and after each, MiB."""
    host, port = server.address
    found = []
    with connect(f"ws://{host}:{port}/v1/sensors/stream", max_size=None) as socket:
        socket.send(json.dumps({"type": "start"}))
        socket.recv(60)
        sequence = 0
        for hour in range(number + 1):  # the first warms up
            for values in frames(count, hour):
                frame = {"sequence": sequence, "time": float(sequence), "values": values}
                socket.send(json.dumps({"type": "frames", "frames": [frame]}))
                sequence += 1
                while json.loads(socket.recv(60))["type"] != "received":
                    pass
            found.append(memory(server))
    return found


def board(
    seconds: float, rate: float, command: Sequence[str], settings: Mapping[str, object]
) -> tuple[dict[str, float], dict[float, float]]:
    """Have a server read a terminal, and return what it counted, and its histogram: bound to share."""
    with TemporaryDirectory(prefix="board-") as folder:
        path = Path(folder) / "tty"
        terminal = Terminal(path, rate, lines(10**9))
        with served(command, SENSOR_PORT=path, SENSOR_ID="bench", **settings) as server, terminal:
            time.sleep(seconds)
            before = terminal.sent - 1  # the header
            time.sleep(1.0)
            counted = {
                "sent": float(before),
                "received": server.metric("olfactory_sensor_readings_total", sensor_type="serial"),
                "troubles": server.metric("olfactory_sensor_errors_total", sensor_type="serial"),
                "skipped windows": float(server.get("/v1/sensors/bench").json()["skipped_windows"]),
            }
            buckets = {
                float(sample.labels["le"]): sample.value
                for family in text_string_to_metric_families(server.get("/metrics").text)
                for sample in family.samples
                if sample.name == HISTOGRAM and sample.labels["sensor_type"] == "serial"
            }
    total = buckets[float("inf")]
    return counted | {"windows": total}, {bound: n / total for bound, n in buckets.items() if total}


def at_most(shares: dict[float, float], quantile: float) -> float:
    """Return the smallest bound of a histogram that a quantile lies within, seconds."""
    return min((bound for bound, share in shares.items() if share >= quantile), default=float("nan"))


def page(given: argparse.Namespace, found: Findings, on: str) -> str:
    """Return the page."""
    counted, shares = found.board, found.histogram
    half, most = (f"{1000 * at_most(shares, quantile):g} ms" for quantile in (0.5, 1.0))
    header = ["streams at a time", "windows", "p50, ms", "p99, ms", "frames sent", "received", "lost"]
    return f"""# Serving electronic noses

`{" ".join(["python -m benchmarks.sensors.latency", *sys.argv[1:]])}` at {commit()}, on {on}.

## From the last frame to the answer

Over WebSockets, each stream {given.frames:,} frames a second apart by their own times, sent {given.rate:g} a second;
measured at the client, which is on the same machine.

{table(header, found.streams)}

The server's own board, a pseudo-terminal with {given.rate:g} lines a second, by the server's own histogram
({counted["windows"]:,.0f} windows of {counted["sent"]:,.0f} frames): half within {half}, all within {most};
{counted["troubles"]:g} troubles, {counted["skipped windows"]:g} windows left out.

## Memory

Of the front process, which holds all there is of streams, after each hour of one stream ({given.frames:,} frames, sent
as fast as they are answered; the first is a warm-up): {", ".join(f"{each:.1f} MiB" for each in found.memory)}.
"""


def main(command: Sequence[str] = OURS) -> int:
    """Measure, and write what was asked for."""
    given, on = arguments(), machine()
    rows = []
    settings = {"MAX_WORKERS": 1, **({"NOSE_MODEL_PATH": Path(given.nose).resolve()} if given.nose else {})}
    with served(command, **settings) as server:
        streams(server, 1, 200, 0)  # loads the model
        for number in given.streams:
            heard = streams(server, number, given.frames, given.rate)
            p50, p99 = np.percentile(heard.latencies, (50, 99)) * 1000
            rows.append(
                [
                    number,
                    len(heard.latencies),
                    f"{p50:.1f}",
                    f"{p99:.1f}",
                    heard.sent,
                    heard.received,
                    heard.lost,
                ]
            )
            print(rows[-1], file=sys.stderr, flush=True)
        grown = hours(server, given.hours, given.frames)
    counted, shares = board(given.board_seconds, given.rate, command, settings)
    found = Findings(rows, grown, counted, shares)
    text = page(given, found, on)
    if given.report:
        given.report.write_text(text, encoding="utf-8")
    if given.json:
        given.json.write_text(json.dumps(asdict(found) | {"machine": on}, indent=1), encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
