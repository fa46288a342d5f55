"""Figures beside the pages of docs/results.

python benchmarks/plots.py --ablations docs/results/ablations.md

`accuracy.py` draws the words; this command draws ablations.svg from that page's table. White behind, so that they can
be read on a dark page, too; the same figures give the same file.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]
BLUE, ORANGE, GREY = "#1f5fa8", "#d9822b", "#b0b0b0"
_COLUMNS = 3


def save(figure: Figure, path: Path) -> None:
    """Write an SVG that depends on nothing but what is drawn."""
    # Text stays text: half the size, and it can be searched.
    with mpl.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        figure.savefig(path, facecolor="white", metadata={"Date": None})
    plt.close(figure)
    text = path.read_text(encoding="utf-8")  # matplotlib leaves white space behind its lines
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


def words_figure(
    path: Path, words: Sequence[str], ours: Array, theirs: Array, names: tuple[str, str]
) -> None:
    """Draw two estimators' AUROC of every word, sorted by the first.

    Parameters
    ----------
    words : sequence of str, W of them
    ours, theirs : ndarray (W,)
        NaN where there is none; such words are left out.
    names : (str, str)
        Of the two.
    """
    kept = [i for i in np.argsort(ours)[::-1] if np.isfinite(ours[i]) and np.isfinite(theirs[i])]
    rows = math.ceil(len(kept) / _COLUMNS)
    figure, axes = plt.subplots(
        1, _COLUMNS, sharex=True, figsize=(9, 0.8 + 0.145 * rows), layout="constrained"
    )
    for column, axis in enumerate(axes):
        part = kept[column * rows : (column + 1) * rows]
        height = np.arange(len(part))
        a, b = np.array([ours[i] for i in part]), np.array([theirs[i] for i in part])
        axis.hlines(height, a, b, color=GREY, linewidth=1)
        axis.plot(b, height, "o", color=ORANGE, markersize=3, label=names[1])
        axis.plot(a, height, "o", color=BLUE, markersize=3, label=names[0])
        axis.set_yticks(height, [words[i] for i in part], fontsize=7)
        axis.set_ylim(rows - 0.3, -0.7)
        axis.tick_params(axis="x", labelsize=8)
        axis.grid(axis="x", color="#e6e6e6", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlabel("AUROC", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    save(figure, path)


def curves_figure(
    path: Path, shares: Sequence[float], curves: Sequence[tuple[str, Sequence[float], float | None]]
) -> None:
    """Draw a figure of each output by the share of the labels that was learned from, and its aim as a dashed line.

    Parameters
    ----------
    shares : sequence of float, S of them
    curves : sequence of (str, S floats, float or None)
        Output, its figures and the aim.
    """
    rows = math.ceil(len(curves) / _COLUMNS)
    figure, axes = plt.subplots(rows, _COLUMNS, sharex=True, figsize=(9, 1.7 * rows), layout="constrained")
    for axis in axes.flat[len(curves) :]:
        axis.set_visible(False)
    for axis, (what, values, aim) in zip(axes.flat, curves, strict=False):
        axis.plot(shares, values, "o-", color=BLUE, markersize=3)
        if aim is not None:
            axis.axhline(aim, color=ORANGE, linewidth=1, linestyle="--")
        axis.set_xscale("log", base=2)
        axis.set_xticks(shares, [f"{share:.0%}" for share in shares])
        axis.set_title(what, fontsize=7)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("share of the labelled molecules", fontsize=8)
    save(figure, path)


def read_table(page: str) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a page's first Markdown table.

    >>> read_table("text\\n\\n| a | b |\\n| --- | --- |\\n| **x** | 1 |\\n")
    (['a', 'b'], [['x', '1']])
    """
    lines = next(part for part in page.split("\n\n") if part.lstrip().startswith("|")).strip().splitlines()
    cells = [[cell.strip().strip("*") for cell in line.strip().strip("|").split("|")] for line in lines]
    return cells[0], cells[2:]


def ablations_figure(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Draw a bar a row and column of figures; a cell without a number has none."""
    series = [
        (name, np.array([_number(row[i]) for row in rows])) for i, name in enumerate(header[1:], start=1)
    ]
    series = [(name, values) for name, values in series if np.isfinite(values).any()]
    least = min(float(np.nanmin(values)) for _, values in series)
    start = math.floor(least * 100 - 0.5) / 100
    figure, axis = plt.subplots(figsize=(8, 0.8 + 0.36 * len(rows)), layout="constrained")
    height = 0.8 / len(series)
    for number, (name, values) in enumerate(series):
        place = np.arange(len(rows)) + height * (number - (len(series) - 1) / 2)
        axis.barh(
            place, values - start, height, left=start, color=(BLUE, ORANGE, GREY)[number % 3], label=name
        )
    axis.set_yticks(np.arange(len(rows)), [_wrapped(row[0]) for row in rows], fontsize=7.5)
    axis.invert_yaxis()
    axis.set_xlim(left=start)
    axis.set_xlabel(f"macro AUROC of the 138 words; bars begin at {start:.2f}", fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(series), frameon=False, fontsize=8)
    save(figure, path)


def _number(cell: str) -> float:
    try:
        return float(cell.split()[0])
    except (IndexError, ValueError):
        return float("nan")


def _wrapped(text: str, width: int = 58) -> str:
    """Break a label in two where it is long."""
    if len(text) <= width:
        return text
    middle = text.rfind(" ", 0, max(width, (len(text) + 1) // 2 + 8))
    return f"{text[:middle]}\n{text[middle + 1 :]}"


def main() -> None:
    """Draw the ablations beside their page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ablations", type=Path, default=Path("docs/results/ablations.md"))
    arguments = parser.parse_args()
    header, rows = read_table(arguments.ablations.read_text(encoding="utf-8"))
    ablations_figure(arguments.ablations.with_suffix(".svg"), header, rows)


if __name__ == "__main__":
    main()
