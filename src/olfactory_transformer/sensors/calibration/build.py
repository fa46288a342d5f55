"""From recordings to a calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.baseline import (
    TOLERANCE,
    Baseline,
    check_full_scale,
    check_settled,
    level_of,
    measure_baseline,
    useless,
)
from olfactory_transformer.sensors.calibration.curve import Curve, check_ppm, fit_curve, is_flat
from olfactory_transformer.sensors.calibration.room import Compensation, fit_compensation, room_of
from olfactory_transformer.sensors.calibration.value import Calibration, ChannelCalibration, Drift
from olfactory_transformer.sensors.recording import Recording

DAYS = 30.0
DRIFT = 0.1
"""Decades (26 %) by which a level in clean air may have moved before its calibration counts as drifted."""
REFERENCE_TOLERANCE = 0.05
"""Decades (12 %) by which a level may still move in the second half of a reference compound's recording."""
SINCE_1970 = 1e8
"""Seconds; a time below is one from the start of a recording."""
_LAST = 253_402_300_000.0  # in the year 9999
_KEPT = ("source", "simulated", "device", "firmware")
"""Notes of a recording of clean air that go with the calibration."""


# A minute and a half is for trying; any less would be over before it began.
LEAST_DAYS, MOST_DAYS = 0.001, 3650.0


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A recording of a compound at a known concentration.

    Parameters
    ----------
    compound : str
    ppm : float
        By volume.
    recording : Recording
        Of the same board; its second half is taken, as levels need time to come.
    """

    compound: str
    ppm: float
    recording: Recording


def calibrate(
    sensor_id: str,
    clean_air: Recording,
    *,
    references: Sequence[Reference] = (),
    other_air: Sequence[Recording] = (),
    scales: Mapping[str, Mapping[str, Any]] | None = None,
    days: float = DAYS,
    made: datetime | None = None,
    tolerance: float = TOLERANCE,
    notes: Mapping[str, str] | None = None,
) -> Calibration:
    """Make a calibration.

    Parameters
    ----------
    sensor_id : str
    clean_air : Recording
        At least a minute, of a board that has warmed up.
    references : sequence of Reference
        Of each compound at least two concentrations; better five.
    other_air : sequence of Recording
        Clean air at other temperatures and humidities, for the compensation; `clean_air` is used for it, too.
    scales : mapping of str to mapping, or None
        Of some channels `response`, `full_scale`, `load`; see `level.scale_of`.
    days : float
        After which it expires, above 0, to 3650.
    made : datetime or None
        By default when the clean air was recorded, if its times say so, else now.
    tolerance : float
        Decades that a level in clean air may move.
    notes : mapping of str to str, or None
        Besides those of the recording that say which board it is of, and whether that is a made-up one.

    Raises
    ------
    CalibrationError
        A recording does not do for what it was given for; the message says which channel, what was got and expected.
    """
    if not LEAST_DAYS <= days <= MOST_DAYS:
        raise CalibrationError(f"days: got {days:g}, expected {LEAST_DAYS:g} to {MOST_DAYS:g}")
    baseline = measure_baseline(clean_air, scales, tolerance=tolerance)
    compensations = fit_compensation(baseline, [clean_air, *other_air]) if other_air else {}
    curves = _curves(baseline, compensations, references)
    units = {each.name: each.unit for each in clean_air.channels}
    channels = {
        name: ChannelCalibration(
            units[name],
            level.scale,
            level.reading,
            level.log,
            level.spread,
            level.slope,
            level.noise,
            curves.get(name, {}),
            compensations.get(name),
        )
        for name, level in baseline.levels.items()
    }
    made = made or _moment_of(clean_air)
    content = Calibration(
        sensor_id,
        made,
        made + timedelta(days=days),
        channels,
        baseline.seconds,
        baseline.frames,
        dict(baseline.room),  # type: ignore[arg-type]
        baseline.room_noise,
        baseline.left_out,
        None,
        {name: clean_air.notes[name][:1000] for name in _KEPT if name in clean_air.notes} | dict(notes or {}),
    )
    return Calibration.from_dict(content.as_dict())  # checked once more, as it will be when it is read


def measure_drift(
    calibration: Calibration,
    clean_air: Recording,
    *,
    threshold: float = DRIFT,
    tolerance: float = TOLERANCE,
    at: datetime | None = None,
) -> Calibration:
    """Compare a board in clean air with what it was, and return the calibration with what was found as its `drift`.

    Parameters
    ----------
    calibration : Calibration
    clean_air : Recording
        As `calibrate` takes it.
    threshold : float
        Decades from which a channel has drifted.
    tolerance : float
        Decades that a level may move meanwhile.
    at : datetime or None
        As `made` of `calibrate`.

    Raises
    ------
    CalibrationError
        It is no settled clean air, or has no channel of the calibration.
    """
    scales = {
        name: {
            "response": known.scale.response,
            "full_scale": known.scale.full_scale,
            "load": known.scale.load,
        }
        for name, known in calibration.channels.items()
        if name in clean_air.names
    }
    now = measure_baseline(clean_air, scales, tolerance=tolerance)
    moved = {
        name: now.levels[name].log - known.log_level - _shift(known.compensation, calibration.room, now.room)
        for name, known in calibration.channels.items()
        if name in now.levels
    }
    if not moved:
        raise CalibrationError(
            f"got the channels {', '.join(now.levels)}, expected one of {', '.join(calibration.channels)}"
        )
    drift = Drift(moved, threshold, at or _moment_of(clean_air))
    return msgspec.structs.replace(calibration, drift=drift)


def _curves(
    baseline: Baseline, compensations: Mapping[str, Compensation], references: Iterable[Reference]
) -> dict[str, dict[str, Curve]]:
    by_compound: dict[str, list[Reference]] = {}
    for each in references:
        by_compound.setdefault(each.compound, []).append(each)
    curves: dict[str, dict[str, Curve]] = {}
    for compound, group in by_compound.items():
        check_ppm([each.ppm for each in group], compound)
        measured = [(each.ppm, reference_ratios(baseline, compensations, each)) for each in group]
        for name in baseline.levels:
            points = [(ppm, ratios[name]) for ppm, ratios in measured if name in ratios]
            if len({ppm for ppm, _ in points}) > 1 and not is_flat(*zip(*points, strict=True)):
                curves.setdefault(name, {})[compound] = fit_curve(*zip(*points, strict=True))
        if not any(compound in each for each in curves.values()):
            raise CalibrationError(
                f"no channel reacts to {compound}: all levels are the same at all concentrations"
            )
    return curves


def reference_ratios(
    baseline: Baseline, compensations: Mapping[str, Compensation], reference: Reference
) -> dict[str, float]:
    """Return log10 of Rs/R0 of every usable channel, at the end of a reference's recording.

    Raises
    ------
    CalibrationError
        It is too short, still moves, or has no channel of the baseline.
    """
    recording, where = reference.recording, f"{reference.compound} at {reference.ppm:g} ppm"
    half = len(recording.times) // 2
    if half < 5:
        raise CalibrationError(f"got {len(recording.times)} frames of {where}, expected 10 or more")
    levels = {}
    for name, known in baseline.levels.items():
        if name in recording.names:
            readings = recording.values[half:, recording.names.index(name)]
            check_full_scale(name, readings, known.scale)
            if not useless(readings, known.scale):
                levels[name] = level_of(recording.times[half:], readings, known.scale)
    if not levels:
        raise CalibrationError(
            f"got no usable channel in {where}, expected one of {', '.join(baseline.levels)}"
        )
    check_settled(levels, REFERENCE_TOLERANCE, where)
    room = {}
    for kind in baseline.room:
        values = room_of(recording, kind)[half:]
        if np.isfinite(values).any():
            room[kind] = float(np.nanmedian(values))
    return {
        name: level.log - baseline.levels[name].log - _shift(compensations.get(name), baseline.room, room)
        for name, level in levels.items()
    }


def _shift(compensation: Compensation | None, then: Mapping[Any, float], now: Mapping[str, float]) -> float:
    if compensation is None:
        return 0.0
    warmth, damp = (
        np.array([now.get(kind, np.nan) - then.get(kind, np.nan)]) for kind in ("temperature", "humidity")
    )
    return float(compensation.shift(warmth, damp)[0])


def _moment_of(recording: Recording) -> datetime:
    last = float(recording.times[-1]) if len(recording.times) else 0.0
    if last <= SINCE_1970:
        try:  # as recordings on disk say it
            last += datetime.fromisoformat(recording.notes["started"]).timestamp()
        except (KeyError, ValueError):
            return datetime.now(UTC)
    # A recording from the future, of a clock that is wrong, must not make a calibration that lasts longer.
    return min(datetime.fromtimestamp(min(last, _LAST), UTC), datetime.now(UTC))
