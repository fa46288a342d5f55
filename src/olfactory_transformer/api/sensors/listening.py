"""What was heard of one board lately, in bounded memory: when a window is due, and its frames."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np

from olfactory_transformer.sensors.channels import channel, is_nameless
from olfactory_transformer.sensors.recording import Recording

MOST_FRAMES = 10_000  # of a window: 100 a second for 100 seconds
MOST_CHANNELS = 64
SHORT_HOP = 10.0  # seconds
GAP_SECONDS = 30.0  # without a frame, after which what is heard begins anew: the board may have been moved


class Listening:
    """Keeps the frames of the last window, and says when there is something new to say.

    A window is due `hop_seconds` after the first frame and after every window, by the frames' own times. Until it is
    full it is short, and due at least every `SHORT_HOP` seconds, for those who wait. Times that fall, or a gap of more
    than `GAP_SECONDS`, make it begin anew, as does a header after frames whose columns nobody had named.

    Parameters
    ----------
    window_seconds, hop_seconds : float
        Of the model.

    Examples
    --------
    >>> listening = Listening(window_seconds=4, hop_seconds=2)
    >>> [listening.add(float(t), {"CO": 800.0 + t}) for t in range(7)]
    [False, False, True, False, True, False, True]
    >>> recording = listening.recording()
    >>> recording.times.tolist(), listening.full
    ([2.0, 3.0, 4.0, 5.0, 6.0], True)
    """

    def __init__(self, window_seconds: float, hop_seconds: float) -> None:
        self._window, self._hop = window_seconds, max(hop_seconds, 1e-3)
        self._names: dict[str, None] = {}  # in the order in which they came
        self._frames: deque[tuple[float, tuple[str, ...], array[float]]] = deque()
        self._began = self._due = 0.0
        self.overflowed = 0  # frames that fell out of a window before its time, as there were too many
        self.times_begun = 0  # anew

    @property
    def seconds(self) -> float:
        """How long has been listened, since it last began."""
        return self._frames[-1][0] - self._began if self._frames else 0.0

    @property
    def full(self) -> bool:
        """Whether as much has been heard as a window is long."""
        return self.seconds >= self._window

    @property
    def names(self) -> tuple[str, ...]:
        """Return the channels that were heard."""
        return tuple(self._names)

    def add(self, time: float, values: Mapping[str, float]) -> bool:
        """Take a frame, and tell whether a window is due.

        Parameters
        ----------
        time : float
            Seconds, by whatever clock, as long as it goes forward.
        values : mapping of str to float
            By channel; NaN where there is no number. Channels beyond `MOST_CHANNELS` are left out.
        """
        if self._frames and (
            not 0 <= time - self._frames[-1][0] <= GAP_SECONDS or self._learns_names(values)
        ):
            self.forget()
        if not self._frames:
            self._began, self._due = time, time + min(self._hop, SHORT_HOP)
        names = self._known(values)
        self._frames.append((time, names, array("f", [values[name] for name in names])))
        while self._frames[0][0] < time - self._window:
            self._frames.popleft()
        if len(self._frames) > MOST_FRAMES:
            self._frames.popleft()
            self.overflowed += 1
        if time < self._due:
            return False
        hop = self._hop if self.full else min(self._hop, SHORT_HOP)
        # Not one hop after the last: after a pause one window is due, and not all that might have been.
        self._due = max(self._due + hop, time + hop / 2)
        return True

    def forget(self) -> None:
        """Begin anew."""
        self._frames.clear()
        self._names.clear()
        self.times_begun += 1

    def recording(self) -> Recording:
        """Return the frames of the window that ends with the last frame."""
        names = self._in_use()
        place = {name: column for column, name in enumerate(names)}
        values = np.full((len(self._frames), len(names)), np.nan, np.float32)
        for row, (_, present, numbers) in enumerate(self._frames):
            values[row, [place[name] for name in present]] = numbers
        times = np.array([time for time, _, _ in self._frames], np.float64)
        return Recording(tuple(channel(name) for name in names), times, values)

    def _learns_names(self, values: Mapping[str, float]) -> bool:
        """Say whether a board that was heard from the middle now has said its header."""
        first, now = next(iter(self._names), ""), next(iter(values), "")
        return is_nameless(first) and now != first and not is_nameless(now)

    def _known(self, values: Iterable[str]) -> tuple[str, ...]:
        if self._frames and self._frames[-1][1] == tuple(values):
            return self._frames[-1][1]  # nearly always: one tuple for all frames
        for name in values:
            if len(self._names) < MOST_CHANNELS:
                self._names.setdefault(name)
        return tuple(name for name in values if name in self._names)

    def _in_use(self) -> tuple[str, ...]:
        present = {name for names in {id(n): n for _, n, _ in self._frames}.values() for name in names}
        return tuple(name for name in self._names if name in present)
