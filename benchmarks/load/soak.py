"""Load a server steadily with requests of every kind, and see whether its memory and open files grow.

    python -m benchmarks.load.soak --minutes 30 --report docs/results/soak.md

Clients stream, vanish and drip besides. Exits with 1 if a slope is surely above its bound (the lower end of its 95 %
confidence interval is), if a request had another status than its kind is to have, or if a process was replaced.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop
from matplotlib import pyplot as plt

from benchmarks.load.asks import molecules
from benchmarks.load.crowd import EXPECTED, mixed, trouble
from benchmarks.load.generator import open_loop
from benchmarks.load.report import COLOURS, loads_table, machine, save
from benchmarks.load.results import Result
from benchmarks.load.servers import Served, served
from benchmarks.load.watch import FIGURES, Sample, Slope, slope, watch
from olfactory_transformer.train.report import table
from olfactory_transformer.train.shipping import commit

# Growth a minute, in MiB and files: in a week 2.5 GiB, and 500 files.
BOUNDS = {"front_rss": 0.25, "workers_rss": 0.25, "front_files": 0.05, "workers_files": 0.05}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30, help="that are counted")
    parser.add_argument("--warm-up", type=float, default=5, help="minutes before, in which caches fill")
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--every", type=float, default=5, help="seconds between samples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--molecules", type=int, default=4000, help="distinct ones")
    parser.add_argument(
        "--data", type=Path, help="folder of CSV files with SMILES; else the `chemicals` package"
    )
    parser.add_argument("--report", type=Path, help="the page; a plot goes beside it")
    parser.add_argument("--json", type=Path, help="all samples")
    return parser.parse_args()


async def load(
    server: Served, given: argparse.Namespace, smiles: Sequence[str]
) -> tuple[Result, list[Sample], Counter[str]]:
    """Load the server while it is watched."""
    samples: list[Sample] = []
    counted: Counter[str] = Counter()
    beside = [
        asyncio.ensure_future(watch(server.process.pid, samples, given.every)),
        asyncio.ensure_future(trouble(server.address, smiles, given.seed, counted)),
    ]
    try:
        result = await open_loop(
            server.address,
            mixed(smiles, given.seed),
            rate=given.rate,
            seconds=60 * given.minutes,
            warm_up=60 * given.warm_up,
            seed=given.seed,
        )
    finally:
        for task in beside:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    return result, samples, counted


def slopes(samples: Sequence[Sample], warm_up: float) -> dict[str, Slope]:
    """Return how each figure grows after the warm-up."""
    kept = [s for s in samples if s.minute >= warm_up]
    return {name: slope([s.minute for s in kept], [getattr(s, name) for s in kept]) for name in FIGURES}


def wrong(result: Result) -> Counter[str]:
    """Return how often a kind of request had another outcome than it is to have."""
    found = zip(result.kind, result.outcome, strict=True)
    return Counter(f"{kind}: {outcome}" for kind, outcome in found if outcome != EXPECTED[kind])


def plot(path: Path, samples: Sequence[Sample], warm_up: float) -> None:
    """Draw all figures over time."""
    figure, axes = plt.subplots(len(FIGURES), 1, sharex=True, figsize=(8, 7), layout="constrained")
    for axis, (name, title), colour in zip(axes, FIGURES.items(), COLOURS, strict=True):
        axis.plot([s.minute for s in samples], [getattr(s, name) for s in samples], color=colour, linewidth=1)
        axis.axvline(warm_up, color="#b0b0b0", linewidth=0.8, linestyle="--")
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_ylim(bottom=0)
        axis.grid(color="#e6e6e6", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("minutes")
    save(figure, path)


def main() -> int:
    """Soak and report."""
    given = arguments()
    where = machine()
    smiles = molecules(given.molecules, given.seed, given.data)
    with TemporaryDirectory() as cache, served(CACHE_DIR=cache) as server:
        before = restarts(server)
        result, samples, counted = uvloop.run(load(server, given, smiles))
        replaced = restarts(server) - before
    found, errors = slopes(samples, given.warm_up), wrong(result)
    grown = [name for name, bound in BOUNDS.items() if found[name].low > bound]
    after = [s for s in samples if s.minute >= given.warm_up]
    rows = [
        [
            FIGURES[name],
            f"{getattr(after[0], name):,.0f}",
            f"{getattr(after[-1], name):,.0f}",
            f"{s.value:+.3f}",
            f"{s.low:+.3f} to {s.high:+.3f}",
            BOUNDS[name],
            "**yes**" if name in grown else "no",
        ]
        for name, s in found.items()
    ]
    page = "\n\n".join(
        [
            "# A soak",
            "Written by the command below; do not edit.",
            f"- command: `python -m benchmarks.load.soak {' '.join(sys.argv[1:])}`\n- commit: {commit()}; seed "
            f"{given.seed}\n- machine: {where}\n- {given.minutes:g} minutes after {given.warm_up:g} minutes in which "
            f"caches fill (memory and disk), {given.rate:g} requests a second, Poisson",
            "## Growth",
            "Least squares over the means of twelve blocks of the time after the warm-up; it has grown if the lower "
            "end of the 95 % confidence interval is above the bound.",
            table(["what", "first", "last", "a minute", "95 % interval", "bound", "has grown"], rows),
            *([f"![Memory and open files over time]({given.report.stem}.svg)"] if given.report else []),
            "## Requests",
            loads_table([result]),
            table(
                ["kind", "status that it is to have", "requests"],
                [[kind, EXPECTED[kind], f"{n:,}"] for kind, n in Counter(result.kind).items()],
            ),
            f"With another outcome: {', '.join(f'{n} × {what}' for what, n in errors.items()) or 'none'}. Besides: "
            f"{', '.join(f'{what} {n:,}' for what, n in sorted(counted.items()))}. "
            f"Model processes replaced: {replaced:g}.",
        ]
    )
    print(page)
    if given.report:
        given.report.write_text(page + "\n", encoding="utf-8")
        plot(given.report.with_suffix(".svg"), samples, given.warm_up)
    if given.json:
        given.json.write_text(json.dumps([asdict(s) for s in samples]) + "\n", encoding="utf-8")
    return 1 if grown or errors or replaced or counted["stream cut short"] + counted["drip refused"] else 0


def restarts(server: Served) -> float:
    """Return how many model processes were replaced so far."""
    return server.metric("olfactory_worker_restarts_total")


if __name__ == "__main__":
    sys.exit(main())
