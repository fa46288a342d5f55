"""The reliability diagram as SVG, written by hand: no plotting library, and the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Sequence

from olfactory_transformer.train.certainty import Band

_SIZE, _LEFT, _TOP = 320, 60, 24


def reliability_svg(series: Sequence[tuple[str, str, Sequence[Band]]]) -> str:
    """Draw what was right over what was stated; on the diagonal, both are the same.

    Parameters
    ----------
    series : sequence of (name, colour, bands)
        The radius of a dot grows with its band's share of the series.
    """
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" font-family="sans-serif" font-size="12">',
        '<rect width="400" height="400" fill="white"/>',
        f'<path d="M{_x(0)} {_y(0)}H{_x(1)}V{_y(1)}H{_x(0)}Z" fill="none" stroke="#888"/>',
        f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="#888" stroke-dasharray="4"/>',
    ]
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(f'<text x="{_x(tick)}" y="{_y(0) + 16}" text-anchor="middle">{tick:.1f}</text>')
        parts.append(f'<text x="{_x(0) - 6}" y="{_y(tick) + 4}" text-anchor="end">{tick:.1f}</text>')
    for i, (name, colour, bands) in enumerate(series):
        line = " ".join(f"{_x(band.stated)},{_y(band.right)}" for band in bands)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        total = sum(band.count for band in bands)
        parts += [
            f'<circle cx="{_x(band.stated)}" cy="{_y(band.right)}" r="{2 + 6 * (band.count / total) ** 0.5:.1f}" '
            f'fill="{colour}"><title>{band.count}</title></circle>'
            for band in bands
        ]
        parts.append(f'<text x="{_x(0.04)}" y="{_TOP + 18 + 16 * i}" fill="{colour}">{name}</text>')
    parts += [
        f'<text x="{_x(0.5)}" y="{_y(0) + 36}" text-anchor="middle">stated</text>',
        f'<text x="20" y="{_y(0.5)}" text-anchor="middle" transform="rotate(-90 20 {_y(0.5)})">right</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(share: float) -> float:
    return round(_LEFT + _SIZE * share, 1)


def _y(share: float) -> float:
    return round(_TOP + _SIZE * (1 - share), 1)
