"""A calibration, as it is kept: frozen values that JSON can say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.baseline import Noise
from olfactory_transformer.sensors.calibration.curve import Curve
from olfactory_transformer.sensors.calibration.level import Scale
from olfactory_transformer.sensors.calibration.room import Compensation
from olfactory_transformer.sensors.identity import check_sensor_id

Status = Literal["none", "ok", "expired", "drifted"]
MAX_CHANNELS = 256

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Decades = Annotated[float, msgspec.Meta(gt=-1000, lt=1000)]
Size = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
Reading = Annotated[float, msgspec.Meta(gt=-1e12, lt=1e12)]


class ChannelCalibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of one gas channel.

    Parameters
    ----------
    unit : str
        Of its readings.
    scale : Scale
        What they say of a resistance.
    level : float
        R0, in that unit: the median reading in clean air.
    log_level : float
        log10 of the resistance that belongs to it; of kOhm where `scale.in_kohm` or the unit is kOhm.
    spread : float
        Standard deviation in clean air, decades.
    slope : float
        How fast the level still moved, decades an hour.
    noise : Noise
    curves : mapping of str to Curve
        By compound.
    compensation : Compensation or None
    """

    unit: Annotated[str, msgspec.Meta(max_length=100)]
    scale: Scale
    level: Reading
    log_level: Decades
    spread: Size
    slope: Reading
    noise: Noise
    curves: Annotated[Mapping[Name, Curve], msgspec.Meta(max_length=100)] = {}
    compensation: Compensation | None = None


class Drift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the levels in clean air have moved since the calibration.

    Parameters
    ----------
    channels : mapping of str to float
        Decades of resistance, by channel; above 0 where it has grown.
    threshold : float
        Decades from which a channel counts as drifted.
    at : datetime
        When it was measured.
    """

    channels: Annotated[Mapping[Name, Decades], msgspec.Meta(min_length=1, max_length=MAX_CHANNELS)]
    threshold: Annotated[float, msgspec.Meta(gt=0, lt=10)]
    at: Moment

    @property
    def worst(self) -> float:
        """Return the largest move, decades, without its sign."""
        return max(abs(each) for each in self.channels.values())

    @property
    def drifted(self) -> tuple[str, ...]:
        """Return the channels that have moved too far."""
        return tuple(name for name, moved in self.channels.items() if abs(moved) >= self.threshold)


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of one board.

    Parameters
    ----------
    sensor_id : str
        As `identity.check_sensor_id` has it.
    made, expires : datetime
        With their time zones.
    channels : mapping of str to ChannelCalibration
        By the gas channel's name.
    seconds, frames : float, int
        How much clean air R0 is from.
    room : mapping of str to float
        The clean air's `temperature` (degC) and `humidity` (%), where known.
    room_noise : mapping of str to Noise
        By the name of a channel of temperature or humidity.
    left_out : mapping of str to str
        Gas channels that could not be calibrated, and why: `missing` or `saturated`.
    drift : Drift or None
        When clean air was last looked at again.
    notes : mapping of str to str
    version : int
        Of this format.

    Examples
    --------
    >>> import numpy as np
    >>> from olfactory_transformer.sensors.calibration.build import calibrate
    >>> from olfactory_transformer.sensors.frame import Frame
    >>> from olfactory_transformer.sensors.recording import Recording
    >>> rng = np.random.default_rng(0)
    >>> air = Recording.of(Frame(1764000000.0 + t, {"CO": 800.0 + rng.integers(-1, 2)}) for t in range(120))
    >>> made = calibrate("desk", air)
    >>> made.channels["CO"].level, made.status(made.made)
    (800.0, 'ok')
    >>> Calibration.from_dict(made.as_dict()) == made
    True
    """

    sensor_id: Annotated[str, msgspec.Meta(min_length=1)]
    made: Moment
    expires: Moment
    channels: Annotated[
        Mapping[Name, ChannelCalibration], msgspec.Meta(min_length=1, max_length=MAX_CHANNELS)
    ]
    seconds: Size
    frames: Annotated[int, msgspec.Meta(ge=1)]
    room: Mapping[Literal["temperature", "humidity"], Reading] = {}
    room_noise: Annotated[Mapping[Name, Noise], msgspec.Meta(max_length=MAX_CHANNELS)] = {}
    left_out: Annotated[Mapping[Name, Text], msgspec.Meta(max_length=MAX_CHANNELS)] = {}
    drift: Drift | None = None
    notes: Annotated[Mapping[Name, Text], msgspec.Meta(max_length=100)] = {}
    version: Literal[1] = 1

    def __post_init__(self) -> None:
        check_sensor_id(self.sensor_id)
        if self.expires <= self.made:
            raise ValueError(f"expires {self.expires:%Y-%m-%d}, before it was made on {self.made:%Y-%m-%d}")

    def status(self, now: datetime | None = None) -> Status:
        """Return whether it can be relied on, now by default. `none` is for a board that has no calibration at all."""
        if (now or datetime.now(UTC)) >= self.expires:
            return "expired"
        return "drifted" if self.drift is not None and self.drift.drifted else "ok"

    @property
    def compounds(self) -> tuple[str, ...]:
        """Return the compounds that it has a curve of, for one channel or more."""
        return tuple(dict.fromkeys(name for each in self.channels.values() for name in each.curves))

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can say of it, everything."""
        return dict(msgspec.to_builtins(self))

    @classmethod
    def from_dict(cls, content: object) -> Calibration:
        """Take what `as_dict` gave, and nothing else.

        Raises
        ------
        CalibrationError
            It names the place.
        """
        try:
            return msgspec.convert(content, cls)
        except msgspec.ValidationError as error:
            raise CalibrationError(f"not a calibration: {error}") from None


def status_of(calibration: Calibration | None, now: datetime | None = None) -> Status:
    """Return the status of a board's calibration, `none` if it has none.

    >>> status_of(None)
    'none'
    """
    return "none" if calibration is None else calibration.status(now)
