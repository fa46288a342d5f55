"""What a reading says of a sensor's resistance: everything here is the logarithm (base 10) of that, in decades."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from olfactory_transformer.sensors.channels import Channel

Response = Literal["rises", "falls"]
ENDS = (1023.0, 4095.0, 65535.0)
"""The highest counts of ADCs with 10, 12 and 16 bits."""
WRAPPED = 4_294_967_040.0
"""From here on a reading is -1 that somebody took for unsigned (2³² - 1), as float32 rounds it: it says nothing."""

Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e12)]


class Scale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a channel's readings hang together with the resistance of its sensor.

    Parameters
    ----------
    response : str
        Whether the reading `rises` or `falls` as the resistance falls, which is what reducing gases (alcohols, CO, most
        of what smells) do to an n-type metal oxide. The voltage across a load resistor rises, a resistance falls.
    step : float
        The smallest difference of two readings: 1 for counts, 0 if there is none to speak of.
    full_scale : float or None
        The ADC's highest count. With it a count is read as that of a voltage divider of sensor and load resistor; the
        ratio of two resistances then needs no load. Without it the ratio of the readings stands for that of the
        resistances, which holds as long as they are small against full scale.
    load : float or None
        The load resistor, kOhm; with it, and full scale, resistances are known in kOhm.

    Examples
    --------
    >>> Scale("rises", step=1, full_scale=1023, load=10).log_resistance([93, 511.5, 1022]).round(2)
    array([ 2.  ,  1.  , -2.01])
    """

    response: Response
    step: Annotated[float, msgspec.Meta(ge=0, lt=1e12)] = 0.0
    full_scale: Positive | None = None
    load: Positive | None = None

    @property
    def in_kohm(self) -> bool:
        """Whether resistances by this scale are in kOhm, and not only in proportion to it."""
        return self.full_scale is not None and self.load is not None

    def log_resistance(self, readings: ArrayLike) -> NDArray[np.float64]:
        """Return log10 of the resistance, or of something in proportion to it.

        Parameters
        ----------
        readings : array (...)
            In the channel's unit.

        Returns
        -------
        array (...), float64
            NaN where a reading says nothing: none, or wrapped. A count of 0 is one below 1, and taken as half.
        """
        values = np.array(readings, np.float64)
        values[values >= WRAPPED] = np.nan
        lowest = self.step / 2
        if lowest:
            values = np.maximum(values, lowest)
        else:
            values[values <= 0] = np.nan
        if self.full_scale is not None:
            values = np.minimum(values, self.full_scale)
            # A divider: reading / full scale = load / (resistance + load), or one less that.
            rest = np.maximum(self.full_scale - values, lowest or self.full_scale * 1e-6)
            in_loads = np.log10(rest) - np.log10(values)
            logs = np.log10(self.load or 1.0) + (in_loads if self.response == "rises" else -in_loads)
        else:
            logs = -np.log10(values) if self.response == "rises" else np.log10(values)
        return np.asarray(logs, np.float64)

    def step_at(self, reading: float) -> float:
        """Return how many decades the smallest difference of two readings is at a reading.

        >>> round(Scale("rises", step=1).step_at(2.5), 3)  # from 2 to 3
        0.176
        """
        around = np.array([reading - self.step / 2, reading + self.step / 2])
        return abs(float(np.diff(self.log_resistance(around))[0])) if self.step else 0.0


def scale_of(
    channel: Channel,
    readings: NDArray[np.float32],
    *,
    response: Response | None = None,
    full_scale: float | None = None,
    load: float | None = None,
) -> Scale:
    """Return a channel's scale: as it is stated, else as its unit has it.

    Examples
    --------
    >>> from olfactory_transformer.sensors.channels import channel
    >>> scale_of(channel("CO"), np.array([800, 802], np.float32))
    Scale(response='rises', step=1.0, full_scale=None, load=None)
    >>> scale_of(channel("Gas_Resistance"), np.array([69.7, 64.3], np.float32)).response
    'falls'
    """
    known = readings[np.isfinite(readings)]
    whole = channel.unit == "count" or bool(known.size and (known == np.round(known)).all())
    is_resistance = channel.unit.lower().endswith("ohm")
    return Scale(
        response or ("falls" if is_resistance else "rises"),
        1.0 if whole and not is_resistance else 0.0,
        full_scale,
        load,
    )


def spread(values: NDArray[np.float64]) -> float:
    """Return a robust standard deviation: of normal noise, the same; outliers and whole counts hardly change it.

    >>> round(spread(np.random.default_rng(0).normal(0, 2, 10_000)), 1)
    2.0
    """
    if not values.size:
        return 0.0
    low, high = np.percentile(values, (10, 90))
    return float(high - low) / 2.563
