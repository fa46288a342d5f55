"""The level of each channel in clean air (R0), refused while it still moves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.level import ENDS, WRAPPED, Scale, scale_of, spread
from olfactory_transformer.sensors.recording import Recording

MIN_SECONDS, MIN_FRAMES = 60.0, 30
TOLERANCE = 0.02
"""Decades (5 %) that a level in clean air may move from the recording's first third to its last."""
_MOST_MISSING = 0.1  # of a channel's readings


class Noise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How restless a channel is in clean air, by which one that is stuck is told from one that is calm.

    Parameters
    ----------
    changes : float
        Of all readings the part, 0 to 1, that differs from the one before.
    longest : float
        Seconds of the longest time without a change.
    """

    changes: Annotated[float, msgspec.Meta(ge=0, le=1)]
    longest: Annotated[float, msgspec.Meta(ge=0, lt=1e12)]


@dataclass(frozen=True, slots=True)
class Level:
    """Where a channel lies over some time.

    Parameters
    ----------
    scale : Scale
    reading : float
        The median, in the channel's unit.
    log : float
        log10 of the resistance that belongs to it.
    spread : float
        Standard deviation about its own slope, decades.
    jitter : float
        Standard deviation from one reading to the next, decades: what is noise for sure.
    frames : int
    moved : float
        Decades from the first third of the time to the last.
    slope : float
        The same, decades an hour.
    noise : Noise
    """

    scale: Scale
    reading: float
    log: float
    spread: float
    jitter: float
    frames: int
    moved: float
    slope: float
    noise: Noise


@dataclass(frozen=True, slots=True)
class Baseline:
    """A board in clean air.

    Parameters
    ----------
    levels : mapping of str to Level
        By the gas channel's name.
    left_out : mapping of str to str
        Gas channels that cannot be used, and why: `missing` or `saturated`.
    room : mapping of str to float
        The median `temperature` (degC) and `humidity` (%), where the board measures them.
    room_noise : mapping of str to Noise
        By the name of a channel of temperature or humidity.
    seconds : float
    frames : int
    """

    levels: Mapping[str, Level]
    left_out: Mapping[str, str]
    room: Mapping[str, float]
    room_noise: Mapping[str, Noise]
    seconds: float
    frames: int


def measure_baseline(
    recording: Recording,
    scales: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> Baseline:
    """Measure R0 of every gas channel from a recording of clean air.

    Parameters
    ----------
    recording : Recording
        At least a minute, of a board that has warmed up.
    scales : mapping of str to mapping, or None
        Of some channels what `level.scale_of` takes: `response`, `full_scale`, `load`.
    tolerance : float
        Decades that a level may move. What noise and whole counts explain is allowed besides.

    Returns
    -------
    Baseline
        R0 is a robust level, so a passing whiff does not change it. What it is a level of depends on the
        channel: of a resistance, that; of counts with full scale and load, the resistance that they stand for; of other
        counts, those.

    Raises
    ------
    CalibrationError
        It is too short, a channel has not settled or reads above its stated full scale, or none can be used.

    Examples
    --------
    >>> from olfactory_transformer.sensors.frame import Frame
    >>> rng = np.random.default_rng(0)
    >>> air = [Frame(float(t), {"CO": 800.0 + rng.integers(-1, 2)}) for t in range(120)]
    >>> measure_baseline(Recording.of(air)).levels["CO"].reading
    800.0
    >>> warming = [Frame(float(t), {"CO": 800.0 - t}) for t in range(120)]
    >>> measure_baseline(Recording.of(warming))
    Traceback (most recent call last):
    ...
    olfactory_transformer.core.errors.CalibrationError: not settled in clean air: CO moved by 11 % in 80 s, ...
    """
    _check_length(recording)
    unknown = sorted(set(scales or {}) - {each.name for each in recording.channels if each.kind == "gas"})
    if unknown:
        raise CalibrationError(
            f"got a scale of {', '.join(unknown)}, which the recording has no gas channel for"
        )
    levels: dict[str, Level] = {}
    left_out: dict[str, str] = {}
    room: dict[str, float] = {}
    room_noise: dict[str, Noise] = {}
    for column, channel in enumerate(recording.channels):
        readings = recording.values[:, column]
        if channel.kind == "gas":
            scale = scale_of(channel, readings, **(scales or {}).get(channel.name, {}))
            check_full_scale(channel.name, readings, scale)
            if why := useless(readings, scale):
                left_out[channel.name] = why
            else:
                levels[channel.name] = level_of(recording.times, readings, scale)
        elif channel.kind in ("temperature", "humidity") and np.isfinite(readings).mean() > 1 - _MOST_MISSING:
            room.setdefault(channel.kind, float(np.nanmedian(readings)))
            room_noise[channel.name] = noise_of(recording.times, readings)
    if not levels:
        raise CalibrationError(f"got no gas channel that can be used{_named(left_out)}, expected one or more")
    check_settled(levels, tolerance, "clean air")
    return Baseline(levels, left_out, room, room_noise, recording.seconds, len(recording.times))


def check_full_scale(name: str, readings: NDArray[np.float32], scale: Scale) -> None:
    """Refuse readings (n,) of a channel that are above the full scale stated of it, but for a glitch now and then.

    Raises
    ------
    CalibrationError
    """
    if scale.full_scale is None:
        return
    above = readings[(readings > np.float32(scale.full_scale)) & (readings < WRAPPED)]
    if above.size > _MOST_MISSING * readings.size:
        highest = float(above.max())
        raise CalibrationError(
            f"got {name} reading {highest:g} with a full scale of {scale.full_scale:g}, expected the highest count "
            "that its ADC can give"
        )


def level_of(times: NDArray[np.float64], readings: NDArray[np.float32], scale: Scale) -> Level:
    """Return where a channel lies over some time; `readings` (n,) in its unit, some of them finite."""
    logs = scale.log_resistance(readings)
    kept = np.isfinite(logs)
    logs, at = logs[kept], times[kept]
    third = max(len(logs) // 3, 1)
    early, late = float(np.median(logs[:third])), float(np.median(logs[-third:]))
    apart = float(np.median(at[-third:]) - np.median(at[:third]))
    slope = (late - early) / apart if apart else 0.0
    middle = float(np.median(logs))
    residual = logs - slope * (at - np.median(at)) - middle
    reading = float(np.median(readings[kept]))
    return Level(
        scale,
        reading,
        middle,
        spread(residual),
        spread(np.diff(logs)) / math.sqrt(2),
        len(logs),
        late - early,
        slope * 3600,
        noise_of(times, readings),
    )


def noise_of(times: NDArray[np.float64], readings: NDArray[np.float32]) -> Noise:
    """Return how restless a channel is."""
    at, known = times[np.isfinite(readings)], readings[np.isfinite(readings)]
    if len(known) < 2:
        return Noise(0.0, 0.0)
    edges = np.flatnonzero(np.diff(known)) + 1
    stops = np.concatenate(([0], edges, [len(known) - 1]))
    return Noise(len(edges) / (len(known) - 1), float(np.diff(at[stops]).max()))


def useless(readings: NDArray[np.float32], scale: Scale) -> str:
    """Return why no level can be had from a channel: `missing`, `saturated`, or nothing."""
    known = readings[np.isfinite(readings)]
    if known.size < (1 - _MOST_MISSING) * readings.size or not known.size:
        return "missing"
    top = known >= WRAPPED
    ends = (
        [scale.full_scale] if scale.full_scale else [end for end in ENDS if end >= known[~top].max(initial=0)]
    )
    at_end = top | np.isin(known, np.array(ends, np.float32)) | (known <= 0)
    return "saturated" if at_end.mean() > _MOST_MISSING else ""


def check_settled(levels: Mapping[str, Level], tolerance: float, where: str) -> None:
    """Refuse levels that moved by more than `tolerance` decades, noise and the smallest step.

    Raises
    ------
    CalibrationError
        It names every such channel, and by how much it moved.
    """
    moving = [
        f"{name} moved by {percent(level.moved)} in {_seconds(level):.0f} s"
        for name, level in levels.items()
        if abs(level.moved)
        > max(tolerance, 4 * _uncertainty(level), 1.001 * level.scale.step_at(level.reading))
    ]
    if moving:
        raise CalibrationError(
            f"not settled in {where}: {', '.join(moving)}, expected at most {percent(tolerance)}; "
            "wait until the readings stand still, and record again"
        )


def percent(decades: float) -> str:
    """Return how much larger or smaller that is, without the sign.

    >>> percent(0.02), percent(-1)
    ('5 %', '900 %')
    """
    return f"{100 * (10 ** abs(decades) - 1):.0f} %"


def _check_length(recording: Recording) -> None:
    if recording.seconds < MIN_SECONDS or len(recording.times) < MIN_FRAMES:
        raise CalibrationError(
            f"got {len(recording.times)} frames in {recording.seconds:.0f} s, "
            f"expected at least {MIN_FRAMES} in {MIN_SECONDS:.0f} s"
        )


def _seconds(level: Level) -> float:
    return abs(level.moved / level.slope * 3600) if level.slope else 0.0


def _uncertainty(level: Level) -> float:
    # Of the difference of two medians of a third each. By the jitter, as the spread grows with a move that is no line.
    return level.jitter * 1.25 * math.sqrt(2 / max(level.frames / 3, 1))


def _named(left_out: Mapping[str, str]) -> str:
    return f" ({', '.join(f'{name}: {why}' for name, why in left_out.items())})" if left_out else ""
