"""The channels that a board may have: their names, units and kinds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gas", "temperature", "humidity", "pressure", "altitude", "other"]
ROOM: frozenset[Kind] = frozenset({"temperature", "humidity", "pressure", "altitude"})
"""Kinds that say where and when a recording was made: they may compensate, and never identify."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One column of a board.

    Parameters
    ----------
    name : str
        As the board or the file names it.
    unit : str
        Of its values: `count` for what an ADC returns, `degC`, `hPa`, `%`, `kOhm`, `m`, `ppm`; empty if unknown.
    kind : str
        `gas` for whatever reacts to volatile compounds.

    Examples
    --------
    >>> channel("Temperature")
    Channel(name='Temperature', unit='degC', kind='temperature')
    """

    name: str
    unit: str = ""
    kind: Kind = "other"


_NAMELESS = re.compile(r"c[1-9]\d*")
# Lower case. The first seven, gas resistance and the room are the columns of SmellNet.
_KNOWN: dict[str, tuple[str, Kind]] = {
    **dict.fromkeys(("no2", "c2h5oh", "voc", "co", "alcohol", "lpg", "benzene"), ("count", "gas")),
    "gas_resistance": ("kOhm", "gas"),
    **dict.fromkeys(("temperature", "temp"), ("degC", "temperature")),
    **dict.fromkeys(("humidity", "rh"), ("%", "humidity")),
    "pressure": ("hPa", "pressure"),
    "altitude": ("m", "altitude"),
}


def channel(name: str, unit: str = "") -> Channel:
    """Return the channel of this name: unit and kind as known, else a gas channel of the unit given.

    A board's own names (`mq3`, `s1`) are those of gas sensors far more often than of anything else.

    Examples
    --------
    >>> channel("mq3")
    Channel(name='mq3', unit='', kind='gas')
    """
    known_unit, kind = _KNOWN.get(name.strip().lower(), ("", "gas"))
    return Channel(name, unit or known_unit, kind)


def is_nameless(name: str) -> bool:
    """Say whether a column is called so because nobody has named it, neither its board nor whoever reads it.

    >>> is_nameless("c1"), is_nameless("CO")
    (True, False)
    """
    return _NAMELESS.fullmatch(name) is not None


def named_alone(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names without those of nameless columns, unless there are no others.

    A board that was heard before it said its header has both.

    >>> named_alone(("c1", "c2", "NO2", "CO")), named_alone(("c1", "c2"))
    (('NO2', 'CO'), ('c1', 'c2'))
    """
    return tuple(name for name in names if not is_nameless(name)) or tuple(names)


def places_of(names: Sequence[str]) -> dict[str, int]:
    """Return the place of each name in lower case, by which models and boards find each other's channels.

    >>> places_of(("NO2", " CO", "co"))
    {'co': 1, 'no2': 0}
    """
    return {name.strip().lower(): place for place, name in reversed([*enumerate(names)])}
