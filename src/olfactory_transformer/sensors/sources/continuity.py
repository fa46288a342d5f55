"""Whether a board's frames follow one another: by its own numbers, its own clock, and what it says when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from olfactory_transformer.sensors.lines import Said
from olfactory_transformer.sensors.sources.contract import TroubleKind

JUMP = 5.0  # seconds by which a board's clock may move against ours
_PATIENCE = 10.0  # seconds that a clock has to be behind: before, its frames may just be late
_DRIFT = 0.02  # of its distance, by which what is expected follows a clock with each frame
_STARTED = 120.0  # seconds on a clock that began a moment ago
_WRAPS = (2**8, 2**16, 2**32)  # where counters begin at 0 again
_NEAR = 16  # frames that may be missing when one did
_MOST_MISSING = 100_000


@dataclass(frozen=True, slots=True)
class Break:
    """Where frames do not follow one another; see `Trouble`."""

    kind: TroubleKind
    detail: str
    count: int = 1


class Continuity:
    """Compares each frame of a board with those before.

    Examples
    --------
    >>> board = Continuity()
    >>> board.check(Said({}, number=1), 0.0), board.check(Said({}, number=4), 1.0)
    ([], [Break(kind='lost', detail='2 frames between 1 and 4 never came', count=2)])
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._clock: float | None = None
        self._wraps = 0.0  # seconds to add to what the clock says
        self._expected = 0.0  # what the clock is ahead of ours
        self._behind: tuple[float, float] | None = None  # since when, and how little at best
        self._starts = False

    def starts(self) -> None:
        """Take note that it said what it says when it starts. Some say it now and then, so its next frame decides."""
        self._starts = True

    def check(self, said: Said, monotonic: float) -> list[Break]:
        """Return where a frame does not follow the one before.

        Parameters
        ----------
        said : Said
            With values.
        monotonic : float
            Seconds, when it arrived.
        """
        number, clock = self._check_number(said.number), self._check_clock(said, monotonic)
        restarts = [each for each in (clock, number) if each is not None and each.kind == "restarted"]
        told = self._starts and said.number is None and said.device_time is None
        self._starts = False
        if restarts:
            # A number that began anew says how many are lost no more than a clock says how far it jumped.
            if clock is not None:
                self._begin(said.device_time or 0.0, monotonic)
            return restarts[:1]
        if told:
            return [Break("restarted", "it said again what it says when it starts")]
        return [each for each in (number, clock) if each is not None]

    def _check_number(self, number: int | None) -> Break | None:
        last, self._number = self._number, self._number if number is None else number
        if number is None or last is None or number == last:
            return None
        missing = number - last - 1
        if number < last:
            around = [wrap for wrap in _WRAPS if last < wrap and number + wrap - last <= _NEAR + 1]
            if self._starts or not around:
                return Break("restarted", f"frame {number} after {last}")
            missing += around[0]
        if missing > _MOST_MISSING:
            return Break("restarted", f"frame {number} after {last}")
        return (
            Break("lost", f"{missing} frames between {last} and {number} never came", missing)
            if missing
            else None
        )

    def _check_clock(self, said: Said, monotonic: float) -> Break | None:
        if said.device_time is None:
            return None
        last, now = self._clock, said.device_time + self._wraps
        self._clock = now
        if last is None:
            self._begin(said.device_time, monotonic)
            return None
        if said.wraps and now < last and abs(now + said.wraps - monotonic - self._expected) < JUMP:
            self._wraps += said.wraps  # 49.7 days, where it counts milliseconds
            self._clock = now = now + said.wraps
        ahead = now - monotonic
        off = ahead - self._expected
        if now < last - 1.0 and (self._starts or said.device_time < _STARTED):
            self._begin(said.device_time, monotonic)
            return Break(
                "restarted", f"its clock is at {said.device_time:g} s after {last - self._wraps:g} s"
            )
        if now < last - 1.0 or off > JUMP:
            return self._jumped(off, ahead)
        if off >= -JUMP:
            # Late frames make it seem behind, so it is as far ahead as it ever was, but for a slow drift.
            self._expected = ahead if off > 0 else self._expected + _DRIFT * off
            self._behind = None
            return None
        since, best = self._behind or (monotonic, ahead)
        self._behind = since, max(best, ahead)
        if monotonic - since < _PATIENCE:
            return None
        return self._jumped(self._behind[1] - self._expected, self._behind[1])

    def _begin(self, device: float, monotonic: float) -> None:
        self._clock, self._wraps = device, 0.0
        self._expected, self._behind = device - monotonic, None

    def _jumped(self, off: float, ahead: float) -> Break:
        self._expected, self._behind = ahead, None
        return Break("clock-jump", f"its clock moved by {off:+.1f} s against ours")
