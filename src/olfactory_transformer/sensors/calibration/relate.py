"""Readings related to clean air: Rs/R0, with temperature and humidity taken away, and the ppm that it stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.room import room_of
from olfactory_transformer.sensors.calibration.value import Calibration
from olfactory_transformer.sensors.channels import ROOM, Channel
from olfactory_transformer.sensors.recording import Recording

UNIT = "Rs/R0"


def log_ratios(calibration: Calibration, recording: Recording) -> dict[str, NDArray[np.float64]]:
    """Return log10 of Rs/R0 (n,) of every channel that both have, compensated where the calibration can.

    Raises
    ------
    CalibrationError
        They have no gas channel in common, or it was applied already.
    """
    if any(each.unit == UNIT for each in recording.channels):
        raise CalibrationError("got a recording that a calibration was applied to, expected one of readings")
    warmth, damp = (
        room_of(recording, kind) - calibration.room.get(kind, np.nan) for kind in ("temperature", "humidity")
    )
    found = {}
    for column, channel in enumerate(recording.channels):
        known = calibration.channels.get(channel.name)
        if channel.kind != "gas" or known is None:
            continue
        logs = known.scale.log_resistance(recording.values[:, column]) - known.log_level
        if known.compensation is not None:
            logs = logs - known.compensation.shift(warmth, damp)
        found[channel.name] = logs
    if not found:
        raise CalibrationError(
            f"the calibration of {calibration.sensor_id} does not fit the board: got the channels "
            f"{', '.join(recording.names) or 'none'}, expected one of {', '.join(calibration.channels)}"
        )
    return found


def apply(calibration: Calibration, recording: Recording) -> Recording:
    """Return a recording relative to clean air.

    Parameters
    ----------
    calibration : Calibration
    recording : Recording
        Of the same board.

    Returns
    -------
    Recording
        Its gas channels as Rs/R0: 1 in clean air, below 1 in a reducing gas. Temperature, humidity and the like as they
        were. Gas channels that were not calibrated are left out, as their numbers would mean something else; the note
        `uncalibrated` names them. The note `calibration` says what was applied.

    Raises
    ------
    CalibrationError
        It does not fit the board.
    """
    logs = log_ratios(calibration, recording)
    kept, columns, left_out = [], [], []
    for column, channel in enumerate(recording.channels):
        if channel.kind in ROOM:
            kept.append(channel)
            columns.append(recording.values[:, column])
        elif channel.name in logs:
            kept.append(Channel(channel.name, UNIT, "gas"))
            columns.append((10 ** logs[channel.name]).astype(np.float32))
        else:
            left_out.append(channel.name)
    notes = {
        **recording.notes,
        "calibration": f"{calibration.sensor_id} {calibration.made:%Y-%m-%dT%H:%M:%SZ}",
    }
    if left_out:
        notes["uncalibrated"] = ", ".join(left_out)
    return Recording(tuple(kept), recording.times, np.column_stack(columns), notes)


@dataclass(frozen=True, slots=True, eq=False)
class Concentrations:
    """How much of one compound each channel would say there is, if it were the only one.

    Parameters
    ----------
    compound : str
    channels : tuple of str
        Those with a curve of it.
    ppm : array (n, channels), float64
        NaN where there was no reading.
    inside : array (n, channels), bool
        Whether that lies where the curve was measured; if not, it is a guess.
    error : array (channels,), float64
        Of the curve, decades of ppm; NaN of two points, which tell none.
    """

    compound: str
    channels: tuple[str, ...]
    ppm: NDArray[np.float64]
    inside: NDArray[np.bool_]
    error: NDArray[np.float64]


def estimate(calibration: Calibration, recording: Recording, compound: str) -> Concentrations:
    """Return how much of a compound a recording has.

    Raises
    ------
    CalibrationError
        The compound was not calibrated for any channel of the recording, or the calibration does not fit the board.
    """
    logs = log_ratios(calibration, recording)
    curves = {
        name: calibration.channels[name].curves[compound]
        for name in logs
        if compound in calibration.channels[name].curves
    }
    if not curves:
        known = ", ".join(calibration.compounds) or "none"
        raise CalibrationError(f"got the compound {compound!a}, expected a calibrated one ({known})")
    ppm = np.column_stack(
        [10 ** np.minimum((logs[name] - np.log10(curve.a)) / curve.b, 300) for name, curve in curves.items()]
    )
    inside = np.column_stack(
        [[curve.covers(each) for each in ppm[:, at]] for at, curve in enumerate(curves.values())]
    ).astype(bool)
    error = [np.nan if curve.rms is None else curve.rms / abs(curve.b) for curve in curves.values()]
    return Concentrations(compound, tuple(curves), ppm, inside.reshape(ppm.shape), np.array(error))
