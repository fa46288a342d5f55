"""How temperature and humidity move a channel's level in clean air, so that it can be taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.baseline import Baseline
from olfactory_transformer.sensors.recording import Recording

LEAST = {"temperature": 3.0, "humidity": 8.0}
"""How far apart (degC, %) clean air must have been for its effect to be measured."""
UNITS = {"temperature": "degC", "humidity": "%"}
_MOST_ALIKE = 0.95  # a correlation of the two above which nobody can tell which of them it was

Shift = Annotated[float, msgspec.Meta(gt=-1000, lt=1000)]


class Compensation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Decades of a channel's level for each degree and each percent of relative humidity away from the baseline's.

    Parameters
    ----------
    temperature, humidity : float
        Decades a degC, decades a %; 0 where it did not vary enough to be measured.
    temperatures, humidities : tuple of float
        From where to where the clean air was measured, as differences from the baseline's. Outside of it what holds at
        its edge is used: a line that goes on for ever would soon be wrong.
    rms_before, rms : float
        Decades by which the levels of clean air lay from the baseline's without and with it.
    """

    temperature: Shift
    humidity: Shift
    temperatures: tuple[Shift, Shift]
    humidities: tuple[Shift, Shift]
    rms_before: Annotated[float, msgspec.Meta(ge=0, lt=100)]
    rms: Annotated[float, msgspec.Meta(ge=0, lt=100)]

    def shift(self, temperature: NDArray[np.float64], humidity: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what to take from levels, decades.

        Parameters
        ----------
        temperature, humidity : array (n,)
            Differences from the baseline's; NaN where they are not known, which counts as none.
        """
        warmth = self.temperature * np.clip(np.nan_to_num(temperature), *self.temperatures)
        damp = self.humidity * np.clip(np.nan_to_num(humidity), *self.humidities)
        return np.asarray(warmth + damp, np.float64)


def room_of(recording: Recording, kind: str) -> NDArray[np.float64]:
    """Return the first channel of a kind (n,), NaN where the board does not have one."""
    for column, channel in enumerate(recording.channels):
        if channel.kind == kind:
            return np.asarray(recording.values[:, column], np.float64)
    return np.full(len(recording.times), np.nan)


def fit_compensation(baseline: Baseline, recordings: Sequence[Recording]) -> Mapping[str, Compensation]:
    """Fit every channel's level in clean air to temperature and humidity, by least squares.

    Nothing else of the room is looked at: pressure and altitude say where a board is, and not what it smells.

    Parameters
    ----------
    baseline : Baseline
        What levels, temperature and humidity are compared with.
    recordings : sequence of Recording
        Of clean air on the same board in other rooms, or in one while it warms or dampens.

    Raises
    ------
    CalibrationError
        The board measures neither, they varied too little, or both together so alike that they cannot be told apart.
    """
    differences = {
        kind: np.concatenate([room_of(each, kind) - baseline.room[kind] for each in recordings])
        for kind in LEAST
        if kind in baseline.room
    }
    if not differences or not recordings:
        raise CalibrationError("got clean air without temperature and humidity, expected one of them or both")
    varied = {kind: values for kind, values in differences.items() if _range(values) >= LEAST[kind]}
    if not varied:
        got = ", ".join(f"{kind} within {_range(v):.1f} {UNITS[kind]}" for kind, v in differences.items())
        wanted = " or ".join(f"{LEAST[kind]:g} {UNITS[kind]}" for kind in differences)
        raise CalibrationError(f"the room varied too little: got {got}, expected {wanted} or more")
    known = np.isfinite(np.column_stack(list(varied.values()))).all(axis=1)
    if len(varied) == 2:
        alike = float(np.corrcoef(np.column_stack([v[known] for v in varied.values()]).T)[0, 1])
        if abs(alike) > _MOST_ALIKE:
            raise CalibrationError(
                f"temperature and humidity went together (correlation {alike:.2f}), so that their effects cannot be "
                "told apart; record clean air in which one of them changes alone"
            )
    fitted = {name: _fit(baseline, recordings, name, varied, known) for name in baseline.levels}
    return {name: each for name, each in fitted.items() if each is not None}


def _fit(
    baseline: Baseline,
    recordings: Sequence[Recording],
    name: str,
    varied: Mapping[str, NDArray[np.float64]],
    known: NDArray[np.bool_],
) -> Compensation | None:
    level = baseline.levels[name]
    columns = [
        r.values[:, r.names.index(name)] if name in r.names else np.full(len(r.times), np.nan)
        for r in recordings
    ]
    levels = level.scale.log_resistance(np.concatenate(columns)) - level.log
    kept = known & np.isfinite(levels)
    x = np.column_stack([values[kept] for values in varied.values()])
    if any(
        np.ptp(column) < LEAST[kind] for kind, column in zip(varied, x.T, strict=True) if len(column)
    ) or not len(x):
        return None  # the channel was not there while the room varied
    # Through the baseline's own point: with a constant, two sessions would differ by that alone.
    slopes, *_ = np.linalg.lstsq(x, levels[kept], rcond=None)
    by_kind = dict(zip(varied, slopes, strict=True))
    ranges = {kind: (float(values[kept].min()), float(values[kept].max())) for kind, values in varied.items()}
    return Compensation(
        float(by_kind.get("temperature", 0.0)),
        float(by_kind.get("humidity", 0.0)),
        ranges.get("temperature", (0.0, 0.0)),
        ranges.get("humidity", (0.0, 0.0)),
        _rms(levels[kept]),
        _rms(levels[kept] - x @ slopes),
    )


def _range(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    # Not from end to end: one wild reading would do.
    return float(np.ptp(np.percentile(known, (2, 98)))) if known.size else 0.0


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))
