"""JSON Lines in and out over one request, in step: a full-duplex reply.

    request ─▶ Lines ─▶ chunks ─▶ engine.predict(wait=True) ─▶ in their order ─▶ reply
               ▲ read only while fewer than `window` chunks are in progress      ▲ written only as fast as it is read

What is held is a window of chunks, whatever the length of the stream: a client that does not read is not read from.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from olfactory_transformer.api.audit import asked_about
from olfactory_transformer.api.lifecycle import Lifecycle
from olfactory_transformer.api.lines import Lines, TooLong
from olfactory_transformer.api.problems import HANDLED, ApiError
from olfactory_transformer.api.render import as_json, error_members, prediction_members
from olfactory_transformer.api.stream_items import Item, Options, read_item
from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import EngineFault
from olfactory_transformer.engine.contract import Engine
from olfactory_transformer.observe.metrics import Metrics

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/x-ndjson"
_LEAST_WINDOW, _LARGEST_WINDOW = 4, 16  # chunks in progress


class StreamReply(Response):
    """Reads the request while it answers it. Nothing else may read the request.

    Parameters
    ----------
    engine : Engine
    metrics : Metrics
    lifecycle : Lifecycle
    options : Options
    """

    media_type = MEDIA_TYPE

    def __init__(self, engine: Engine, metrics: Metrics, lifecycle: Lifecycle, options: Options) -> None:
        # Without this, nginx would hold answers back until it has many.
        super().__init__(media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._engine, self._metrics, self._lifecycle, self._options = engine, metrics, lifecycle, options
        window = min(_LARGEST_WINDOW, max(_LEAST_WINDOW, 2 * engine.load.workers))
        self._room = asyncio.Semaphore(window)
        self._chunks: asyncio.Queue[asyncio.Task[list[bytes]] | None] = asyncio.Queue()
        self._scope: Scope = {}
        self._taken = self._answered = 0
        self._last_line_taken = self._last_write = 0.0  # of the loop's time
        self._end: ApiError | None = None  # why the stream ends before the client ended it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the request ends, the client leaves, or the server stops."""
        self._scope = scope
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(receive, tasks))
                ender = tasks.create_task(self._end_with_the_server(reader))
                await self._write(send)
                ender.cancel()
                reader.cancel()
        except ExceptionGroup as group:
            if group.subgroup(ClientDisconnect) is None:
                raise
            raise ClientDisconnect from None
        await send({"type": "http.response.body", "body": self._last_line(), "more_body": False})

    async def _write(self, send: Send) -> None:
        """Send the answers of each chunk in turn, until there are no more."""
        while (chunk := await self._chunks.get()) is not None:
            answers = await chunk
            await send({"type": "http.response.body", "body": b"".join(answers), "more_body": True})
            self._answered += len(answers)
            self._last_write = asyncio.get_running_loop().time()
            self._room.release()

    def _last_line(self) -> bytes:
        if self._end is None:
            return b""
        self._metrics.error(self._end.kind.code)
        return as_json({"error": {**error_members(self._end), "answered": self._answered}}) + b"\n"

    async def _end_with_the_server(self, reader: asyncio.Task[None]) -> None:
        await self._lifecycle.until_streams_end()
        detail = "the server is stopping; of this stream's lines, the first `answered` are answered"
        self._end = ApiError("draining", detail)
        reader.cancel()

    async def _read(self, receive: Receive, tasks: asyncio.TaskGroup) -> None:
        """Read lines and start their chunks, say that there are no more, then watch for the client to leave."""
        try:
            await self._read_lines(receive, tasks)
        finally:
            self._chunks.put_nowait(None)  # also when cancelled: what was taken is answered before the end
        while (await receive())["type"] != "http.disconnect":
            pass
        raise ClientDisconnect

    async def _read_lines(self, receive: Receive, tasks: asyncio.TaskGroup) -> None:
        lines, loop = Lines(self._options.line_bytes), asyncio.get_running_loop()
        self._last_line_taken = loop.time()
        more = True
        while more:
            message = await self._received(receive)
            if message is None:
                detail = f"expected a line within {self._options.idle:g} s; the first `answered` are answered"
                self._end = ApiError("request-timeout", detail)
                return
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            lines.feed(message.get("body", b""))
            if not (more := message.get("more_body", False)):
                lines.end()
            while found := lines.take(self._options.chunk):
                await self._pay(len(found))
                await self._room.acquire()
                self._chunks.put_nowait(tasks.create_task(self._answers(found, self._taken)))
                self._taken += len(found)
                self._last_line_taken = loop.time()

    async def _pay(self, lines: int) -> None:
        """Pay for more lines than one request may have molecules, once the caller's quota has room."""
        size = self._options.request
        due = (max(self._taken + lines, size) - 1) // size - (max(self._taken, size) - 1) // size
        charge = self._scope["state"].get("charge")
        if due and charge:
            await charge(due)

    async def _received(self, receive: Receive) -> Message | None:
        """Return what comes next, None if that makes no line in time while there is nothing left to answer."""
        loop = asyncio.get_running_loop()
        while True:
            # Not since bytes came: blank lines, or a line letter by letter, would keep a stream open for ever.
            since = max(self._last_line_taken, self._last_write)
            try:
                async with asyncio.timeout_at(since + self._options.idle):
                    return await receive()
            except TimeoutError:
                if self._taken > self._answered:
                    self._last_line_taken = loop.time()  # the client waits for us
                elif since >= self._last_write:
                    return None

    async def _answers(self, lines: list[bytes | TooLong], first: int) -> list[bytes]:
        """Return the lines of the reply."""
        items = [read_item(line, self._options) for line in lines]
        asked_about(self._scope, [item.smiles for item in items])
        outcomes: list[ScentPrediction | Exception | None] = [item.error for item in items]
        by_dilution: dict[float, list[int]] = {}
        for place, item in enumerate(items):
            if item.error is None:
                by_dilution.setdefault(item.dilution, []).append(place)
        for dilution, places in by_dilution.items():
            found = await self._predicted([items[place].smiles for place in places], dilution)
            for place, outcome in zip(places, found, strict=True):
                outcomes[place] = outcome
        return [self._line(first + n, *pair) for n, pair in enumerate(zip(items, outcomes, strict=True))]

    async def _predicted(self, smiles: list[str], dilution: float) -> Sequence[ScentPrediction | Exception]:
        """Return an outcome for each: whatever goes wrong is told with its lines, and the stream goes on."""
        try:
            return await self._engine.predict(smiles, dilution, wait=True)
        except Exception as error:
            if not isinstance(error, HANDLED) or isinstance(error, EngineFault):
                logger.exception("a part of a stream failed")
            return [error] * len(smiles)

    def _line(self, index: int, item: Item, outcome: ScentPrediction | Exception | None) -> bytes:
        assert outcome is not None
        head = b'{"index":%d,' % index + (b"" if item.id is None else b'"id":%b,' % item.id)
        if isinstance(outcome, ScentPrediction):
            return b'%b"prediction":%b}\n' % (head, as_json(prediction_members(outcome, self._options.words)))
        error = error_members(outcome)
        self._metrics.error(error["code"])
        return b'%b"error":%b}\n' % (head, as_json(error))
