"""What is wrong with a board while frames come: channels stuck, saturated or missing, its calibration old."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np

from olfactory_transformer.sensors.calibration.baseline import Noise
from olfactory_transformer.sensors.calibration.build import DRIFT, SINCE_1970
from olfactory_transformer.sensors.calibration.level import ENDS, WRAPPED, Scale
from olfactory_transformer.sensors.calibration.value import MAX_CHANNELS, Calibration, status_of
from olfactory_transformer.sensors.channels import channel, is_nameless, named_alone
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.recording import Recording

FEW = 10  # frames in a row that make a channel missing, or saturated at an end of its ADC
FLAT_FRAMES, FLAT_SECONDS = 30, 30.0
_UNLIKELY = math.log(1e-9)  # of a run without a change, by the noise of the baseline
_TIMES_LONGEST = 5  # noise comes in bursts: nothing is stuck before so many times the baseline's longest calm
_BLOCK = 60  # frames of which the mean is compared with clean air


class _Watch:
    """One channel's last readings, in a few numbers."""

    __slots__ = (
        "flat_at",
        "frames",
        "high",
        "last",
        "log_calm",
        "longest",
        "low",
        "missing",
        "readings",
        "scale",
        "since",
        "total",
    )

    def __init__(self, noise: Noise | None, scale: Scale | None, level: float | None, gas: bool) -> None:
        # Without a baseline, or where it never changed, no calm is too long.
        calm = 1.0 if noise is None else 1.0 - noise.changes
        self.log_calm = math.log(max(calm, 1e-300))
        self.longest = 0.0 if noise is None else noise.longest
        self.scale = scale if gas else None
        self.high, self.low = (-math.inf, math.inf) if level is None else (level, level)
        self.last, self.since, self.frames, self.missing = math.nan, 0.0, 0, 0
        self.flat_at: float | None = None  # the extreme at which it was flat before
        self.total, self.readings = 0.0, 0  # of the block

    def add(self, value: float, time: float) -> None:
        self.missing = 0
        self.total += value
        self.readings += 1
        if value == self.last:
            self.frames += 1
            return
        if self.frames >= FLAT_FRAMES and self.last in (self.high, self.low):
            self.flat_at = self.last
        self.last, self.since, self.frames = value, time, 1
        if value < WRAPPED:
            self.high, self.low = max(self.high, value), min(self.low, value)

    def fault(self, now: float, gas: bool) -> str:
        if self.missing >= FEW or math.isnan(self.last):
            return "missing"
        if self.frames < FEW:
            return ""
        if gas and self._at_end():
            return "saturated"
        flat = (
            self.frames >= FLAT_FRAMES
            and now - self.since >= max(FLAT_SECONDS, _TIMES_LONGEST * self.longest)
            and self.frames * self.log_calm < _UNLIKELY
        )
        if not flat:
            return ""
        # An amplifier that clips does so at the same reading every time.
        return "saturated" if gas and self.flat_at == self.last else "stuck"

    def _at_end(self) -> bool:
        if self.last >= WRAPPED or self.last <= 0:
            return True
        if self.scale is not None and self.scale.full_scale is not None:
            return self.last >= self.scale.full_scale
        # 1023 is no end of an ADC that has given more.
        return self.last in ENDS and self.last >= self.high


