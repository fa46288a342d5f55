"""A calibration under way, in a folder: each step is kept as soon as it is done, so a stop costs one step at most."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.baseline import Baseline, measure_baseline
from olfactory_transformer.sensors.calibration.build import Reference, calibrate
from olfactory_transformer.sensors.calibration.value import Calibration
from olfactory_transformer.sensors.channels import Channel, Kind
from olfactory_transformer.sensors.recording import Recording

STEPS = "steps.json"
StepKind = Literal["clean-air", "other-air", "reference"]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recording that is done.

    Parameters
    ----------
    kind : str
        `clean-air`, of which there is one; `other-air`, at another temperature or humidity; `reference`.
    file : str
        A CSV in the folder.
    channels : tuple of (str, str, str)
        Name, unit and kind of each column, which a CSV does not say.
    compound, ppm : str, float
        Of a reference.
    notes : dict of str to str
        The recording's.
    """

    kind: StepKind
    file: str
    channels: tuple[tuple[str, str, Kind], ...]
    compound: str = ""
    ppm: float = 0.0
    notes: dict[str, str] = {}


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `steps.json` says."""

    sensor_id: str
    days: float
    scales: dict[str, dict[str, Any]]
    steps: tuple[Step, ...] = ()
    saved: bool = False
    version: Literal[1] = 1


class Walk:
    """The steps of one calibration.

    Parameters
    ----------
    folder : Path
        With one CSV a step and `steps.json`. The CSVs are recordings like others, and stay when all is done.
    state : State
    """

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self.state = folder, state

    @classmethod
    def begin(
        cls, folder: Path, sensor_id: str, *, days: float, scales: Mapping[str, Mapping[str, Any]]
    ) -> Walk:
        """Begin one, in place of whatever was in the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        walk = cls(folder, State(sensor_id, days, {name: dict(each) for name, each in scales.items()}))
        walk._write()
        return walk

    @classmethod
    def resume(cls, folder: Path) -> Walk | None:
        """Return the unfinished one of a folder, None if there is none.

        Raises
        ------
        CalibrationError
            There is a `steps.json` that nobody can go on with.
        """
        path = folder / STEPS
        try:
            state = msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CalibrationError(f"{path}: no steps of a calibration ({error})") from None
        return None if state.saved else cls(folder, state)

    def add(self, kind: StepKind, recording: Recording, compound: str = "", ppm: float = 0.0) -> None:
        """Keep a step that is done.

        Raises
        ------
        OSError
            The disk is full, or the like; the steps before are as they were.
        """
        name = kind if kind != "reference" else f"{_safe(compound)}-{ppm:g}ppm"
        taken = {step.file for step in self.state.steps}
        file = next(
            f for n in range(len(taken) + 1) if (f := f"{name}{f'-{n + 1}' * bool(n)}.csv") not in taken
        )
        _write_csv(self.folder / file, recording)
        channels = tuple((each.name, each.unit, each.kind) for each in recording.channels)
        steps = (*self.state.steps, Step(kind, file, channels, compound, ppm, dict(recording.notes)))
        self._replace(steps=steps)

    def recordings(self, kind: StepKind) -> list[tuple[Step, Recording]]:
        """Read the recordings of all steps of a kind.

        Raises
        ------
        CalibrationError
            A file is gone or was changed.
        """
        return [(step, self._read(step)) for step in self.state.steps if step.kind == kind]

    def baseline(self) -> Baseline:
        """Measure the clean air, which has to be there.

        Raises
        ------
        CalibrationError
            It is not, or no longer does.
        """
        return measure_baseline(self._clean_air(), self.state.scales)

    def calibration(self) -> Calibration:
        """Make the calibration of all steps so far.

        Raises
        ------
        CalibrationError
            As `build.calibrate`.
        """
        return calibrate(
            self.state.sensor_id,
            self._clean_air(),
            references=[Reference(s.compound, s.ppm, r) for s, r in self.recordings("reference")],
            other_air=[recording for _, recording in self.recordings("other-air")],
            scales=self.state.scales,
            days=self.state.days,
        )

    def finish(self) -> None:
        """Note that the calibration is kept in the database."""
        self._replace(saved=True)

    def _clean_air(self) -> Recording:
        found = self.recordings("clean-air")
        if not found:
            raise CalibrationError("got no clean air yet, expected it first")
        return found[0][1]

    def _replace(self, **changes: Any) -> None:
        before = self.state
        self.state = msgspec.structs.replace(before, **changes)
        try:
            self._write()
        except OSError:
            self.state = before
            raise

    def _write(self) -> None:
        text = msgspec.json.format(msgspec.json.encode(self.state), indent=2)
        _put(self.folder / STEPS, text + b"\n")

    def _read(self, step: Step) -> Recording:
        path = self.folder / step.file
        names = [name for name, _, _ in step.channels]
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file))
            if rows[0] != ["time", *names]:
                raise ValueError(f"the columns {', '.join(rows[0])}")
            numbers = np.array([[float(cell or "nan") for cell in row] for row in rows[1:]], np.float64)
            numbers = numbers.reshape(-1, 1 + len(names))
        except (OSError, ValueError, IndexError) as error:
            why = error.strerror if isinstance(error, OSError) else f"got {error}"
            raise CalibrationError(
                f"{path}: {why}, expected the step's recording; --restart begins anew"
            ) from None
        channels = tuple(Channel(*each) for each in step.channels)
        return Recording(channels, numbers[:, 0], numbers[:, 1:].astype(np.float32), step.notes)


def _write_csv(path: Path, recording: Recording) -> None:
    lines = [_row(["time", *recording.names])]
    for time, row in zip(recording.times.tolist(), recording.values.tolist(), strict=True):
        lines.append(_row([repr(time), *("" if value != value else f"{value:.9g}" for value in row)]))
    _put(path, "".join(lines).encode())


def _row(cells: Sequence[str]) -> str:
    quoted = (
        f'"{cell.replace(chr(34), chr(34) * 2)}"' if set(cell) & set(',"\r\n') else cell for cell in cells
    )
    return ",".join(quoted) + "\n"


def _put(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _safe(text: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in text)[:50] or "compound"
