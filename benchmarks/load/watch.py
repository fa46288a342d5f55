"""Memory and open files of a server over time, and whether they grow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.load.servers import descendants, usage

MIB = 2**20
FIGURES = {
    "front_rss": "memory of the front process, MiB",
    "workers_rss": "memory of the model processes together, MiB",
    "front_files": "open files of the front process",
    "workers_files": "open files of the model processes together",
}
_BLOCKS = 12  # that a slope is fitted to


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a server and its model processes; `minute` from the start."""

    minute: float
    front_rss: float
    workers_rss: float
    front_files: float
    workers_files: float
    workers: int


def look(pid: int, began: float) -> Sample | None:
    """Return what a server takes now; None if it is gone."""
    front, workers = usage(pid), [u for child in descendants(pid) if (u := usage(child)) is not None]
    if front is None:
        return None
    return Sample(
        (time.monotonic() - began) / 60,
        front.rss / MIB,
        sum(u.rss for u in workers) / MIB,
        front.files,
        sum(u.files for u in workers),
        len(workers),
    )


async def watch(pid: int, samples: list[Sample], every: float) -> None:
    """Add a sample every so many seconds, until cancelled or the server is gone."""
    began = time.monotonic()
    while (sample := look(pid, began)) is not None:
        samples.append(sample)
        await asyncio.sleep(every)


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth a minute, with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def slope(minutes: Sequence[float], values: Sequence[float]) -> Slope:
    """Fit a line by least squares.

    Samples seconds apart are not independent, and a line through all of them would look surer than it is: it is
    fitted to the means of blocks that are much longer than memory takes to go up and down with the load.

    Examples
    --------
    >>> found = slope(range(120), [3 + 2 * t + (-1) ** t for t in range(120)])
    >>> round(found.value, 3), found.low < 2 < found.high
    (2.0, True)
    """
    time_of, value_of = (_means(v) for v in (minutes, values))
    if len(time_of) < 3:
        return Slope(np.nan, np.nan, np.nan)
    if np.ptp(value_of) == 0:
        return Slope(0.0, 0.0, 0.0)
    fit = stats.linregress(time_of, value_of)
    reach = float(stats.t.ppf(0.975, len(time_of) - 2) * fit.stderr)
    return Slope(float(fit.slope), float(fit.slope) - reach, float(fit.slope) + reach)


def _means(values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.array(
        [np.mean(part) for part in np.array_split(np.asarray(values, float), _BLOCKS) if len(part)]
    )
