"""An alarm that rings on time: the event loops' own timers count whole milliseconds."""

from __future__ import annotations

import asyncio
import ctypes
import math
import os
from collections.abc import Callable
from typing import Self

_MONOTONIC, _NONBLOCK, _ABSOLUTE = 1, os.O_NONBLOCK, 1
_libc = ctypes.CDLL(None, use_errno=True)


class _Spec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("again_s", "again_ns", "first_s", "first_ns")]


class Alarm:
    """A kernel timer (timerfd) that the running loop watches.

    Parameters
    ----------
    ring : callable
        Called on the loop when the time has come.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._file = _libc.timerfd_create(_MONOTONIC, _NONBLOCK)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._file, self._rung)

    def set(self, when: float) -> None:
        """Ring at `when`, in seconds of `time.monotonic()`; at once if that has passed."""
        part, whole = math.modf(max(when, 1e-9))
        spec = _Spec(0, 0, int(whole), max(int(part * 1e9), 1))
        if _libc.timerfd_settime(self._file, _ABSOLUTE, ctypes.byref(spec), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _rung(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:  # set anew in between
            return
        self._ring()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._file)
        os.close(self._file)
