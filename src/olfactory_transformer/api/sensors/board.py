"""The server's own board: read by a thread for as long as the server runs, whatever happens to the board.

    Source ─▶ Board (a thread) ─▶ metrics, Checks, Listening ─▶ a window is due ─▶ BoardNaming (a thread)

The reader never waits for the model: what it does not take from the device in time, the device drops.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Protocol

from olfactory_transformer.api.sensors.listening import Listening
from olfactory_transformer.core.errors import MissingExtra, SensorError, SourceEnded
from olfactory_transformer.observe.sensors import SensorMetrics
from olfactory_transformer.sensors.calibration.checks import Checks
from olfactory_transformer.sensors.calibration.value import Calibration
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.sources.contract import TROUBLES, Source, Trouble

logger = logging.getLogger(__name__)

# That a board is back is no error; that it was away is.
ERRORS = tuple(kind for kind in TROUBLES if kind != "replugged")
_AWAY = frozenset({"unplugged", "silent", "refused"})
_READ = 0.5  # seconds, after which it is looked whether the server stops
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between tries to open a source
_LATELY = 30  # frames of which the rate is told
_TROUBLES_KEPT = 20
_STOP = 3.0  # seconds that the source may take to let go


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Frames that are due to be named.

    Parameters
    ----------
    recording : Recording
    seconds : float
        How long has been listened.
    full : bool
        Whether it is as long as a window is.
    begun : int
        How often it was begun anew to listen.
    warnings : tuple of str
    arrived : float
        When its last frame came, by the monotonic clock.
    """

    recording: Recording
    seconds: float
    full: bool
    begun: int
    warnings: tuple[str, ...]
    arrived: float


class Hearer(Protocol):
    """Whoever is told of windows; `naming_thread.BoardNaming` is one."""

    def due(self, window: Window) -> None:
        """Take a window, without waiting."""

    def silence(self) -> None:
        """Forget what it smelt: there is nothing to smell now."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a board stands at one moment.

    Parameters
    ----------
    connected : bool
        Whether it is there and sends.
    frames : int
        Taken since the start.
    last : Frame or None
    rate : float or None
        Frames a second, lately.
    troubles : mapping of str to int
        By kind, since the start.
    latest : tuple of Trouble
        Oldest first.
    warnings : tuple of str
        As in `SmellIdentification.warnings`.
    channels : tuple of str
    """

    connected: bool
    frames: int
    last: Frame | None
    rate: float | None
    troubles: dict[str, int]
    latest: tuple[Trouble, ...]
    warnings: tuple[str, ...]
    channels: tuple[str, ...]


class Board:
    """Reads one source until told to stop.

    Parameters
    ----------
    source : Source
        Not open yet.
    sensor_id : str
        By which its calibration is kept, and the label of its metrics.
    metrics : SensorMetrics
    """

    def __init__(self, source: Source, sensor_id: str, metrics: SensorMetrics) -> None:
        self.id, self.source, self.kind = sensor_id, source.name, source.kind
        self.hearer: Hearer | None = None
        self._source, self._metrics = source, metrics
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)
        self._connected, self._frames = False, 0
        self._last: Frame | None = None
        self._arrivals: deque[float] = deque(maxlen=_LATELY)
        self._troubles: Counter[str] = Counter()
        self._latest: deque[Trouble] = deque(maxlen=_TROUBLES_KEPT)
        self._checks = Checks(None)
        self._listening: Listening | None = None
        metrics.expect(self.kind, ERRORS)
        metrics.expect_board(sensor_id)

    @property
    def connected(self) -> bool:
        """Whether the board is there and sends."""
        return self._connected

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more, and let go of the device; blocks for seconds at most."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP)
        self._source.close()

    def listen(self, window_seconds: float, hop_seconds: float) -> None:
        """Tell the hearer from now on of windows that are so long and so far apart."""
        with self._lock:
            self._listening = Listening(window_seconds, hop_seconds)

    def watch(self, calibration: Calibration | None) -> None:
        """Hold the channels from now on against another calibration."""
        with self._lock:
            self._checks = Checks(calibration)

    def reading(self) -> Reading:
        """Return how things stand."""
        with self._lock:
            span = self._arrivals[-1] - self._arrivals[0] if self._arrivals else 0.0
            return Reading(
                connected=self._connected,
                frames=self._frames,
                last=self._last,
                rate=(len(self._arrivals) - 1) / span if span > 0 and self._connected else None,
                troubles=dict(self._troubles),
                latest=tuple(self._latest),
                warnings=self._checks.warnings(),
                channels=tuple(self._last.values) if self._last else (),
            )

    def _run(self) -> None:
        pause, told = _SHORTEST_PAUSE, ""
        while not self._stopping.is_set():
            try:
                self._source.open()
                pause, told = _SHORTEST_PAUSE, ""
                self._read()
            except SourceEnded:
                logger.info("the board %s: %s has come to its end", self.id, self.source)
                self._away()
                return
            except (SensorError, MissingExtra) as error:
                if str(error) != told:  # once, and not at every try
                    told = str(error)
                    logger.warning("the board %s cannot be read, and is tried again: %s", self.id, error)
                    self._take_trouble(Trouble("unplugged", told[:200], time.time(), self.source))
            except Exception:  # whatever it is, the server goes on, and so does this
                logger.exception("the board %s is opened anew", self.id)
                self._away()
            self._source.close()
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _read(self) -> None:
        while not self._stopping.is_set():
            found = self._source.read(_READ)
            if isinstance(found, Trouble):
                self._take_trouble(found)
            elif found is not None:
                self._take(found)

    def _take(self, frame: Frame) -> None:
        self._metrics.read(self.kind)
        self._metrics.last_read(self.id, frame.time if self.kind != "replay" else time.time())
        window = None
        with self._lock:
            if not self._connected:
                self._arrivals.clear()
            self._frames, self._last = self._frames + 1, frame
            self._arrivals.append(arrived := time.monotonic())
            self._checks.add(frame)
            if (listening := self._listening) is not None:
                overflowed = listening.overflowed
                if listening.add(frame.time, frame.values):
                    window = Window(
                        listening.recording(),
                        listening.seconds,
                        listening.full,
                        listening.times_begun,
                        self._checks.warnings(),
                        arrived,
                    )
                if listening.overflowed > overflowed:
                    self._metrics.dropped(self.kind, "overflow")
        self._there()
        if window is not None and self.hearer is not None:
            self.hearer.due(window)

    def _take_trouble(self, trouble: Trouble) -> None:
        if trouble.kind in ERRORS:
            self._metrics.error(self.kind, trouble.kind, trouble.count)
        with self._lock:
            self._troubles[trouble.kind] += trouble.count
            self._latest.append(trouble)
            if trouble.kind == "unplugged" and self._listening is not None:
                self._listening.forget()  # heaters that were off start cold
        if trouble.kind in _AWAY:
            self._away()
        level = logging.INFO if trouble.kind in ("partial", "replugged") else logging.WARNING
        logger.log(level, "the board %s: %s: %s", self.id, trouble.kind, trouble.detail)

    def _there(self) -> None:
        if not self._connected:
            self._connected = True
            self._metrics.connected(self.id, True)
            logger.info("the board %s sends", self.id)

    def _away(self) -> None:
        self._connected = False
        self._metrics.connected(self.id, False)
        if self.hearer is not None:
            self.hearer.silence()
