"""Numbers and times as boards and files write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

# -1 in 32 bits without a sign, which drivers send in place of "no value" (SmellNet's Benzene).
WRAPPED = 4294967295.0
TIME_NAMES = ("t", "time", "timestamp", "seconds", "millis", "ms")
_MILLISECONDS = ("millis", "ms")
_NO_NUMBER = frozenset({"", "nan", "na", "n/a", "null", "none", "inf", "-inf", "+inf", "infinity", "ovf"})
_LARGEST = 1e15  # beyond it a float32 is of no use, and nothing a board measures is


def number(text: str) -> float:
    """Return a channel's value; NaN for what stands for none.

    Raises
    ------
    ValueError
        It is not a number with a decimal point.

    Examples
    --------
    >>> number(" 216 "), number("4294967295"), number("")
    (216.0, nan, nan)
    """
    stripped = text.strip()
    if stripped.lower() in _NO_NUMBER:
        return math.nan
    if "_" in stripped or not stripped.isascii():  # which float() would take
        raise ValueError(f"{stripped[:20]!r} is not a number")
    try:
        value = float(stripped)
    except ValueError:
        raise ValueError(f"{stripped[:20]!r} is not a number") from None
    return clean(value)


def clean(value: float) -> float:
    """Return a value, NaN for one that stands for none.

    >>> clean(4294967295), clean(3)
    (nan, 3.0)
    """
    value = float(value)
    return value if math.isfinite(value) and value != WRAPPED and abs(value) < _LARGEST else math.nan


def is_time(name: str) -> bool:
    """Say whether a column of this name is the time.

    >>> is_time("Timestamp"), is_time("Temperature")
    (True, False)
    """
    return name.strip().lower() in TIME_NAMES


def seconds(text: str, name: str) -> float:
    """Return a time in seconds, from a number of seconds or milliseconds or an ISO 8601 moment.

    Raises
    ------
    ValueError
        It is neither.

    Examples
    --------
    >>> seconds("1500", "millis"), seconds("1970-01-01T00:01:00Z", "time")
    (1.5, 60.0)
    """
    stripped = text.strip()
    try:
        value = float(stripped)
    except ValueError:
        try:
            moment = datetime.fromisoformat(stripped)
        except ValueError:
            raise ValueError(f"{stripped[:30]!r} is neither seconds nor an ISO 8601 moment") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(value):
        raise ValueError(f"{stripped[:30]!r} is not a time")
    # A clock that counts seconds since 1970 is at 1.8e9, one that counts milliseconds at 1.8e12.
    return value / 1000 if name.strip().lower() in _MILLISECONDS or value > 1e11 else value
