"""Tables and plots of results."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import numpy as np

from benchmarks.load.results import QUANTILES, Result, quantiles
from olfactory_transformer.core.cpu import cpu_limit
from olfactory_transformer.train.report import table

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

COLOURS = ("#1f5fa8", "#d9822b", "#5a9e6f", "#b0b0b0")
_SHOWN = {"p50": "-", "p99": "--", "p99.9": ":"}


def machine() -> str:
    """Return what the figures were measured on, and how busy it was just before."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "fastapi", "onnxruntime", "rdkit"))
    return (
        f"{cpu_limit()} processors ({model}), Linux {platform.release()}, Python {platform.python_version()}, "
        f"{packages}; load average before {os.getloadavg()[0]:.2f}"
    )


def loads_table(results: Sequence[Result]) -> str:
    """Return a row a result: what was offered, what came of it, and how long it took."""
    rows = [
        [
            "closed loop" if result.offered is None else f"{result.offered:,.0f}",
            f"{result.rate:,.0f}",
            *(milliseconds(quantiles(result.latency)[name]) for name in QUANTILES),
            ", ".join(f"{n:,} × {outcome}" for outcome, n in sorted(result.outcomes.items())),
        ]
        for result in results
    ]
    return table(
        ["offered a second", "answered a second", *(f"{q}, ms" for q in QUANTILES), "outcomes"], rows
    )


def milliseconds(value: float | None) -> str:
    """Return a time with three digits that matter.

    >>> milliseconds(0.4567), milliseconds(45.67), milliseconds(4567.8), milliseconds(None)
    ('0.457', '45.7', '4,568', '')
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.{2 - int(np.floor(np.log10(max(value, 0.1))))}f}"


def plot_loads(path: Path, series: Mapping[str, Sequence[Result]]) -> None:
    """Draw quantiles of latency against the offered load, a colour a series.

    Parameters
    ----------
    path : Path
        An SVG.
    series : mapping of str to sequence of Result
        Open loops.
    """
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for colour, (name, results) in zip(COLOURS, series.items(), strict=False):
        ordered = sorted(results, key=lambda r: r.offered or 0)
        for quantile, line in _SHOWN.items():
            values = [quantiles(r.latency)[quantile] or np.nan for r in ordered]
            axis.plot(
                [r.offered or np.nan for r in ordered], values, line, color=colour, marker="o", markersize=3,
                label=f"{name}, {quantile}",
            )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("offered requests a second (open loop)")
    axis.set_ylabel("latency from when a request was due, ms")
    axis.grid(color="#e6e6e6", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write an SVG that depends on nothing but what is drawn, white behind."""
    with mpl.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        figure.savefig(path, facecolor="white", metadata={"Date": None})
    plt.close(figure)
    text = path.read_text(encoding="utf-8")  # matplotlib leaves white space behind its lines
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")
