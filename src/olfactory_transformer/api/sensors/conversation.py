"""One WebSocket of `/v1/sensors/stream`: frames in, identifications out.

    message ─▶ frames ─▶ Session (numbers) ─▶ Listening ─▶ a window is due ─▶ Nose ─▶ identification

A message is read only when the one before it is done, windows included: a client that sends faster than it is served is
held back by TCP, and told so. What is kept of a stream is a window of frames and the readings of ten minutes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from olfactory_transformer.api.lifecycle import Lifecycle
from olfactory_transformer.api.problems import HANDLED, ApiError, as_api_error
from olfactory_transformer.api.sensors.calibrations import Calibrations
from olfactory_transformer.api.sensors.listening import Listening
from olfactory_transformer.api.sensors.messages import (
    MOST_IN_MESSAGE,
    End,
    FrameIn,
    Frames,
    Said,
    Start,
    read_message,
    values_of,
    write_message,
)
from olfactory_transformer.api.sensors.naming import Heard, Naming, with_warnings
from olfactory_transformer.api.sensors.nose import Nose
from olfactory_transformer.api.sensors.sessions import KEPT_SECONDS, Session, Sessions
from olfactory_transformer.api.sensors.smells import Smells
from olfactory_transformer.core.smells import SmellIdentification
from olfactory_transformer.observe.metrics import Metrics

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

KIND = "websocket"  # label of the metrics
ERRORS = ("lost", "clock-jump")
MOST_FAULTS = 20  # messages in a row that cannot be read, before the end
_TOLD_AFTER = 1.0  # seconds of waiting
_NORMAL, _FAULT, _RESTART = 1000, 1011, 1012  # RFC 6455 and its registry
_OURS = 4000  # and a problem's status


@dataclass(frozen=True, slots=True)
class Terms:
    """What a connection is held to.

    Parameters
    ----------
    idle_seconds : float
        Without a message, after which the connection is ended.
    frames_a_request : int
        So many frames use up one request of the caller's quota.
    """

    idle_seconds: float
    frames_a_request: int


class _Over(Exception):
    """The conversation ends, by us, for the reason that the problem says; None: all is said."""

    def __init__(self, code: int, problem: ApiError | None = None) -> None:
        self.code, self.problem = code, problem


def _over(problem: ApiError) -> _Over:
    return _Over(_OURS + problem.kind.status, problem)


class Conversation:
    """Talks with one client until either has enough, or the server stops.

    Parameters
    ----------
    socket : WebSocket
        Not accepted yet.
    nose : Nose
    sessions : Sessions
    calibrations : Calibrations
    smells : Smells
    metrics : Metrics
    lifecycle : Lifecycle
    terms : Terms
    """

    def __init__(
        self,
        socket: WebSocket,
        nose: Nose,
        sessions: Sessions,
        calibrations: Calibrations,
        smells: Smells,
        metrics: Metrics,
        lifecycle: Lifecycle,
        terms: Terms,
    ) -> None:
        self._socket, self._nose, self._sessions = socket, nose, sessions
        self._calibrations, self._smells = calibrations, smells
        self._metrics, self._lifecycle, self._terms = metrics, lifecycle, terms
        self._another = asyncio.Event()  # another connection goes on with the session
        self._taken_over = self._another.set  # one and the same object, by which the session knows us
        self._session: Session | None = None
        self._paid_for = self._faults = 0
        self._waits: list[asyncio.Task[Any]] = []

    async def hold(self) -> None:
        """Accept the connection, and return when it is over."""
        await self._socket.accept()
        self._metrics.sensors.stream_opened()
        ends: list[Coroutine[Any, Any, Any]] = [self._lifecycle.until_closing(), self._another.wait()]
        self._waits = [asyncio.create_task(end) for end in ends]
        try:
            over = await self._until_over()
            if over is not None:
                await self._bid_farewell(over)
        except WebSocketDisconnect:
            pass
        finally:
            for wait in self._waits:
                wait.cancel()
            self._metrics.sensors.stream_closed()
            if self._session is not None:
                self._sessions.leave(self._session, self._taken_over)

    async def _until_over(self) -> _Over | None:
        """Converse, and return how that ended; None if the client left."""
        try:
            session = await self._begin()
            while True:
                await self._answer(session, await self._next())
        except _Over as over:
            return over
        except WebSocketDisconnect:
            return None
        except Exception as error:
            if self._socket.client_state is not WebSocketState.CONNECTED:
                return None  # it left while we were saying something
            if isinstance(error, HANDLED):
                return _over(as_api_error(error))
            logger.exception("unexpected error, request %s", self._socket.scope["state"].get("request_id"))
            return _Over(_FAULT, as_api_error(error))

    async def _bid_farewell(self, over: _Over) -> None:
        session = self._session
        if over.problem is not None:
            self._metrics.error(over.problem.kind.code)
            await self._complain(over.problem, last=True)
        # Of use to those who see no messages any more, but why the connection was closed.
        await self._socket.close(over.code, f"session {session.id}" if session else "")

    async def _begin(self) -> Session:
        said = await self._next()
        if not isinstance(said, Start):
            raise _over(ApiError("invalid-request", "expected a message of type start first"))
        state = self._socket.scope["state"]
        caller = state.get("caller")
        owner = f"key:{caller.id}" if caller is not None else f"address:{state.get('address')}"
        self._session, resumed = self._sessions.begin(owner, self._taken_over, said.session, said.sensor)
        session = self._session
        session.smells = said.smells
        members = {
            "session": session.id,
            "resumed": resumed,
            "resume_from": session.next,
            "kept_seconds": KEPT_SECONDS,
            "idle_seconds": self._terms.idle_seconds,
            "most_frames": MOST_IN_MESSAGE,
        }
        await self._say("started", members)
        return session

    async def _answer(self, session: Session, said: Said) -> None:
        if isinstance(said, End):
            self._sessions.end(session)
            await self._say("ended", self._account(session))
            raise _Over(_NORMAL)
        if isinstance(said, Start):
            raise _over(ApiError("invalid-request", "expected start only once"))
        if not isinstance(said, Frames):
            session.forget()
            await self._say("restarted", {"resume_from": session.next})
            return
        arrived = asyncio.get_running_loop().time()
        await self._pay(len(said.frames))
        for frame in said.frames:
            if self._another.is_set():  # which takes what is left
                raise self._told_to_end()
            await self._take(session, frame, arrived)
        await self._say("received", self._account(session))

    async def _take(self, session: Session, frame: FrameIn, arrived: float) -> None:
        """Take one frame, and say what it smells if a window is due."""
        sensors = self._metrics.sensors
        missing = session.take(frame.sequence)
        if missing is None:
            sensors.dropped(KIND, "duplicate")
            return
        sensors.read(KIND)
        if missing:
            sensors.error(KIND, "lost", missing)
        try:
            listening = session.listening or await self._listen(session)
        except ApiError as error:  # there is no model at present; the frame counts, but nothing is heard
            await self._complain(error, frame)
            return
        begun, overflowed = listening.times_begun, listening.overflowed
        due = listening.add(frame.time, values := values_of(frame))
        session.check(frame.time, values)
        if listening.times_begun > begun:
            session.heard = None
            sensors.error(KIND, "clock-jump")
        if listening.overflowed > overflowed:
            sensors.dropped(KIND, "overflow")
        if not due:
            return
        try:
            answer = await self._patiently(self._identify(session, listening))
        except Exception as error:
            if not isinstance(error, HANDLED):
                raise
            await self._complain(as_api_error(error), frame)
            return
        members = {"sequence": frame.sequence, "time": frame.time, **answer.as_dict()}
        await self._say("identification", members)
        sensors.identified(KIND, asyncio.get_running_loop().time() - arrived)

    async def _listen(self, session: Session) -> Listening:
        """Begin to listen, which needs the model, as it says how long a window is."""
        model = (await self._patiently(self._nose.run(_itself))).model
        session.watch(await self._calibrations.of(session.sensor))
        session.listening = Listening(model.window_seconds, model.hop_seconds)
        return session.listening

    async def _identify(self, session: Session, listening: Listening) -> SmellIdentification:
        recording, seconds, full = listening.recording(), listening.seconds, listening.full
        taught = await self._smells.fresh()

        def work(naming: Naming) -> SmellIdentification:
            if session.heard is None:
                session.heard = Heard(naming.model.hop_seconds)
            namer = naming.namer(taught, session.smells)
            return session.heard.add(namer, recording, seconds=seconds, full=full)

        return with_warnings(await self._nose.run(work), session.warnings())

    async def _pay(self, frames: int) -> None:
        """Pay for more frames than one request may have, once the caller's quota has room."""
        size, before = self._terms.frames_a_request, self._paid_for
        self._paid_for += frames
        due = (max(self._paid_for, size) - 1) // size - (max(before, size) - 1) // size
        charge = self._socket.scope["state"].get("charge")
        if due and charge:
            await self._patiently(charge(due))

    async def _patiently(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` gives, and tell the client if that takes long."""
        task = asyncio.create_task(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=_TOLD_AFTER)
            if not done:
                await self._say("busy", {"seconds": _TOLD_AFTER})
                await asyncio.wait({task, *self._waits}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise self._told_to_end()
            return task.result()
        finally:
            task.cancel()

    async def _next(self) -> Said:
        """Return the next message that can be read; of others the client is told, and of too many it is the end."""
        while True:
            text = await self._receive()
            try:
                said = read_message(text)
            except ApiError as error:
                self._metrics.sensors.dropped(KIND, "invalid")
                self._metrics.error(error.kind.code)
                self._faults += 1
                if self._faults >= MOST_FAULTS or self._session is None:
                    raise _over(error) from None
                await self._complain(error)
            else:
                self._faults = 0
                return said

    async def _receive(self) -> str | bytes | None:
        """Return what comes next, unless it does not come, or the server stops, or another goes on."""
        receiving = asyncio.create_task(self._socket.receive())
        try:
            await asyncio.wait(
                {receiving, *self._waits},
                timeout=self._terms.idle_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            # Also where a message came: one who never stops sending would go on for ever.
            if self._another.is_set() or self._lifecycle.closing:
                raise self._told_to_end()
            if not receiving.done():
                detail = f"expected a message within {self._terms.idle_seconds:g} s"
                raise _over(ApiError("request-timeout", detail))
            message = receiving.result()
        finally:
            receiving.cancel()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return message.get("text") if message.get("text") is not None else message.get("bytes")

    def _told_to_end(self) -> _Over:
        if self._another.is_set():
            return _over(ApiError("stream-taken-over", "another connection goes on with this session"))
        return _Over(_RESTART, ApiError("draining", "the server is stopping; go on with this session later"))

    async def _complain(self, error: ApiError, frame: FrameIn | None = None, *, last: bool = False) -> None:
        """Tell of a problem."""
        members: dict[str, Any] = {
            "code": error.kind.code,
            "status": error.kind.status,
            "title": error.kind.title,
            "detail": error.detail,
            **error.members,
        }
        if frame is not None:
            self._metrics.error(error.kind.code)
            members["sequence"] = frame.sequence
        if self._session is not None:
            members |= {"session": self._session.id, "resume_from": self._session.next}
        await self._say("closing" if last else "problem", members)

    def _account(self, session: Session) -> dict[str, Any]:
        listening = session.listening
        return {
            "resume_from": session.next,
            "received": session.received,
            "lost": session.lost,
            "duplicates": session.duplicates,
            "overflowed": listening.overflowed if listening else 0,
        }

    async def _say(self, kind: str, members: dict[str, Any]) -> None:
        await self._socket.send_text(write_message(kind, members))


def _itself(naming: Naming) -> Naming:
    return naming
