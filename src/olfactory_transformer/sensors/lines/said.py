"""What a line says, or that it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass


class BrokenLine(ValueError):
    """A line that is no frame; the message says what was got."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a line says.

    Parameters
    ----------
    values : dict of str to float
        By channel; NaN where there was no number. Empty: a header, a comment, or what a board says when it starts.
    device_time : float or None
        Seconds by the board's clock.
    number : int or None
        The board's own number of the frame.
    header : bool
        It names the columns.
    starts : bool
        A board says this when it starts, and frames came before: its header, or a greeting.
    wraps : float or None
        Seconds after which the board's clock is at 0 again, where it counts milliseconds or microseconds in 32 bits.
    """

    values: dict[str, float]
    device_time: float | None = None
    number: int | None = None
    header: bool = False
    starts: bool = False
    wraps: float | None = None
