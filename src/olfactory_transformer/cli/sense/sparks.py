"""Channels as rows of blocks: what fits into a line of a terminal."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCKS, ASCII = "▁▂▃▄▅▆▇█", "_.-~=+*#"


def sparkline(values: ArrayLike, width: int | None = None, *, ascii_only: bool = False) -> str:
    """Return values as a row of blocks from their lowest to their highest; a space where there is none.

    Parameters
    ----------
    values : array (n,)
    width : int or None
        At most so many blocks: each is the mean of the values that fall to it.
    ascii_only : bool
        For a terminal that cannot show blocks.

    Examples
    --------
    >>> sparkline([1.0, 2.0, float("nan"), 3.0]), sparkline([5, 5])
    ('▁▄ █', '▄▄')
    >>> sparkline(range(100), 8, ascii_only=True)
    '_.-~=+*#'
    """
    shown = means(np.asarray(values, np.float64), width)
    known = shown[np.isfinite(shown)]
    if not known.size:
        return " " * len(shown)
    low, span = known.min(), np.ptp(known)
    levels = np.nan_to_num((shown - low) / span if span > 0 else shown * 0 + 3 / 7) * 7
    blocks = ASCII if ascii_only else BLOCKS
    return "".join(
        blocks[int(level)] if finite else " "
        for level, finite in zip(levels, np.isfinite(shown), strict=True)
    )


def means(values: NDArray[np.float64], width: int | None) -> NDArray[np.float64]:
    """Return the means of `width` parts of about equal length, NaN for a part without a value.

    >>> means(np.array([1.0, 3.0, np.nan, 5.0]), 2).tolist()
    [2.0, 5.0]
    """
    if width is None or len(values) <= width:
        return values
    part = np.arange(len(values)) * width // len(values)
    finite = np.isfinite(values)
    count = np.bincount(part[finite], minlength=width)
    total = np.bincount(part[finite], values[finite], minlength=width)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count, np.float64)


def only_ascii() -> bool:
    """Say whether standard output cannot show blocks."""
    try:
        (BLOCKS + "█▏").encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return True
    return False
