"""Connections to the cache's file, for the threads of one process."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from olfactory_transformer.utils.stores import sqlite_file

_forgotten: list[object] = []  # connections of a parent process, which must not even be closed here


@dataclass(frozen=True, slots=True)
class _Opened:
    """A connection, and the file that it was opened on: device and inode."""

    connection: sqlite3.Connection
    path: Path
    file: tuple[int, int]


class Pool:
    """Lends connections; makes the file where there is none, and another where it is broken.

    Parameters
    ----------
    folder : Path
    busy : float
        Seconds that a connection waits for another writer.
    """

    def __init__(self, folder: Path, busy: float) -> None:
        self._folder, self._busy = folder, busy
        self._lock = threading.Lock()
        self._idle: list[_Opened] = []
        self._process = os.getpid()
        self.path: Path | None = None

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection.

        Raises
        ------
        sqlite3.Error, OSError
            From opening it, and from the block, after which it is closed; a broken file has then been set aside.
        """
        path: Path | None = None
        try:
            opened = self._borrow()
            if opened is None:
                path = sqlite_file.current(self._folder)
                opened = _Opened(sqlite_file.connect(path, self._busy), path, _identity(path))
                self.path = path
            path = opened.path
            try:
                yield opened.connection
            except BaseException:
                opened.connection.close()
                raise
            with self._lock:
                self._idle.append(opened)
        except sqlite3.Error as error:
            if path is not None and sqlite_file.is_broken(error):
                sqlite_file.set_aside(path)
            raise

    def close(self) -> None:
        """Close what is not lent."""
        with self._lock:
            idle, self._idle = self._idle, []
        for opened in idle:
            with suppress(sqlite3.Error):
                opened.connection.close()

    def _borrow(self) -> _Opened | None:
        """Return an idle connection whose file is still there under its name."""
        if self._process != os.getpid():  # a fork
            _forgotten.append(self._idle)
            self._lock, self._idle, self._process = threading.Lock(), [], os.getpid()
        while True:
            with self._lock:
                if not self._idle:
                    return None
                opened = self._idle.pop()
            with suppress(OSError):
                if _identity(opened.path) == opened.file:
                    return opened
            opened.connection.close()


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 - before every look-up; Path.stat takes twice as long
    return found.st_dev, found.st_ino
