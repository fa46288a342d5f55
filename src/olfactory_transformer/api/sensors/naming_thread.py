"""Naming what the server's own board smells, beside the thread that reads it, and looking after its calibration."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.sensors.board import Board, Window
from olfactory_transformer.api.sensors.naming import Heard, with_warnings
from olfactory_transformer.api.sensors.nose import Nose
from olfactory_transformer.core.errors import DatabaseError, SensorError
from olfactory_transformer.core.smells import SmellIdentification
from olfactory_transformer.inference.nose.enrolment import Enrolled
from olfactory_transformer.observe.sensors import SensorMetrics
from olfactory_transformer.sensors.calibration.value import Calibration, Status, status_of

logger = logging.getLogger(__name__)
_LOOK = 10.0  # seconds between looks at the calibration, and for the model while it cannot be loaded
_STOP = 3.0
MOST_WAITING = 8


class BoardNaming:
    """Names windows in their order; of more than `MOST_WAITING` the oldest are left out, and counted.

    Parameters
    ----------
    board : Board
    nose : Nose
    calibration : callable
        From a sensor's id to its calibration or None, blocking; raises DatabaseError.
    metrics : SensorMetrics
    smells : callable
        Returns what was taught, blocking; raises DatabaseError.
    """

    def __init__(
        self,
        board: Board,
        nose: Nose,
        calibration: Callable[[str], Calibration | None],
        metrics: SensorMetrics,
        smells: Callable[[], Sequence[Enrolled]] = tuple,
    ) -> None:
        self._board, self._nose, self._read, self._metrics = board, nose, calibration, metrics
        self._thread = threading.Thread(target=self._run, name="board-naming", daemon=True)
        self._changed = threading.Condition()
        self._stopping, self._look = False, True
        self._windows: deque[Window] = deque()
        self._heard: Heard | None = None
        self._smells, self._taught = smells, tuple[Enrolled, ...]()
        self._hop, self._begun = 1.0, 0
        self._calibration: Calibration | None = None
        self._failing = False
        self.skipped = 0  # windows that were left out
        self.identification: SmellIdentification | None = None
        board.hearer = self

    @property
    def status(self) -> Status:
        """How the board's calibration stands."""
        return status_of(self._calibration)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; blocks for seconds at most."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(_STOP)

    def due(self, window: Window) -> None:
        """Take a window, without waiting."""
        with self._changed:
            self._windows.append(window)
            if len(self._windows) > MOST_WAITING:
                self._windows.popleft()
                self.skipped += 1
            self._changed.notify()

    def silence(self) -> None:
        """Forget what was smelt."""
        with self._changed:
            self._windows.clear()
            self._heard = self.identification = None

    def changed(self) -> None:
        """Look now at the calibration and at what was taught."""
        with self._changed:
            self._look = True
            self._changed.notify()

    def _run(self) -> None:
        looked = 0.0
        listening = False
        while True:
            with self._changed:
                if not self._windows and not self._look and not self._stopping:
                    self._changed.wait(_LOOK)
                if self._stopping:
                    return
                window, heard = self._taken()
                look, self._look = self._look or time.monotonic() - looked >= _LOOK, False
            try:
                if look:
                    looked = time.monotonic()
                    self._look_at_calibration()
                    listening = listening or self._listen()
                if window is not None and heard is not None:
                    self._name(window, heard)
            except Exception:  # whatever it is, the next window may be better
                logger.exception("naming what the board %s smells", self._board.id)

    def _taken(self) -> tuple[Window | None, Heard | None]:
        window = self._windows.popleft() if self._windows else None
        if window is not None and (self._heard is None or window.begun != self._begun):
            self._begun, self._heard = window.begun, Heard(self._hop)
        return window, self._heard

    def _listen(self) -> bool:
        """Have the board tell of windows, once there is a model that says how long they are."""
        try:
            model = self._nose.get().model
        except ApiError:  # it is in the log
            return False
        self._hop = model.hop_seconds
        self._board.listen(model.window_seconds, model.hop_seconds)
        return True

    def _look_at_calibration(self) -> None:
        try:
            found, self._taught = self._read(self._board.id), tuple(self._smells())
        except DatabaseError as error:
            logger.warning("what is known of the board %s cannot be read: %s", self._board.id, error)
        else:
            if found != self._calibration:
                self._calibration = found
                self._board.watch(found)
        drifts = "drifted" in self._board.reading().warnings
        self._metrics.calibrated(self._board.id, self.status == "ok" and not drifts)

    def _name(self, window: Window, heard: Heard) -> None:
        try:
            answer = heard.add(
                self._nose.get().namer(self._taught),
                window.recording,
                seconds=window.seconds,
                full=window.full,
            )
        except SensorError as error:
            if not self._failing:  # once, and not for every window
                self._failing = True
                logger.warning("what the board %s sends cannot be named: %s", self._board.id, error)
            return
        self._failing = False
        with self._changed:
            if self._heard is heard:  # and was not silenced meanwhile
                self.identification = with_warnings(answer, window.warnings)
        self._metrics.identified(self._board.kind, time.monotonic() - window.arrived)
