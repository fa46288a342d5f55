"""What is said of a smell that an electronic nose picked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Smell:
    """A name and how probable it is, 0 to 1."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class SmellIdentification:
    """The smell that a recording, or the part of it heard so far, has.

    Parameters
    ----------
    ranked : tuple of Smell
        The smells that the model and the user's enrolments know, most probable first. With `unknown` they sum to 1.
    unknown : float
        Probability, 0 to 1, that it is none of them.
    seconds : float
        How much was listened to.
    windows : int
        How many windows that was.
    settled : bool
        Whether more of the same would hardly change the answer.
    channels : tuple of str
        Those that were used.
    warnings : tuple of str
        Codes, as `uncalibrated`, `drifted`, `stuck:CO`, `saturated:VOC`, `missing:NO2`, `short`.
    model_version : str
        As in `smellnet-base-v1@1.0.0`.

    Examples
    --------
    >>> SmellIdentification((Smell("clove", 0.8), Smell("mint", 0.1)), unknown=0.1).name
    'clove'
    """

    ranked: tuple[Smell, ...]
    unknown: float = 0.0
    seconds: float = 0.0
    windows: int = 0
    settled: bool = False
    channels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    model_version: str = ""

    @property
    def name(self) -> str:
        """Return the most probable smell, or `unknown` if it is more probable that it is none."""
        return self.ranked[0].name if self.ranked and self.ranked[0].probability >= self.unknown else UNKNOWN

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can say of it: the fields, and `name` first."""
        return {
            "name": self.name,
            "ranked": [{"name": each.name, "probability": each.probability} for each in self.ranked],
            "unknown": self.unknown,
            "seconds": self.seconds,
            "windows": self.windows,
            "settled": self.settled,
            "channels": list(self.channels),
            "warnings": list(self.warnings),
            "model_version": self.model_version,
        }
