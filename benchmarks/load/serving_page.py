"""The page `docs/results/serving.md`: figures, aims, and what falls short of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.load.report import loads_table, milliseconds
from benchmarks.load.results import Result, merged, quantiles
from olfactory_transformer.train.report import table
from olfactory_transformer.train.shipping import commit

if TYPE_CHECKING:
    from benchmarks.load.compare import Found, Lengths

CLIENTS = 64  # of the closed loop by which capacity is measured
SUBJECTS = {
    "least": "the least that can answer: the generator's own ceiling",
    "echo": "bare FastAPI echo",
    "hit": "`/v1/predict`, a hit of the cache",
    "single": "`/v1/predict`, a new molecule a request, 64 clients",
    "list": "`/v1/predict`, lists of 32 new molecules, 16 clients",
    "library, lists": "`ScentPredictor.predict` in process, lists of 32",
    "library, one at a time": "`ScentPredictor.predict` in process, one at a time",
}


@dataclass(frozen=True)
class Aim:
    """What was aimed at, and what came: `found` is to be on the right side of `bound`, and nothing to spoil it."""

    what: str
    found: float
    low: float
    high: float
    bound: float
    at_least: bool = True
    unit: str = "%"
    spoilt: str = ""

    @property
    def reached(self) -> bool:
        """Whether it was."""
        right = self.found >= self.bound if self.at_least else self.found <= self.bound
        return right and not self.spoilt

    def row(self) -> list[str]:
        """Return its row of the table."""
        scale = 100 if self.unit == "%" else 1
        sign = "≥" if self.at_least else "<"
        number = "{:.0f} %" if self.unit == "%" else "{:.2f}×"
        found, low, high, bound = (
            number.format(v * scale) for v in (self.found, self.low, self.high, self.bound)
        )
        return [
            self.what,
            f"{sign} {bound}",
            found,
            f"{low} to {high}",
            "yes" if self.reached else "**no**" + f" ({self.spoilt})" * bool(self.spoilt),
        ]


def aims(found: Found) -> list[Aim]:
    """Return the aims; ratios are of one round's figures, the median of the rounds is judged."""

    def ratio(what: str, ours: str, theirs: str, bound: float) -> Aim:
        values = [a / b for a, b in zip(found.rates[ours], found.rates[theirs], strict=True)]
        return Aim(what, statistics.median(values), min(values), max(values), bound)

    def tail(what: str, name: str) -> Aim:
        results = found.usual[name, "poisson"]
        values = [_tail(r) for r in results]
        # A queue that only grows makes everybody wait alike, and the tail look short.
        waiting = statistics.median(r.waiting for r in results)
        spoilt = f"it did not keep up: {waiting:,.0f} requests waited on average" if waiting > CLIENTS else ""
        low, middle, high = min(values), statistics.median(values), max(values)
        return Aim(what, middle, low, high, 3, at_least=False, unit="x", spoilt=spoilt)

    return [
        ratio("cached hits, of the echo's rate", "hit", "echo", 0.6),
        ratio(
            "new molecules by single requests, of the library's rate in lists",
            "single",
            "library, lists",
            0.85,
        ),
        ratio("new molecules by lists, of the library's rate in lists", "list", "library, lists", 0.85),
        tail("p99 over median at 70 % load, hits", "hit"),
        tail("p99 over median at 70 % load, new molecules", "single"),
    ]


def _tail(result: Result) -> float:
    times = quantiles(result.latency)
    return (times["p99"] or float("nan")) / (times["p50"] or float("nan"))


def page(found: Found, command: str, where: str, seed: int, lengths: Lengths, plot: Path | None) -> str:
    """Return the page.

    Parameters
    ----------
    found : Found
    command, where : str
        What was run, and on what.
    seed : int
    lengths : Lengths
    plot : Path or None
        Beside the page.
    """
    judged = aims(found)
    short = [aim for aim in judged if not aim.reached]
    parts = [
        "# What serving costs",
        "Written by the command below; do not edit.",
        f"- command: `{command}`\n- commit: {commit()}; seed {seed}\n- machine: {where}\n"
        f"- {lengths.rounds} rounds, {lengths.closed:g} s each in closed loop, {lengths.open:g} s in open loop, after "
        f"{lengths.warm_up:g} s; every measurement has a server of its own with its default settings (its log goes to "
        "a file), and the generator shares the machine with it",
        "The echo parses a JSON request and returns it, under the same uvicorn, uvloop and httptools. Molecules are "
        "real compounds of an odorant's size; a new one is asked for once in a server's life, a hit is one of 500 that "
        "it has predicted before.",
        "## Molecules a second",
        "Median of the rounds, closed loop, and their range. Processor time is what a molecule cost the process that "
        "answers and the model's processes, whatever else the machine had to do.",
        table(
            [
                "what",
                "molecules a second",
                "range",
                "processor time, µs",
                "p50, ms",
                "p99, ms",
                "generator's processor",
            ],
            [_rate_row(found, name) for name in SUBJECTS],
        ),
        "## Aims",
        "A ratio is that of two figures of one round; the median over the rounds is judged, beside it their range.",
        table(["what", "aim", "found", "range", "reached"], [aim.row() for aim in judged]),
        "## What falls short",
        "\n".join(
            f"- {aim.what}: {aim.row()[2]}, aimed at {aim.row()[1]}{'; ' * bool(aim.spoilt)}{aim.spoilt}"
            for aim in short
        )
        or "Nothing of the aims.",
        "## At 70 % of capacity",
        "Open loop: requests are due on a schedule, and latency counts from then, whether a connection was free or "
        "not. All rounds together. Poisson arrivals are those of many independent clients and come in clumps by "
        "chance alone: a queue with one server of constant speed at 70 % has a 99th percentile of 4.4 times its "
        "median. Evenly spaced arrivals are shown beside them.",
        "\n\n".join(
            f"{_title(name)}, {kind} arrivals:\n\n{loads_table([merged(results)])}"
            for (name, kind), results in found.usual.items()
        ),
        "## Latency against load",
        *([f"![Quantiles of latency against the offered load]({plot.name})"] if plot else []),
        *(
            f"{_title(name)}, Poisson arrivals, up to beyond capacity:\n\n{loads_table(results)}"
            for name, results in found.loads.items()
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _title(name: str) -> str:
    return SUBJECTS[name][0].upper() + SUBJECTS[name][1:]


def _rate_row(found: Found, name: str) -> list[str]:
    rates, closed = found.rates[name], found.closed.get(name, [])
    times = quantiles(merged(closed).latency) if closed else {"p50": None, "p99": None}
    busy = f"{statistics.median(r.busy for r in closed):.0%}" if closed else ""
    return [
        SUBJECTS[name],
        f"{statistics.median(rates):,.0f}",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        " + ".join(
            f"{1e6 * statistics.median(cost):,.0f}"
            for cost in zip(*found.costs[name], strict=True)
            if any(cost)
        ),
        milliseconds(times["p50"]),
        milliseconds(times["p99"]),
        busy,
    ]
