"""A pseudo-terminal that a server reads as it reads a board on a serial port."""

from __future__ import annotations

import os
import pty
import threading
import time
import tty
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self


class Terminal:
    """Writes lines, `rate` a second, for as long as it is entered.

    What is written while it is unplugged, or while nobody reads, is lost.

    Parameters
    ----------
    path : Path
        A link to the terminal, for SENSOR_PORT.
    rate : float
        Lines a second.
    lines : iterable of str
        As the board writes them.

    Attributes
    ----------
    sent : int
        Lines so far.
    unheard : int
        Of these, those that nobody could hear.
    """

    def __init__(self, path: Path, rate: float, lines: Iterable[str]) -> None:
        self._path, self._rate, self._lines = path, rate, lines
        self.sent = self.unheard = 0
        self._fds: tuple[int, ...] = ()
        self._plugging = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self.plug()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.end()
        self.unplug()

    def end(self) -> None:
        """Write nothing more, and stay plugged in."""
        self._stop.set()
        self._thread.join(10)

    def plug(self) -> None:
        """Be there (again)."""
        with self._plugging:
            self._fds = pty.openpty()
            tty.setraw(self._fds[1])
            os.set_blocking(self._fds[0], False)
            self._path.symlink_to(os.ttyname(self._fds[1]))

    def unplug(self) -> None:
        """Vanish, with whatever was not read yet."""
        with self._plugging:
            self._path.unlink(missing_ok=True)
            for fd in self._fds:
                os.close(fd)
            self._fds = ()

    def _write(self) -> None:
        began = time.monotonic()
        for line in self._lines:
            if self._stop.wait(max(0.0, began + self.sent / self._rate - time.monotonic())):
                return
            with self._plugging:
                try:
                    if not self._fds:
                        raise BlockingIOError
                    os.write(self._fds[0], f"{line}\r\n".encode())
                except BlockingIOError:  # nobody reads
                    self.unheard += 1
                self.sent += 1
