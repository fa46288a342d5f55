"""What a sensor transformer is: its channels, its smells, its size, and how its numbers become probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from olfactory_transformer.core.errors import ModelForeign

_KIND = "nose"
_LISTS: dict[str, type[str] | type[float]] = {
    "channels": str,
    "floors": float,
    "smells": str,
    "sharpness": float,
    "unknown": float,
    "levels": float,
    "level_spread": float,
    "session_gain": float,
    "session_offset": float,
}


@dataclass(frozen=True, slots=True)
class NoseConfig:
    """Everything needed to build the network of an electronic nose and to read its outputs.

    Parameters
    ----------
    channels : tuple of str
        Gas channels it knows, in its order. Never those of the room (temperature, humidity, pressure, altitude).
    floors : tuple of float
        Added to each channel's counts before their logarithm, so that single steps near 0 do not rule; one a channel.
    smells : tuple of str
        Names, in the order of the output.
    window, hop : float
        Seconds that a window lasts, and seconds from one to the next.
    width, layers, heads, embedding : int
        Size of each member.
    members : int
        Networks trained apart, whose probabilities are averaged and whose embeddings stand side by side.
    dropout : float
        While training.
    name, version : str
        Of the trained model.
    sharpness : tuple of float
        What the logarithm of the windows' mean probability is multiplied by: `a + b log(windows)`, fitted on recordings
        that had not been heard: `a, b` where a forest was asked, too, then `a, b` of the network alone.
    unknown : tuple of float
        Log odds of none of the smells: `a + b × strangeness`, fitted on substances that had not been heard;
        `a, b` twice, as in `sharpness`. Empty: never.
    levels : tuple of float
        Usual counts of each smell in each channel, smells x channels, row after row; empty: not known. They show what a
        session does to a board (`inference.nose.session`), and never what a smell is.
    level_spread : tuple of float
        Standard deviation of the logarithm of a recording's mean counts from that; one a channel.
    session_gain, session_offset : tuple of float
        Standard deviations, between sessions, of the log gain, and of the offset in counts; one a channel.
    accuracy : float
        Share of recordings held out whose smell was ranked first, without a shift; 0: not measured.

    Examples
    --------
    >>> NoseConfig(("CO", "VOC"), ("clove", "mint")).pairs
    ((1, 0),)
    """

    channels: tuple[str, ...]
    smells: tuple[str, ...]
    floors: tuple[float, ...] = ()
    window: float = 100.0
    hop: float = 25.0
    width: int = 64
    layers: int = 2
    heads: int = 4
    embedding: int = 64
    members: int = 1
    dropout: float = 0.2
    name: str = "unnamed"
    version: str = "0"
    sharpness: tuple[float, ...] = (1.0, 0.0, 1.0, 0.0)
    unknown: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()
    level_spread: tuple[float, ...] = ()
    session_gain: tuple[float, ...] = ()
    session_offset: tuple[float, ...] = ()
    accuracy: float = 0.0

    def __post_init__(self) -> None:
        if not self.floors:
            object.__setattr__(self, "floors", (1.0,) * len(self.channels))

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Return every pair of channels, by their places."""
        return tuple((i, j) for i in range(len(self.channels)) for j in range(i))

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, for `config.json`."""
        return {"model": _KIND, **asdict(self)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], where: object = "config") -> NoseConfig:
        """Read it back.

        Raises
        ------
        ModelForeign
            It is not that of a nose, or a field is missing, unknown or of another type.
        """
        if value.get("model") != _KIND:
            raise ModelForeign(f"{where}: not the config of an electronic nose's model")
        defaults = cls((), ())
        known = {field.name for field in fields(cls)}
        if wrong := sorted((known | {"model"}) ^ set(value)):
            raise ModelForeign(f"{where}: missing or unknown: {', '.join(wrong)}")
        read: dict[str, Any] = {}
        for name in known:
            default, got = getattr(defaults, name), value[name]
            of = _LISTS.get(name)
            if of is not None:
                takes = (int, float) if of is float else str
                if not isinstance(got, list | tuple) or not all(
                    isinstance(each, takes) and not isinstance(each, bool) for each in got
                ):
                    raise ModelForeign(f"{where}: {name} is not a list of {of.__name__}")
                read[name] = tuple(of(each) for each in got)
                continue
            takes = (int, float) if isinstance(default, float) else type(default)
            if not isinstance(got, takes) or isinstance(got, bool):
                raise ModelForeign(f"{where}: {name} is {type(got).__name__}, not {type(default).__name__}")
            read[name] = type(default)(got)
        found = cls(**read)
        found._check(where)
        return found

    def _check(self, where: object) -> None:
        """Refuse what would fail, or mean nothing, once a recording is read."""
        channels, smells = len(self.channels), len(self.smells)
        for name, sizes in {
            "floors": (channels,),
            "sharpness": (4,),
            "unknown": (0, 4),
            "levels": (0, smells * channels),
            "level_spread": (0, channels),
            "session_gain": (0, channels),
            "session_offset": (0, channels),
        }.items():
            values: tuple[float, ...] = getattr(self, name)
            if len(values) not in sizes or not all(map(math.isfinite, values)):
                expected = " or ".join(map(str, sizes))
                raise ModelForeign(
                    f"{where}: {name} is {len(values)} numbers, expected {expected} finite ones"
                )
        if self.levels and not (self.level_spread and self.session_gain and self.session_offset):
            raise ModelForeign(f"{where}: levels without level_spread, session_gain and session_offset")
        if not (1 <= self.window < math.inf and 1 <= self.hop < math.inf):
            raise ModelForeign(
                f"{where}: windows of {self.window} s every {self.hop} s, expected 1 s or more"
            )
