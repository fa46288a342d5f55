"""One process of the engine, as the server sees it: start, ask, kill."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

import msgspec

from olfactory_transformer.engine import frames
from olfactory_transformer.engine.worker import WorkerOptions
from olfactory_transformer.settings.inherited import inherited

_MODULE = "olfactory_transformer.engine.worker"


class ProcessGone(Exception):
    """The process ended, or what it says is not an answer."""


class Process:
    """A running process. One question at a time; see `spawn`."""

    def __init__(
        self,
        child: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._child, self._reader, self._writer = child, reader, writer
        self.heard = asyncio.get_running_loop().time()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._child.pid

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended."""
        reader = self._reader
        return reader.at_eof() or reader.exception() is not None or self._child.returncode is not None

    async def hear(self) -> frames.Answer:
        """Return the next answer.

        Raises
        ------
        ProcessGone
            There will be none.
        """
        try:
            (length,) = frames.HEAD.unpack(await self._reader.readexactly(frames.HEAD.size))
            if length > frames.LARGEST:
                raise ProcessGone(f"got a frame of {length} bytes, expected at most {frames.LARGEST}")
            answer = frames.unpack_answer(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError, msgspec.MsgspecError) as error:
            raise ProcessGone(type(error).__name__) from None
        self.heard = asyncio.get_running_loop().time()
        return answer

    async def ask(self, request: frames.Request) -> frames.Answer:
        """Send a request and return the answer to it; ProcessGone if there will be none."""
        try:
            self._writer.write(frames.pack(request))
            await self._writer.drain()
        except OSError as error:
            raise ProcessGone(type(error).__name__) from None
        return await self.hear()

    async def end(self, *, kill: bool) -> None:
        """End it: at once, or by closing its socket, which it notices when it has answered."""
        self._writer.close()
        if kill:
            self._kill()
        try:
            async with asyncio.timeout(2):
                await self._child.wait()
        except TimeoutError:
            self._kill()
            await self._child.wait()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()


async def spawn(options: WorkerOptions) -> Process:
    """Start a process; its first answer, Loaded or Refused, is still to be heard."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            descriptor = theirs.fileno()
            arguments = [str(descriptor), msgspec.json.encode(options).decode()]
            # -P: modules are not looked for in the folder that the server was started in.
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                _MODULE,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=[descriptor],
                # NumPy's OpenBLAS has a thread for each processor, which after a product spins for the next one: in
                # vain, and for longer than all else that a batch takes. Those of ONNX Runtime are `options.threads`.
                env=inherited(OMP_NUM_THREADS="1"),
            )
        ours.setblocking(False)
        return Process(child, *await asyncio.open_connection(sock=ours))
    except BaseException:
        ours.close()
        raise
