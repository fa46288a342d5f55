"""Quality control: what good batches have in common, and whether another is like them.

A batch deviates when, over the last minute, the root mean square of (curve - mean) / spread of any channel is above
a threshold. The spread is what the good batches differ by between themselves. The threshold comes from leaving each
of them out in turn: the logarithms of their highest scores are taken for normally distributed, and it is the upper
bound for one more batch (Student's t) that a good one crosses in a share of `false_alarms`. A few batches say
little of how far these logarithms scatter, so that is drawn towards what was usual in SmellNet's training recordings.
The more good batches there are, the less escapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from olfactory_transformer.core.errors import FileFormatError, RecordingError
from olfactory_transformer.inference.nose.batches import Against, Floats, Grid, curves, gas_channels, noise
from olfactory_transformer.sensors.recording import Recording

FEWEST_BATCHES = 3
ENOUGH_BATCHES = 6
FALSE_ALARMS = 0.02
LOOK_SECONDS = 60.0  # over which a deviation is judged: one odd frame is none
SMOOTH_SECONDS = 60.0  # over which the spread between batches is pooled
SHARED = 4.0  # batches that the mean spread of a channel over time counts for
LEAST_SPREAD = 0.02  # of a curve, about 2 % of the change of a level: boards do no better
USUAL_SCATTER = 0.8  # standard deviation of the logarithms of good batches' highest scores
USUAL_WEIGHT = 10  # batches that the above counts for
FORMAT_VERSION = 1
MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceProfile:
    """What good batches have in common.

    Parameters
    ----------
    channels : tuple of str
    units : array (channels,)
        Of the curves; see `batches`.
    grid : Grid
    against : "level" or "start"
        What the curves are relative to.
    mean, spread : arrays (steps, channels)
    threshold : float
        Of the score.
    false_alarms : float
        Share of good batches that are meant to cross it.
    left_out : tuple of float
        The highest score of each good batch by the others.
    """

    channels: tuple[str, ...]
    units: Floats
    grid: Grid
    against: Against
    mean: Floats
    spread: Floats
    threshold: float
    false_alarms: float
    left_out: tuple[float, ...]

    @property
    def batches(self) -> int:
        """Return how many batches it was made from."""
        return len(self.left_out)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what a person should know before relying on it."""
        if self.batches >= ENOUGH_BATCHES:
            return ()
        return (
            f"made from {self.batches} batches: with {ENOUGH_BATCHES} or more, smaller deviations are found",
        )

    def scores(self, found: Floats) -> Floats:
        """Return each channel's score at each moment, (steps, channels), of curves (steps, channels).

        NaN until there is a number, and where there was none in the last minute.
        """
        squared = ((found - self.mean[: len(found)]) / self.spread[: len(found)]) ** 2
        return np.sqrt(_trailing_mean(squared, _steps(LOOK_SECONDS, self.grid)))


@dataclass(frozen=True, slots=True)
class ChannelDeviation:
    """A channel that is not as in good batches.

    Parameters
    ----------
    channel : str
    score : float
        The highest; infinite for a channel that is missing.
    began, ended : float
        Seconds from the start between which it was first above the threshold.
    direction : str
        `high`, `low`, or `missing`.
    """

    channel: str
    score: float
    began: float
    ended: float
    direction: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a batch is like the good ones, as far as it was heard.

    Parameters
    ----------
    deviates : bool
    score : float
        The highest so far of any channel; it deviates above `threshold`.
    threshold : float
    seconds : float
        How much of the batch was judged.
    of_seconds : float
        How long the good ones are.
    channels : tuple of ChannelDeviation
        That deviate, the first to do so first.
    """

    deviates: bool
    score: float
    threshold: float
    seconds: float
    of_seconds: float
    channels: tuple[ChannelDeviation, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; a score that is not finite is None."""
        return {
            "deviates": self.deviates,
            "score": _finite(self.score),
            "threshold": self.threshold,
            "seconds": self.seconds,
            "of_seconds": self.of_seconds,
            "channels": [
                {
                    "channel": each.channel,
                    "score": _finite(each.score),
                    "began": each.began,
                    "ended": each.ended,
                    "direction": each.direction,
                }
                for each in self.channels
            ],
        }


