"""A recording as SVG, written by hand as the other pictures are: the same bytes for the same recording."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.render import printable
from olfactory_transformer.sensors.recording import Recording

_WIDTH, _LEFT, _PANEL, _GAP = 640, 170, 80, 14
_LINE = "#1f77b4"
_BREAK = 10.0  # times the usual step: over a longer one no line is drawn
_TICKS = 6


def recording_svg(recording: Recording, title: str) -> str:
    """Draw each channel over the time in a panel of its own, with its range beside it.

    A line ends where there is no value, and where the board was away. Of more frames than there are places across, the
    least and the greatest of each place are drawn, so that no spike is lost.

    Examples
    --------
    >>> from olfactory_transformer.sensors.channels import channel
    >>> made = Recording((channel("CO"),), np.arange(3.0), np.float32([[1], [2], [4]]))
    >>> '<polyline points="170.0,108.0 490.0,81.3 810.0,28.0"' in recording_svg(made, "a.csv")
    True
    """
    times = recording.times - recording.times[0]
    span = float(times[-1]) or 1.0
    height = 28 + len(recording.channels) * (_PANEL + _GAP) + 32
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 20} {height}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{_text(title)}</title>",
        f'<rect width="{_LEFT + _WIDTH + 20}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="18" font-weight="bold">{_text(title)}</text>',
    ]
    for place, channel in enumerate(recording.channels):
        top = 28 + place * (_PANEL + _GAP)
        unit = f" [{channel.unit}]" if channel.unit else ""
        parts += [
            f'<text x="8" y="{top + _PANEL / 2 + 4:g}">{_text(channel.name[:18] + unit)}</text>',
            f'<path d="M{_LEFT} {top}V{top + _PANEL}H{_LEFT + _WIDTH}" fill="none" stroke="#888"/>',
            *_panel(times, span, recording.values[:, place].astype(np.float64), top),
        ]
    base = height - 32
    for tick in range(_TICKS + 1):
        x = _LEFT + _WIDTH * tick / _TICKS
        parts.append(
            f'<text x="{x:.1f}" y="{base + 6}" text-anchor="middle">{span * tick / _TICKS:.4g}</text>'
        )
    parts += [
        f'<text x="{_LEFT + _WIDTH / 2:g}" y="{base + 24}" text-anchor="middle">seconds</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(times: NDArray[np.float64], span: float, values: NDArray[np.float64], top: int) -> Iterator[str]:
    known = values[np.isfinite(values)]
    if not known.size:
        yield f'<text x="{_LEFT + 8}" y="{top + 20}" fill="#888">no value</text>'
        return
    low, high = float(known.min()), float(known.max())
    scale = (high - low) or 1.0
    for text, y in ((high, top + 10), (low, top + _PANEL)) if high > low else ((low, top + _PANEL),):
        yield f'<text x="{_LEFT - 4}" y="{y}" text-anchor="end" font-size="10" fill="#555">{text:.5g}</text>'
    for line in _lines(times, values, span):
        points = " ".join(
            f"{_LEFT + _WIDTH * t / span:.1f},{top + _PANEL * (1 - (v - low) / scale):.1f}"
            for t, v in zip(times[line], values[line], strict=True)
        )
        if len(line) > 1:
            yield f'<polyline points="{points}" fill="none" stroke="{_LINE}"/>'
        else:
            left, _, height = points.partition(",")
            yield f'<circle cx="{left}" cy="{height}" r="1.5" fill="{_LINE}"/>'


def _lines(
    times: NDArray[np.float64], values: NDArray[np.float64], span: float
) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each line that is drawn."""
    rows = np.flatnonzero(np.isfinite(values))
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    longest = _BREAK * usual if usual > 0 else math.inf
    apart = (np.diff(rows) > 1) | (np.diff(times[rows]) > longest)
    for line in np.split(rows, np.flatnonzero(apart) + 1):
        yield _thinned(line, times, values, span)


def _thinned(
    rows: NDArray[np.int64], times: NDArray[np.float64], values: NDArray[np.float64], span: float
) -> NDArray[np.int64]:
    if len(rows) <= 2 * _WIDTH:
        return rows
    place = (times[rows] / span * (_WIDTH - 1)).astype(np.int64)
    edges = np.flatnonzero(np.diff(place, prepend=-1))
    kept = {int(rows[0]), int(rows[-1])}
    for part in np.split(rows, edges[1:]):
        kept |= {int(part[values[part].argmin()]), int(part[values[part].argmax()])}
    return np.array(sorted(kept))


def _text(text: str) -> str:
    return escape(printable(text))
