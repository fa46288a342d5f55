"""A board of sensors on a real pseudo-terminal, behind a link as of /dev/serial/by-id, that can be pulled out."""

import os
import threading
import time
import tty
from contextlib import suppress


class Board:
    """A serial port that says what it is told to.

    `with Board(path).sending(rows, every=0.05)` sends rows again and again from a thread, through unplugging: values by
    channel, numbered by `seq`, or texts as they are.
    """

    def __init__(self, link):
        self.link, self.sent, self._fds = link, 0, ()
        self._stop, self._thread, self._lock = threading.Event(), None, threading.Lock()
        self.plug()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._fds:
            self.unplug()

    def plug(self):
        with self._lock:
            self._fds = os.openpty()
            tty.setraw(self._fds[1])
            os.set_blocking(self._fds[0], False)  # a real board does not wait for who listens
            self.link.symlink_to(os.ttyname(self._fds[1]))

    def unplug(self):
        with self._lock:
            self.link.unlink()
            for fd in self._fds:
                os.close(fd)
            self._fds = ()

    def say(self, text):
        with self._lock:
            if self._fds:
                with suppress(BlockingIOError):
                    os.write(self._fds[0], text if isinstance(text, bytes) else text.encode())

    def send(self, **values):
        self.say(
            f"seq={self.sent} " + " ".join(f"{name}={value:g}" for name, value in values.items()) + "\r\n"
        )
        self.sent += 1

    def sending(self, rows, every=0.02):
        def run():
            while not self._stop.is_set():
                for row in rows:
                    self.say(row) if isinstance(row, str) else self.send(**row)
                    self._stop.wait(every)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        return self


def until(true, what="", seconds=60):
    """Wait for something that is to come."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found
