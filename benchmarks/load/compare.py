"""Set the server beside a bare FastAPI echo and beside the library, in one run on one machine.

    python -m benchmarks.load.compare --report docs/results/serving.md [--quick]

Each round starts every subject anew, in turned order, so that what else the machine does hits all alike; ratios are of
one round's figures. Then the server is loaded in open loop at shares of the capacity found. With --quick, for trials,
everything is much too short to mean anything.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.load.asks import Ask, lists, molecules, singles
from benchmarks.load.generator import Arrivals, closed_loop, forever, open_loop
from benchmarks.load.report import machine, plot_loads
from benchmarks.load.results import Result, merged
from benchmarks.load.servers import ECHO, LEAST, OURS, ROOT, Served, descendants, served, usage
from benchmarks.load.serving_page import CLIENTS, page

KNOWN = 500  # molecules that are asked for again and again, for hits of the cache
LIST = 32  # molecules
SHARES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2)
USUAL = 0.7  # the share of capacity that a server is run at


@dataclass(frozen=True)
class Lengths:
    """How long it takes: seconds of a measurement and before it, and how often."""

    rounds: int = 5
    closed: float = 10
    open: float = 20
    warm_up: float = 2
    molecules: int = 40_000
    shares: tuple[float, ...] = SHARES


QUICK = Lengths(rounds=1, closed=4, open=3, warm_up=0.5, molecules=6000, shares=(0.3, 0.7))


@dataclass
class Found:
    """What was measured: molecules a second a round of each subject, and the open loops.

    `costs` are seconds of processor time a molecule, of the front and of the model processes; `loads` are at shares of
    the capacity, Poisson; `usual` all rounds at 70 %, by subject and kind of arrivals.
    """

    rates: dict[str, list[float]] = field(default_factory=dict)
    costs: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    closed: dict[str, list[Result]] = field(default_factory=dict)
    loads: dict[str, list[Result]] = field(default_factory=dict)
    usual: dict[tuple[str, Arrivals], list[Result]] = field(default_factory=dict)


class Comparison:
    """Measures all subjects over the same molecules."""

    def __init__(self, smiles: list[str], lengths: Lengths, seed: int) -> None:
        self.smiles, self.lengths, self.seed = smiles, lengths, seed
        self.known, self.fresh = smiles[:KNOWN], smiles[KNOWN:]
        self.found = Found()

    def run(self) -> Found:
        """Measure everything."""
        subjects: dict[str, Callable[[str], float]] = {
            "least": lambda name: self._closed(name, LEAST, forever(singles(self.known))),
            "echo": lambda name: self._closed(name, ECHO, forever(singles(self.known))),
            "hit": lambda name: self._closed(name, OURS, forever(singles(self.known)), known=True),
            "single": lambda name: self._closed(name, OURS, singles(self.fresh)),
            "list": lambda name: self._closed(name, OURS, lists(self.fresh, LIST), size=LIST),
            "library, lists": lambda name: self._library(name, LIST),
            "library, one at a time": lambda name: self._library(name, 1),
        }
        names = list(subjects)
        for number in range(self.lengths.rounds):
            turned = names[number % len(names) :] + names[: number % len(names)]
            for name in turned:
                rate = subjects[name](name)
                self.found.rates.setdefault(name, []).append(rate)
                tell(f"round {number + 1}, {name}: {rate:,.0f} molecules a second")
        for share in self.lengths.shares:
            for name in ("hit", "single"):
                self.found.loads.setdefault(name, []).append(self._open(name, share, "poisson", self.seed))
        arrivals: tuple[Arrivals, ...] = ("poisson", "constant")
        for number in range(self.lengths.rounds):
            for name in ("echo", "hit", "single"):
                for kind in arrivals:
                    result = self._open(name, USUAL, kind, self.seed + 1 + number)
                    self.found.usual.setdefault((name, kind), []).append(result)
        return self.found

    def _closed(
        self, name: str, command: tuple[str, ...], asks: Iterable[Ask], *, known: bool = False, size: int = 1
    ) -> float:
        clients = CLIENTS // 4 if size > 1 else CLIENTS
        with served(command) as server:
            if known:
                self._make_known(server.address)
            before = processor(server)
            load = closed_loop(
                server.address,
                asks,
                clients=clients,
                seconds=self.lengths.closed,
                warm_up=self.lengths.warm_up,
            )
            result = uvloop.run(load)
            spent = [after - before for before, after in zip(before, processor(server), strict=True)]
        check(name, result)
        self.found.costs.setdefault(name, []).append(
            (spent[0] / result.all / size, spent[1] / result.all / size)
        )
        self.found.closed.setdefault(name, []).append(result)
        return result.rate * size

    def _open(self, name: str, share: float, arrivals: Arrivals, seed: int) -> Result:
        asks = singles(self.fresh) if name == "single" else forever(singles(self.known))
        rate = share * statistics.median(self.found.rates[name])
        with served(ECHO if name == "echo" else OURS) as server:
            if name == "hit":
                self._make_known(server.address)
            load = open_loop(
                server.address,
                asks,
                rate=rate,
                seconds=self.lengths.open,
                warm_up=self.lengths.warm_up,
                arrivals=arrivals,
                seed=seed,
                connections=256,
            )
            result = uvloop.run(load)
        tell(f"{name} at {share:.0%}, {arrivals}: {result.summary()}")
        return result

    def _make_known(self, address: tuple[str, int]) -> None:
        """Have the server predict the known molecules once, each by a request as it will come again."""
        asks = singles(self.known)
        check("warming", uvloop.run(closed_loop(address, asks, clients=8, seconds=600)))

    def _library(self, name: str, size: int) -> float:
        command = [sys.executable, "-m", "benchmarks.load.inprocess", "--list", str(size)]
        times = ["--seconds", str(self.lengths.closed), "--warm-up", str(self.lengths.warm_up)]
        text = "\n".join(self.fresh)
        done = subprocess.run(
            [*command, *times], input=text, capture_output=True, text=True, check=True, cwd=ROOT
        )
        rate, cost = map(float, done.stdout.split())
        self.found.costs.setdefault(name, []).append((cost, 0.0))
        return rate


def processor(server: Served) -> tuple[float, float]:
    """Return seconds of processor time that the front process and the model processes took so far."""
    front, *others = (usage(pid) for pid in (server.process.pid, *descendants(server.process.pid)))
    return front.processor if front else 0.0, sum(other.processor for other in others if other)


def check(name: str, result: Result) -> None:
    """Raise if a request failed: a rate of errors is not a rate."""
    if result.failed or not result.outcome:
        raise RuntimeError(f"{name}: {dict(result.outcomes)}")


def tell(line: str) -> None:
    """Say what was just done, on standard error."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--report", type=Path, help="the page; a plot goes beside it")
    parser.add_argument("--json", type=Path, help="all figures, load by load")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--data", type=Path, help="folder of CSV files with SMILES; else the `chemicals` package"
    )
    given = parser.parse_args()
    lengths = QUICK if given.quick else Lengths()
    if given.rounds:
        lengths = Lengths(**{**vars(lengths), "rounds": given.rounds})
    where = machine()
    smiles = molecules(lengths.molecules, given.seed, given.data)
    found = Comparison(smiles, lengths, given.seed).run()
    plot = given.report.with_suffix(".svg") if given.report else None
    text = page(
        found,
        " ".join(["python -m benchmarks.load.compare", *sys.argv[1:]]),
        where,
        given.seed,
        lengths,
        plot,
    )
    print(text)
    if given.report and plot:
        given.report.write_text(text, encoding="utf-8")
        plot_loads(plot, {"hit of the cache": found.loads["hit"], "new molecule": found.loads["single"]})
    if given.json:
        figures = {
            "rates": found.rates,
            "costs": found.costs,
            "loads": {name: [r.summary() for r in results] for name, results in found.loads.items()},
            "usual": {f"{name}, {kind}": merged(r).summary() for (name, kind), r in found.usual.items()},
        }
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