class Checks:
    """Watches a board; frames come from one thread, and any may ask for warnings.

    Of bounded memory: some numbers a channel, of at most 256 channels.

    Parameters
    ----------
    calibration : Calibration or None
        The board's. Without one there is no telling a calm channel from one that is stuck.
    now : datetime or None
        By which the calibration's state is judged; None: the frames' own times, if they are since 1970, else the clock.

    Examples
    --------
    >>> checks = Checks(None)
    >>> for t in range(20):
    ...     checks.add(Frame(float(t), {"CO": 800.0 + t % 3, "VOC": 4095.0}))
    >>> checks.warnings()
    ('uncalibrated', 'saturated:VOC')
    """

    def __init__(self, calibration: Calibration | None, *, now: datetime | None = None) -> None:
        self._calibration, self._now = calibration, now
        self._gas: dict[str, _Watch] = {}
        self._room: dict[str, _Watch] = {}
        self._frames, self._in_block, self._time = 0, 0, 0.0
        self._cleaner = False  # than clean air, in the last block
        self._seen: dict[str, None] = {}
        self._nameless: frozenset[str] = frozenset()  # that were met, and not calibrated
        if calibration is not None:
            for name, known in calibration.channels.items():
                self._gas[name] = _Watch(known.noise, known.scale, known.level, True)
            for name, noise in calibration.room_noise.items():
                self._room[name] = _Watch(noise, None, None, False)

    def add(self, frame: Frame) -> None:
        """Take one more frame."""
        values, time = frame.values, frame.time
        if self._nameless and not any(map(is_nameless, values)):  # the board has said its header
            self._gas = {name: watch for name, watch in self._gas.items() if name not in self._nameless}
            self._nameless = frozenset()
        for name in values:
            if name not in self._gas and name not in self._room:
                self._meet(name)
        for watches in (self._gas, self._room):
            for name, watch in watches.items():
                value = values.get(name, math.nan)
                if math.isnan(value):
                    watch.missing += 1
                else:
                    watch.add(value, time)
        self._time = time
        self._frames += 1
        self._in_block += 1
        if self._in_block == _BLOCK:
            self._end_block()
        if self._frames % FEW == 0:
            self._seen.update(dict.fromkeys(self.warnings()))

    def warnings(self, *, ever: bool = False) -> tuple[str, ...]:
        """Return codes of what is wrong now, as in `core.smells.SmellIdentification.warnings`; `ever`: or was before.

        `uncalibrated`, `expired` or `drifted` first; then `missing:`, `saturated:` or `stuck:` and a channel's name.
        `drifted` also comes while most channels have a resistance well above that of clean air, which no reducing gas
        does. Levels below can be gas: only clean air shows (`build.measure_drift`).
        """
        status = status_of(self._calibration, self._moment())
        found = []
        if status == "none":
            found.append("uncalibrated")
        elif status == "expired":
            found.append("expired")
        if status == "drifted" or self._cleaner:
            found.append("drifted")
        if self._frames:
            for watches, gas in ((self._gas, True), (self._room, False)):
                for name, watch in list(watches.items()):  # another thread may add
                    if fault := watch.fault(self._time, gas):
                        found.append(f"{fault}:{name}")
        return tuple(dict.fromkeys([*self._seen, *found])) if ever else tuple(found)

    def _meet(self, name: str) -> None:
        if len(self._gas) + len(self._room) >= MAX_CHANNELS:
            return
        if is_nameless(name):
            self._nameless |= {name}
        if channel(name).kind == "gas":
            self._gas[name] = _Watch(None, None, None, True)
        else:
            self._room[name] = _Watch(None, None, None, False)

    def _end_block(self) -> None:
        means = {  # of what was read: frames without the channel tell nothing of its level
            name: watch.total / watch.readings if watch.readings else math.nan
            for name, watch in (*self._gas.items(), *self._room.items())
        }
        for watch in (*self._gas.values(), *self._room.values()):
            watch.total, watch.readings = 0.0, 0
        self._in_block = 0
        if self._calibration is None:
            return
        room = {
            kind: means[name] - self._calibration.room.get(kind, math.nan)
            for name in self._room
            if (kind := channel(name).kind) in ("temperature", "humidity")
        }
        warmth, damp = (np.array([room.get(kind, math.nan)]) for kind in ("temperature", "humidity"))
        above = 0
        for name, known in self._calibration.channels.items():
            moved = known.scale.log_resistance([means[name]]) - known.log_level
            if known.compensation is not None:
                moved = moved - known.compensation.shift(warmth, damp)
            above += bool(moved[0] > max(DRIFT, known.scale.step_at(known.level), 4 * known.spread))
        self._cleaner = 2 * above > len(self._calibration.channels)

    def _moment(self) -> datetime:
        if self._now is not None:
            return self._now
        return datetime.fromtimestamp(self._time, UTC) if self._time > SINCE_1970 else datetime.now(UTC)


def check_recording(
    recording: Recording, calibration: Calibration | None, *, now: datetime | None = None
) -> tuple[str, ...]:
    """Return codes of everything that was wrong at some time of a recording."""
    checks = Checks(calibration, now=now)
    names = named_alone(recording.names)
    columns = [recording.names.index(name) for name in names]
    for time, row in zip(recording.times.tolist(), recording.values[:, columns].tolist(), strict=True):
        checks.add(Frame(time, dict(zip(names, row, strict=True))))
    return checks.warnings(ever=True)
