"""Waiting for a call no longer than a time limit, whatever it waits for itself."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class NoThreadFree(Exception):
    """All threads were busy for the whole of the time: the caller is too fast, or earlier calls hang."""


class Deadline(Generic[Result]):
    """Makes calls in threads of its own, and stops waiting for them when their time is up.

    Time limits of sockets are for each read: a name that does not resolve, a handshake of many steps or a server
    that sends a byte at a time all take longer. The threads are daemons, so none of that holds up the exit.

    Parameters
    ----------
    threads : int
        Calls at the same time, those included that nobody waits for any more.

    Examples
    --------
    >>> deadline = Deadline(threads=1)
    >>> deadline.call(lambda: 1 + 1, seconds=10)
    2
    >>> deadline.call(threading.Event().wait, seconds=0.01)
    Traceback (most recent call last):
    ...
    TimeoutError: no answer in 0.01 s
    """

    def __init__(self, threads: int) -> None:
        self._limit = threads
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._free = threading.BoundedSemaphore(self._limit)
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._idle = self._threads = 0
        self._closed = False

    def call(self, function: Callable[[], Result], seconds: float) -> Result:
        """Return what `function` returns, or raise what it raises.

        Raises
        ------
        TimeoutError
            It was not done in time; it goes on, and nobody hears of it.
        NoThreadFree
            It was not begun, or this is closed.
        """
        if self._process != os.getpid():  # a fork, which has none of the threads
            self._start()
        end = time.monotonic() + seconds
        if not self._free.acquire(timeout=seconds):
            raise NoThreadFree(f"no thread was free for {seconds:g} s")
        answer: Future[Result] = Future()
        with self._lock:
            if self._closed:
                raise NoThreadFree("closed")
            if self._idle:
                self._idle -= 1
            else:
                threading.Thread(target=self._run, name="deadline", daemon=True).start()
                self._threads += 1
            self._work.put((function, answer))
        try:
            return answer.result(max(0.0, end - time.monotonic()))
        except TimeoutError:
            if answer.done() and not answer.cancelled():
                raise  # it is the function's own
            raise TimeoutError(f"no answer in {seconds:g} s") from None

    def close(self) -> None:
        """End the threads, each when it is done with its call."""
        with self._lock:
            self._closed = True
            while self._threads:
                self._work.put(None)
                self._threads -= 1

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            function, answer = work
            try:
                answer.set_result(function())
            except BaseException as error:
                answer.set_exception(error)
            del work, function, answer  # or the last call's values live until the next one
            with self._lock:
                self._idle += 1
            self._free.release()
