"""The ports of one process, served in one event loop, and how they come to an end.

SIGTERM ─▶ drain ──SHUTDOWN_DELAY──▶ close ──SHUTDOWN_TIMEOUT at most──▶ the engine stops ─▶ exit
again   ─────────────────────────▶ close        and again ─▶ end at once
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator, Mapping

import uvicorn
from fastapi import FastAPI

from olfactory_transformer.api.connection import IDLE_SECONDS, Connection
from olfactory_transformer.api.lifecycle import Lifecycle
from olfactory_transformer.api.listeners import let_nobody_in
from olfactory_transformer.api.models import Models
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.socket import MESSAGE_BYTES, PING_SECONDS, Socket
from olfactory_transformer.settings import Settings

logger = logging.getLogger("olfactory_transformer.server")
_ENDS_AT_ONCE = {signal.SIGTERM: 3, signal.SIGINT: 2}  # told so often
_ACCEPTING = 0.2  # seconds in which those who have connected are accepted, before the door is closed
_STREAMS_END = 0.8  # of SHUTDOWN_TIMEOUT, after which streams in progress are told to end


class _Server(uvicorn.Server):
    """uvicorn's server without its handling of signals, which would kill the process when all is done."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Serving:
    """Serves the application, and side applications on ports of their own, until told to stop.

    Parameters
    ----------
    app : FastAPI
    settings : Settings
    lifecycle : Lifecycle
    """

    def __init__(self, app: FastAPI, settings: Settings, lifecycle: Lifecycle) -> None:
        self._app, self._settings, self._lifecycle = app, settings, lifecycle
        self._main = _Server(self._config(app, sockets=True))
        self._told: dict[signal.Signals, int] = {}
        self._reloads: set[asyncio.Task[None]] = set()

    def handle_signals(self) -> None:
        """Obey SIGTERM, SIGINT and SIGHUP from now on."""
        loop = asyncio.get_running_loop()
        for number in _ENDS_AT_ONCE:
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    async def run(self, bound: socket.socket, sides: Mapping[socket.socket, FastAPI]) -> None:
        """Serve on sockets that listen already; returns when all is done.

        Parameters
        ----------
        bound : socket
            Of the application.
        sides : mapping of socket to FastAPI
            They answer until the application has ended, so that probes can see it end.
        """
        loop = asyncio.get_running_loop()
        servers = {_Server(self._config(side)): listener for listener, side in sides.items()}
        serving = [loop.create_task(server.serve([listener])) for server, listener in servers.items()]
        try:
            # Not left to uvicorn, so that what goes wrong at the start is raised here.
            async with self._app.router.lifespan_context(self._app):
                await self._serve_main(bound)
        finally:
            for server in servers:
                server.should_exit, server.force_exit = True, self._lifecycle.forced
            await asyncio.gather(*serving)

    async def _serve_main(self, bound: socket.socket) -> None:
        ending = asyncio.create_task(self._end(bound))
        try:
            await self._main.serve([bound])
        finally:
            for task in (ending, *self._reloads):
                task.cancel()

    async def _end(self, bound: socket.socket) -> None:
        """When told to stop, keep the times of the settings."""
        await self._lifecycle.until_draining()
        logger.info("stopping: /ready is 503, new requests are taken for %g s", self._settings.shutdown_delay)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.shutdown_delay):
                await self._lifecycle.until_closing()
        self._lifecycle.close()
        let_nobody_in(bound)
        await asyncio.sleep(_ACCEPTING)
        self._main.should_exit = True
        await asyncio.sleep(_STREAMS_END * self._settings.shutdown_timeout)
        self._lifecycle.end_streams()

    def _signalled(self, number: signal.Signals) -> None:
        """Stop: the more often, the sooner. Ctrl-C comes from somebody who waits, and has no delay."""
        times = self._told[number] = self._told.get(number, 0) + 1
        self._lifecycle.drain()
        if times >= _ENDS_AT_ONCE[number]:
            logger.warning("ending at once, whatever is in progress")
            self._lifecycle.force()
            self._main.should_exit = self._main.force_exit = True
        elif times > 1 or number == signal.SIGINT:
            self._lifecycle.close()

    def _hung_up(self) -> None:
        """Read the model again, and if that is being done, once more after that."""
        if len(self._reloads) > 1:
            return
        task = asyncio.create_task(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        models: Models = self._app.state.models
        try:
            await models.change(wait=True)
        except ApiError as error:
            logger.warning("SIGHUP: %s", error.detail)

    def _config(self, app: FastAPI, *, sockets: bool = False) -> uvicorn.Config:
        limits = {"write_seconds": self._settings.inference_timeout}
        return uvicorn.Config(
            app,
            http=type("Connection", (Connection,), {**limits, "count": self._app.state.metrics.error}),
            ws=type("Socket", (Socket,), limits) if sockets else "none",
            ws_max_size=MESSAGE_BYTES,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            ws_per_message_deflate=False,  # a kilobyte could become a megabyte, and each connection would hold a window
            lifespan="off",
            workers=1,  # not WEB_CONCURRENCY: settings.py alone reads the environment
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=self._settings.shutdown_timeout,
        )
