"""One reading of every channel of a board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Frame:
    """What all channels said at one moment.

    Parameters
    ----------
    time : float
        Seconds since 1970, UTC, when the frame arrived; for a replay, when it was recorded.
    values : mapping of str to float
        By the channel's name, in the board's order and units. NaN where the board gave no number.
    source : str
        Where it came from, as in `serial:/dev/ttyUSB0`, `replay:clove.csv`, `mqtt:host/topic` or `simulated`.
    sequence : int
        Counts the frames of one source from 0 without a gap, over reconnections.
    device_time : float or None
        Seconds by the board's own clock, if it sends one.

    Examples
    --------
    >>> Frame(1764000000.0, {"NO2": 216.0, "CO": 830.0}, "serial:/dev/ttyUSB0", 0).values["CO"]
    830.0
    """

    time: float
    values: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    sequence: int = 0
    device_time: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))