def learn(
    batches: Sequence[Recording], false_alarms: float = FALSE_ALARMS, against: Against = "level"
) -> ReferenceProfile:
    """Make a profile from good batches.

    Parameters
    ----------
    batches : sequence of Recording
        Three or more, all begun at the same step of the process. The shortest says how long the profile is.
    false_alarms : float
        Share of good batches, 0 to 0.5, that may be called bad.
    against : "level" or "start"
        `start` for a board whose level moves between batches: less is found.

    Raises
    ------
    RecordingError
        There are fewer than three, two are the same, they have no gas channel in common, or one is too short.
    ValueError
        `false_alarms` is out of range.
    """
    if not 0 < false_alarms <= 0.5:
        raise ValueError(f"false_alarms: got {false_alarms}, expected above 0, to 0.5")
    if len(batches) < FEWEST_BATCHES:
        raise RecordingError(f"{len(batches)} good batches", f"at least {FEWEST_BATCHES}")
    seconds = min(batch.seconds for batch in batches)
    if seconds < 2 * LOOK_SECONDS:
        raise RecordingError(f"a batch of {seconds:.0f} s", f"at least {2 * LOOK_SECONDS:.0f} s")
    for second, batch in enumerate(batches):
        for first, other in enumerate(batches[:second]):
            if batch.names == other.names and np.array_equal(batch.values, other.values, equal_nan=True):
                raise RecordingError(
                    f"the same recording as batches {first + 1} and {second + 1}", "one of each batch"
                )
    grid = Grid.over(seconds)
    names = gas_channels(batches)
    units = noise(batches, names)
    found = np.stack(
        [curves(batch, names, units, grid, against) for batch in batches]
    )  # (batches, steps, channels)
    kept = [c for c in range(len(names)) if np.isfinite(found[:, :, c]).any(axis=1).all()]
    if not kept:
        raise RecordingError("batches without a channel that has numbers in all of them", "at least one")
    names, units, found = tuple(names[c] for c in kept), units[kept], _filled(found[:, :, kept])
    left_out = []
    for left in range(len(found)):
        mean, spread = _mean_and_spread(np.delete(found, left, axis=0), grid)
        part = ReferenceProfile(names, units, grid, against, mean, spread, math.inf, false_alarms, ())
        left_out.append(float(np.nanmax(part.scores(found[left]))))
    mean, spread = _mean_and_spread(found, grid)
    threshold = _bound(np.log(np.maximum(left_out, 1e-6)), false_alarms)
    return ReferenceProfile(
        names, units, grid, against, mean, spread, threshold, false_alarms, tuple(left_out)
    )


def judge(profile: ReferenceProfile, batch: Recording) -> Verdict:
    """Say whether a batch, whole or as far as it has come, is like the good ones.

    Raises
    ------
    RecordingError
        It has no frame.
    """
    if not len(batch.times):
        raise RecordingError("a batch without frames", "at least one")
    steps = min(profile.grid.count, int(batch.seconds / profile.grid.step + 1e-9) + 1)
    found = curves(batch, profile.channels, profile.units, profile.grid, profile.against)[:steps]
    scores = profile.scores(found)
    deviating = []
    for column, name in enumerate(profile.channels):
        one = scores[:, column]
        # No number for as long as a deviation is judged over, after the first seconds in which boards start up.
        gone = np.flatnonzero(~np.isfinite(one))
        gone = gone[gone >= _steps(LOOK_SECONDS, profile.grid)]
        above = np.flatnonzero(np.nan_to_num(one, nan=-1.0) > profile.threshold)
        if gone.size and not (above.size and above[0] < gone[0]):
            deviating.append(_deviation(profile, name, math.inf, gone, "missing"))
        elif above.size:
            first = above[: _run(above)]
            gap = np.nanmean(found[first, column] - profile.mean[first, column])
            deviating.append(
                _deviation(profile, name, float(one[above].max()), first, "high" if gap > 0 else "low")
            )
    known = scores[np.isfinite(scores)]
    score = math.inf if any(math.isinf(each.score) for each in deviating) else float(known.max(initial=0.0))
    return Verdict(
        bool(deviating),
        score,
        profile.threshold,
        min(batch.seconds, profile.grid.seconds),
        profile.grid.seconds,
        tuple(sorted(deviating, key=lambda each: each.began)),
    )


def _deviation(
    profile: ReferenceProfile, name: str, score: float, steps: np.ndarray[Any, Any], direction: str
) -> ChannelDeviation:
    step = profile.grid.step
    return ChannelDeviation(
        name, score, float(steps[0] * step), float((steps[_run(steps) - 1] + 1) * step), direction
    )


def _run(steps: np.ndarray[Any, Any]) -> int:
    """Return how many of rising numbers follow each other without a gap from the first on.

    >>> _run(np.array([3, 4, 5, 9]))
    3
    """
    breaks = np.flatnonzero(np.diff(steps) > 1)
    return int(breaks[0]) + 1 if breaks.size else len(steps)


def _steps(seconds: float, grid: Grid) -> int:
    return max(1, round(seconds / grid.step))


def _filled(found: Floats) -> Floats:
    """Return curves (batches, steps, channels) with gaps drawn through from what is known on both sides."""
    filled = found.copy()
    at = np.arange(found.shape[1])
    for batch in filled:
        for column in batch.T:
            known = np.isfinite(column)
            column[~known] = np.interp(at[~known], at[known], column[known])
    return filled


