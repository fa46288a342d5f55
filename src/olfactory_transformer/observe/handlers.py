"""Where lines go, whatever becomes of that place: a full disk or a closed pipe must not stop the server."""

from __future__ import annotations

import logging
import os
import stat
import sys
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

# As in the guide.
_MAX_BYTES = 10 * 2**20
_KEPT = 5
_MODE = 0o640  # whoever else has an account on this machine need not read what is served


class _Untroubled(logging.Handler):
    """Tells of what goes wrong once, until it goes well again; `logging` would print each record that was lost."""

    _failing = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Say what went wrong, and nothing of the record, which may not even be printable."""
        if not self._failing:
            self._failing = True
            error = sys.exc_info()[1]
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            # Standard error may be just as closed.
            with suppress(Exception):
                print(
                    f"olfactory: {self.place}: cannot log ({reason}); trying on", file=sys.stderr, flush=True
                )

    @property
    def place(self) -> str:
        """Where lines go, for that message."""
        return "the log"


class LineHandler(_Untroubled, logging.StreamHandler[TextIO]):
    """Writes lines to a stream."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.flush()
            self._failing = False
        except Exception:
            self.handleError(record)


class LogFileHandler(_Untroubled, RotatingFileHandler):
    """Writes lines to a file, made with its folder when the first comes; it is replaced at 10 MiB, five are kept.

    Parameters
    ----------
    path : Path
    max_bytes : int
        Size at which it is replaced.
    """

    def __init__(self, path: Path, max_bytes: int = _MAX_BYTES) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=_KEPT, encoding="utf-8", delay=True)

    @property
    def place(self) -> str:
        """The file."""
        return self.baseFilename

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            line = self.format(record) + self.terminator
            file = self.stream or self._open()
            self.stream = file
            about = os.fstat(file.fileno())
            if stat.S_ISREG(about.st_mode) and about.st_size + len(line) > self.maxBytes:
                self.doRollover()
                self.stream = file = self._open()
            file.write(line)
            file.flush()
            self._failing = False
        except Exception:
            self.handleError(record)
            self._drop()

    def _drop(self) -> None:
        """Close the file with what could not be written, which would otherwise pile up in its buffer."""
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = open(path, "a", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, _MODE))  # noqa: SIM115
        if _ends_within_a_line(path):
            stream.write("\n")
        return stream


def _ends_within_a_line(path: Path) -> bool:
    """Tell whether the last record was cut off, by a full disk or a crash."""
    if not path.is_file():  # a pipe or a device
        return False
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
