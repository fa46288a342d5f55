"""The streams of clients, kept for a while after a connection breaks, so that they can go on where they were.

A stream's frames have numbers. What comes again is left out, what never came is counted; a client that connects anew is
told from which number on to send.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from olfactory_transformer.api.sensors.listening import Listening
from olfactory_transformer.api.sensors.naming import Heard
from olfactory_transformer.core.errors import EngineBusy
from olfactory_transformer.inference.nose.naming import Smells
from olfactory_transformer.sensors.calibration.checks import Checks
from olfactory_transformer.sensors.calibration.value import Calibration
from olfactory_transformer.sensors.frame import Frame

MOST_SESSIONS = 200
MOST_OPEN = 64  # of them, connected
KEPT_SECONDS = 300.0  # after a connection broke
KEPT_PER_OWNER = 32  # so that nobody pushes out the sessions of others


class Session:
    """One stream of frames, over however many connections.

    Parameters
    ----------
    owner : str
        The key or the address that began it; nobody else can go on with it.
    sensor : str or None
        Id of the board.

    Examples
    --------
    >>> session = Session("key:abc", None)
    >>> [session.take(n) for n in (5, 6, 6, 9)], session.next, session.lost, session.duplicates
    ([0, 0, None, 2], 10, 2, 1)
    """

    def __init__(self, owner: str, sensor: str | None) -> None:
        self.id = secrets.token_urlsafe(16)
        self.owner, self.sensor = owner, sensor
        self.listening: Listening | None = None  # once the model is there, which says how long a window is
        self.heard: Heard | None = None
        self.smells: Smells = "auto"
        self.next: int | None = None  # the number of the frame that is expected; None: any
        self.received = self.lost = self.duplicates = 0
        self._checks = Checks(None)
        self.left = 0.0  # when its connection broke
        self.taken_over: Callable[[], None] | None = None  # of the connection it has

    def take(self, sequence: int) -> int | None:
        """Note a frame's number: return how many before it never came, or None if this one came already."""
        if self.next is not None and sequence < self.next:
            self.duplicates += 1
            return None
        missing = 0 if self.next is None else sequence - self.next
        self.lost += missing
        self.received += 1
        self.next = sequence + 1
        return missing

    def watch(self, calibration: Calibration | None) -> None:
        """Look from now on for channels that are stuck, saturated or missing, and at the age of the calibration."""
        self._checks = Checks(calibration)

    def check(self, time: float, values: Mapping[str, float]) -> None:
        """Look at a frame's values."""
        self._checks.add(Frame(time, values))

    def warnings(self) -> tuple[str, ...]:
        """Return what is wrong now, as codes."""
        return self._checks.warnings()

    def forget(self) -> None:
        """Begin to listen anew; the numbers go on."""
        self.listening = self.heard = None


class Sessions:
    """All streams of a server, bounded in number and in the time they are kept. Used on the event loop only.

    Parameters
    ----------
    clock : callable
        Seconds that never go back.

    Examples
    --------
    >>> sessions = Sessions()
    >>> def end(): pass
    >>> session, resumed = sessions.begin("key:abc", end)
    >>> sessions.leave(session, end)
    >>> sessions.begin("key:abc", end, session.id) == (session, True)
    True
    >>> sessions.begin("key:other", end, session.id)[1]
    False
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # those that were left longest ago first
        self._open: set[str] = set()

    @property
    def open(self) -> int:
        """How many are connected."""
        return len(self._open)

    def begin(
        self, owner: str, taken_over: Callable[[], None], known: str | None = None, sensor: str | None = None
    ) -> tuple[Session, bool]:
        """Return a new session, or the one of this id if it is still known and is the owner's; and which it is.

        A session that another connection has is taken over; that connection is told to end.

        Parameters
        ----------
        owner : str
        taken_over : callable
            Called when another connection takes the session over.
        known : str or None
            Id of the session to go on with.
        sensor : str or None

        Raises
        ------
        EngineBusy
            As many are open as may be.
        """
        self._clear()
        self.refuse_if_full(known)
        session = self._sessions.get(known) if known is not None else None
        if session is not None and secrets.compare_digest(session.owner.encode(), owner.encode()):
            if session.taken_over is not None:
                session.taken_over()
            session.sensor = sensor or session.sensor
        else:
            session = Session(owner, sensor)
            self._sessions[session.id] = session
        session.taken_over = taken_over
        self._open.add(session.id)
        return session, session.id == known

    def refuse_if_full(self, known: str | None = None) -> None:
        """Raise EngineBusy when as many streams are open as may be, and `known` is none of them."""
        if len(self._open) >= MOST_OPEN and known not in self._open:
            raise EngineBusy("queue-full", 5.0)

    def leave(self, session: Session, taken_over: Callable[[], None]) -> None:
        """Keep a session whose connection broke, unless another connection has it."""
        if session.taken_over is not taken_over:
            return
        session.taken_over, session.left = None, self._clock()
        self._open.discard(session.id)
        if session.id in self._sessions:
            self._sessions.move_to_end(session.id)
        self._clear()

    def end(self, session: Session) -> None:
        """Forget a session."""
        self._open.discard(session.id)
        self._sessions.pop(session.id, None)

    def _clear(self) -> None:
        """Forget what was left too long ago, or is too many."""
        left = [session for session in self._sessions.values() if session.id not in self._open]
        by_owner: dict[str, int] = {}
        for session in left:
            by_owner[session.owner] = by_owner.get(session.owner, 0) + 1
        for session in left:
            too_many = len(self._sessions) > MOST_SESSIONS or by_owner[session.owner] > KEPT_PER_OWNER
            if too_many or self._clock() - session.left > KEPT_SECONDS:
                by_owner[session.owner] -= 1
                del self._sessions[session.id]
