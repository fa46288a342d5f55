"""Hurt a real server in every way of the fault matrix, several times, and write what it did and how fast it recovered.

    python -m benchmarks.faults.matrix --repeats 1 --report docs/results/faults.md

The rows are what tests/faults/test_server_*.py assert in every run of the tests, here under heavier and longer loads:
a row that does not hold is a test that fails. Exits with 1 if one does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.load.report import machine
from benchmarks.load.servers import ROOT
from olfactory_transformer.train.report import table
from olfactory_transformer.train.shipping import commit

PARTS = {
    "test_server_engine": "Model processes",
    "test_server_load": "Load and clients",
    "test_server_end": "The end",
    "test_server_swap": "The model",
    "test_server_redis": "Redis",
    "test_server_disk": "Disk",
    "test_server_clock": "Clock",
}
# /ready is to say so within so many seconds of the death of all model processes.
NOTICED = {"engine killed": 2.0, "engine hung": 2.0}


@dataclass(frozen=True)
class Fault:
    """All runs of one row.

    Parameters
    ----------
    name, how, expected, seen, metric : str
        Of the last run.
    noticed, recovery : tuple of float
        Seconds, of the runs that measured them.
    runs : int
    failed : tuple of str
        Why, a run that did not hold.
    """

    name: str
    how: str
    expected: str
    seen: str
    metric: str
    noticed: tuple[float, ...]
    recovery: tuple[float, ...]
    runs: int
    failed: tuple[str, ...]

    @property
    def short(self) -> str:
        """What falls short, or nothing."""
        if self.failed:
            return f"failed in {len(self.failed)} of {self.runs} runs: {self.failed[-1]}"
        bound = NOTICED.get(self.name)
        if bound is not None and max(self.noticed) > bound:
            return f"noticed after {max(self.noticed):.2f} s at worst, aimed at {bound:g} s"
        return ""

    def row(self) -> list[str]:
        """Return its row of the table."""
        holds = "yes" if not self.short else "**no**"
        seen = self.seen.replace("|", "/")
        return [
            self.name, self.how, self.expected, seen, _seconds(self.noticed), _seconds(self.recovery),
            f"`{self.metric}`" if self.metric.startswith("olfactory") else self.metric, holds,
        ]  # fmt: skip


def _seconds(values: Sequence[float]) -> str:
    if not values:
        return ""
    middle, most = statistics.median(values), max(values)
    return f"{middle:.2f}" if len(values) == 1 else f"{middle:.2f} ({most:.2f})"


def faults(rows: Sequence[dict[str, object]]) -> dict[str, list[Fault]]:
    """Put the runs of each row together, by the file of its test."""
    found: dict[tuple[str, str], list[dict[str, object]]] = {}
    for row in rows:
        found.setdefault((str(row["file"]), str(row["fault"])), []).append(row)
    parts: dict[str, list[Fault]] = {}
    for (file, name), runs in found.items():
        last = {key: str(runs[-1][key]) for key in ("how", "expected", "seen", "metric")}
        noticed, recovery = (
            tuple(float(str(run[key])) for run in runs if run[key] is not None)
            for key in ("noticed", "recovery")
        )
        failed = tuple(str(run["failed"]) for run in runs if run["failed"])
        parts.setdefault(file, []).append(
            Fault(name, **last, noticed=noticed, recovery=recovery, runs=len(runs), failed=failed)
        )
    return parts


def page(parts: dict[str, list[Fault]], command: str, where: str, repeats: int) -> str:
    """Return the page `docs/results/faults.md`."""
    short = [f"- {fault.name}: {fault.short}" for part in parts.values() for fault in part if fault.short]
    count = sum(map(len, parts.values()))
    header = ["fault", "how", "expected", "seen", "noticed, s", "recovered, s", "shown by", "holds"]
    sections = [
        f"## {PARTS.get(file, file)}\n\n{table(header, [fault.row() for fault in part])}"
        for file, part in parts.items()
    ]
    return "\n\n".join(
        [
            "# The fault matrix",
            "Written by the command below; do not edit.",
            f"- command: `{command}`\n- commit: {commit()}\n- machine: {where}\n- {repeats} runs of each row; times "
            "are the median of the runs, and the longest in brackets",
            "Every fault is real: signals to processes, a graph that makes ONNX Runtime fail, a Redis that is killed, "
            "locked or filled, a proxy that does what networks do, a file system that is full. The same rows are "
            "asserted by `tests/faults/test_server_*.py` in every run of the tests, under lighter loads. *Noticed* "
            "counts from the fault to when `/ready`, or what else the row names, tells of it; *recovered* to when all "
            "is well again, nobody having done anything but end the fault.",
            *sections,
            "## What falls short",
            "\n".join(short) or f"None of the {count} rows.",
        ]
    ) + "\n"  # fmt: skip


def main() -> int:
    """Run the matrix and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", action="append", help="a part, such as redis; repeatable")
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    names = [name for name in PARTS if not given.only or name.removeprefix("test_server_") in given.only]
    where, rows = machine(), []
    for number in range(given.repeats):
        for name in names:
            with TemporaryDirectory() as folder:
                out = Path(folder) / "rows.json"
                test = f"tests/faults/{name}.py"
                print(f"run {number + 1}, {test}", file=sys.stderr, flush=True)
                command = [sys.executable, "-m", "benchmarks.faults.collect", str(out), test]
                subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
                rows += json.loads(out.read_text(encoding="utf-8"))
    parts = faults(rows)
    text = page(parts, " ".join(["python -m benchmarks.faults.matrix", *sys.argv[1:]]), where, given.repeats)
    print(text)
    if given.report:
        given.report.write_text(text, encoding="utf-8")
    return 1 if any(fault.short for part in parts.values() for fault in part) else 0


if __name__ == "__main__":
    sys.exit(main())