def _mean_and_spread(found: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Return the mean and spread (steps, channels) of curves (batches, steps, channels)."""
    n = len(found)
    mean = np.median(found, axis=0) if n > 3 else found.mean(axis=0)
    # For one more batch, whose own distance from the mean is that of the batches and of the mean together.
    variance = ((found - mean) ** 2).sum(axis=0) / (n - 1) * (1 + 1 / n)
    half = _steps(SMOOTH_SECONDS, grid) // 2
    padded = np.pad(variance, ((half, half), (0, 0)), mode="edge")
    here = _trailing_mean(padded, 2 * half + 1)[2 * half :]
    # A few batches may meet by chance at a moment: a part of the spread is that of all moments.
    shared = ((n - 1) * here + SHARED * variance.mean(axis=0)) / (n - 1 + SHARED)
    return mean, np.sqrt(shared + LEAST_SPREAD**2)


def _trailing_mean(values: Floats, width: int) -> Floats:
    """Return the mean over the last `width` rows of each column, of what is a number; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.cumsum(np.where(known, values, 0.0), axis=0)
    count = np.cumsum(known, axis=0).astype(np.float64)
    total[width:], count[width:] = total[width:] - total[:-width], count[width:] - count[:-width]
    return np.divide(total, count, out=np.full(values.shape, np.nan), where=count > 0)  # type: ignore[no-any-return]


def _bound(logs: Floats, share: float) -> float:
    """Return what one more value of a log-normal distribution exceeds in a share of cases, by values seen."""
    n = len(logs)
    own = float(((logs - logs.mean()) ** 2).sum())
    scatter = math.sqrt((own + USUAL_WEIGHT * USUAL_SCATTER**2) / (n - 1 + USUAL_WEIGHT))
    return math.exp(
        float(logs.mean()) + t_quantile(1 - share, n - 1 + USUAL_WEIGHT) * scatter * math.sqrt(1 + 1 / n)
    )


def t_quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t (Abramowitz and Stegun 26.7.3 and 26.7.4, inverted by bisection).

    Parameters
    ----------
    probability : float
        0.5 to below 1.
    freedom : int
        Degrees, 1 or more.

    Examples
    --------
    >>> round(t_quantile(0.99, 2), 3), round(t_quantile(0.975, 9), 3)
    (6.965, 2.262)
    """
    low, high = 0.0, 1.0
    while _t_cumulative(high, freedom) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_cumulative(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _t_cumulative(t: float, freedom: int) -> float:
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    if freedom % 2:
        term, total = cosine, cosine if freedom > 1 else 0.0
        for k in range(3, freedom - 1, 2):
            term *= cosine**2 * (k - 1) / k
            total += term
        inside = 2 / math.pi * (angle + sine * total)
    else:
        term = total = 1.0
        for k in range(2, freedom - 1, 2):
            term *= cosine**2 * (k - 1) / k
            total += term
        inside = sine * total
    return 0.5 + inside / 2


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


# -- as a file -----------------------------------------------------------------------------------------------


class _Stored(msgspec.Struct, tag="olfactory-reference", forbid_unknown_fields=True):
    version: int
    channels: list[str]
    units: list[float]
    step_seconds: float
    against: Against
    mean: list[list[float]]  # a row a step
    spread: list[list[float]]
    threshold: float
    false_alarms: float
    left_out: list[float]


def to_json(profile: ReferenceProfile) -> bytes:
    """Return a profile as JSON."""
    return msgspec.json.encode(
        _Stored(
            FORMAT_VERSION,
            list(profile.channels),
            profile.units.tolist(),
            profile.grid.step,
            profile.against,
            profile.mean.round(6).tolist(),
            profile.spread.round(9).tolist(),
            profile.threshold,
            profile.false_alarms,
            list(profile.left_out),
        )
    )


def from_json(data: bytes, source: object = "reference") -> ReferenceProfile:
    """Read what `to_json` wrote.

    Raises
    ------
    FileFormatError
        It is something else, of another format version, or broken.
    """
    try:
        stored = msgspec.json.decode(data, type=_Stored)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FileFormatError(f"{source}: not a reference profile ({error})") from None
    if stored.version != FORMAT_VERSION:
        raise FileFormatError(f"{source}: format version {stored.version}, expected {FORMAT_VERSION}")
    width, count = len(stored.channels), len(stored.mean)
    rows = [*stored.mean, *stored.spread]
    if (
        not width
        or count < 2
        or len(stored.spread) != count
        or len(stored.units) != width
        or len(set(stored.channels)) < width
        or any(len(row) != width for row in rows)
    ):
        raise FileFormatError(f"{source}: its rows are not of the {width} channels that it names")
    units, mean, spread = np.array(stored.units), np.array(stored.mean), np.array(stored.spread)
    if min(units.min(), spread.min(), stored.step_seconds, stored.threshold) <= 0:
        raise FileFormatError(f"{source}: a unit, spread, step or threshold that is not above 0")
    grid = Grid(stored.step_seconds, count)
    return ReferenceProfile(
        tuple(stored.channels),
        units,
        grid,
        stored.against,
        mean,
        spread,
        stored.threshold,
        stored.false_alarms,
        tuple(stored.left_out),
    )


def read_profile(path: Path) -> ReferenceProfile:
    """Read a file of `to_json`.

    Raises
    ------
    FileFormatError
        It is no such file, or larger than one can be.
    OSError
        It cannot be read.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise FileFormatError(f"{path}: {size} bytes, expected at most {MAX_BYTES}")
    return from_json(path.read_bytes(), path)
