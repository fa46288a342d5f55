"""A calibration and its drift as tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from olfactory_transformer.cli.keys import moment, print_table
from olfactory_transformer.sensors.calibration.baseline import percent

if TYPE_CHECKING:
    from olfactory_transformer.sensors.calibration.value import Calibration, ChannelCalibration, Drift

_ROUGH = 0.1  # decades of Rs/R0 by which a curve may miss its own points without a word


def print_calibration(made: Calibration) -> None:
    """Print what was measured: the channels, then the curves, then what falls short."""
    simulated = " (simulated)" if made.notes.get("simulated") == "true" else ""
    print(f"{made.sensor_id}{simulated}: {made.seconds:.0f} s of clean air{_room(made)}")
    print_table(
        ("CHANNEL", "R0", "UNIT", "NOISE", "PER DEGC", "PER %RH"),
        [
            (
                name,
                *_level(each),
                f"{100 * (10**each.spread - 1):.1f} %",
                _part(each, "temperature"),
                _part(each, "humidity"),
            )
            for name, each in made.channels.items()
        ],
    )
    rows, remarks = [], [f"{name} is left out: {why}." for name, why in made.left_out.items()]
    for compound in made.compounds:
        for name, each in made.channels.items():
            curve = each.curves.get(compound)
            if curve is None:
                remarks.append(f"{name} has no curve of {compound}: it does not react, or was saturated.")
                continue
            error = "-" if curve.rms is None else f"{curve.rms:.3f}"
            law = f"Rs/R0 = {curve.a:.4g} ppm^{curve.b:.3f}"
            rows.append((compound, name, law, error, str(curve.points), f"{curve.low:g}-{curve.high:g}"))
            if curve.rms is not None and curve.rms > _ROUGH:
                remarks.append(
                    f"{name} hardly follows a power law of {compound}: it misses by {percent(curve.rms)}."
                )
            elif curve.rms is None:
                remarks.append(f"{name}: two points of {compound} do not tell the curve's error.")
    if rows:
        print()
        print_table(("COMPOUND", "CHANNEL", "CURVE", "ERROR", "POINTS", "PPM"), rows)
    if remarks:
        print()
        print("\n".join(remarks))


def print_drift(drift: Drift) -> None:
    """Print how far each channel's clean air has moved."""
    print_table(
        ("CHANNEL", "MOVED", ""),
        [
            (name, ("+" if moved > 0 else "-") + percent(moved), "drifted" if name in drift.drifted else "")
            for name, moved in drift.channels.items()
        ],
    )


def print_json(content: dict[str, Any]) -> None:
    """Print one line of JSON."""
    print(json.dumps(content))


def _level(each: ChannelCalibration) -> tuple[str, str]:
    if each.scale.in_kohm:
        return f"{10**each.log_level:.4g}", "kOhm"
    return f"{each.level:.4g}", each.unit or "-"


def _part(each: ChannelCalibration, kind: str) -> str:
    slope = getattr(each.compensation, kind, 0.0)
    return f"{'+' if slope > 0 else '-'}{100 * (10 ** abs(slope) - 1):.1f} %" if slope else "-"


def _room(made: Calibration) -> str:
    said = []
    if "temperature" in made.room:
        said.append(f"{made.room['temperature']:.1f} degC")
    if "humidity" in made.room:
        said.append(f"{made.room['humidity']:.1f} %RH")
    when = f", {moment(made.made)} to {moment(made.expires)}"
    return (f" at {', '.join(said)}" if said else "") + when
