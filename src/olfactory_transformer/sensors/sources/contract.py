"""What every source of frames does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self, runtime_checkable

from olfactory_transformer.sensors.frame import Frame

TroubleKind = Literal[
    "unplugged",  # the device went away; the source tries to get it back
    "replugged",  # it is back: not an error, but whoever listens has a gap
    "silent",  # it is there and has sent nothing for the source's timeout
    "garbled",  # a line that cannot be read, or whose checksum is wrong
    "partial",  # a line that began before we listened, or never ended
    "lost",  # the device's own numbers show that frames are missing
    "restarted",  # the device's clock or numbers began anew
    "clock-jump",  # its clock, or ours, jumped
    "refused",  # a broker or a device refuses us
]
TROUBLES: tuple[TroubleKind, ...] = TroubleKind.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that went wrong with a source, which goes on by itself.

    Parameters
    ----------
    kind : str
        One of `TROUBLES`; the label `error` of `olfactory_sensor_errors_total`.
    detail : str
        For a person: what was got, what was expected. Printable, at most 200 characters.
    time : float
        Seconds since 1970.
    source : str
        As in `Frame.source`.
    count : int
        How often, as of the frames that were lost.
    """

    kind: TroubleKind
    detail: str
    time: float
    source: str = ""
    count: int = 1


@runtime_checkable
class Source(Protocol):
    """A device, a file or a broker that sends frames. Used by one thread at a time.

    Usable as a context manager, which opens and closes it.
    """

    @property
    def name(self) -> str:
        """As in `Frame.source`."""

    @property
    def kind(self) -> Literal["serial", "replay", "mqtt", "simulated"]:
        """The label `sensor_type` of the sensor metrics."""

    def open(self) -> None:
        """Connect.

        Raises
        ------
        SourceError
            When it cannot be reached at all. What goes wrong later is a `Trouble`.
        """

    def read(self, timeout: float) -> Frame | Trouble | None:
        """Return what came next, or None if nothing did within `timeout` seconds.

        Raises
        ------
        SourceEnded
            When no frame will ever come again, as at the end of a recording.
        """

    def close(self) -> None:
        """Let go of the device. May be called from another thread, and twice."""

    def __enter__(self) -> Self:
        """Open it."""

    def __exit__(self, *_: object) -> None:
        """Close it."""
