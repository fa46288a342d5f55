"""A board of sensors on a real pseudo-terminal, behind a link as of /dev/serial/by-id, that misbehaves when told to.

    with Board(tmp_path / "board") as board:
        board.send(CO=830)                     # seq=0 CO=830
        board.unplug(); board.plug()           # the link goes away, and leads to another terminal
        board.sending(rows, every=0.05)        # again and again, from a thread, through unplugging

A frame is numbered by `seq` (`board.sent` is the next one's) and written in `line_format`, with a clock (`millis`) and
a checksum if wanted. Like a real board it does not wait for who listens: what the terminal has no room for is gone.
"""

import json
import os
import threading
import time
import tty
from contextlib import suppress
from functools import reduce

BOOT = "ets Jun  8 2016 00:22:57\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\nentry 0x400806ac\r\n"


class Board:
    """A serial port that says what it is told to.

    `line_format` is pairs, csv (with a header when it starts), values or json; `numbered` whether frames have a `seq`,
    `clock` whether they have `millis`, `checked` whether a checksum.
    """

    def __init__(self, link, line_format="pairs", *, numbered=True, clock=False, checked=False):
        self.link, self.sent, self._fds = link, 0, ()
        self.line_format, self.numbered, self.clock, self.checked = line_format, numbered, clock, checked
        self.told = 0  # bytes that found room
        self._started, self._named, self._quiet = time.monotonic(), False, False
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

    # What happens to its cable

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

    # What it says

    def say(self, text):
        with self._lock:
            if self._fds and not self._quiet:
                with suppress(BlockingIOError):
                    self.told += os.write(self._fds[0], text if isinstance(text, bytes) else text.encode())

    def line(self, values):
        """Return a frame as it is written, without its end."""
        fields = {"seq": self.sent} if self.numbered else {}
        if self.clock:
            fields["millis"] = int(1000 * (time.monotonic() - self._started)) % 2**32
        fields |= {name: float(f"{value:g}") for name, value in values.items()}
        if self.line_format == "json":
            text = json.dumps(fields)
        elif self.line_format == "pairs":
            text = " ".join(f"{name}={value:g}" for name, value in fields.items())
        else:
            text = ",".join(f"{value:.10g}" for value in fields.values())
        return text + checksum(text) if self.checked else text

    def send(self, **values):
        if self.line_format == "csv" and not self._named:
            fields = ["seq"] * self.numbered + ["millis"] * self.clock + list(values)
            self.say(",".join(fields) + "\r\n")
            self._named = True
        self.say(self.line(values) + "\r\n")
        self.sent += 1

    def sending(self, rows, every=0.02):
        def run():
            while not self._stop.is_set():
                for row in rows:
                    self.say(row) if isinstance(row, str | bytes) else self.send(**row)
                    self._stop.wait(every)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        return self

    # How it misbehaves

    def garbage(self, text=b"\xff\xfe\x00\x13\n"):
        self.say(text)

    def half_line(self, **values):
        """Send a frame of which the end is missing, and the end of line, too."""
        text = self.line(values)
        self.say(text[: len(text) // 2])
        self.sent += 1

    def damaged(self, **values):
        """Send a frame of which a digit was flipped on the way, with the checksum of the true one."""
        text = self.line(values)
        at = max(place for place, each in enumerate(text[:-3]) if each.isdigit())
        self.say(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :] + "\r\n")
        self.sent += 1

    def lose(self, frames=1):
        """Number frames that are never sent."""
        self.sent += frames

    def restart(self, boot=BOOT):
        self.sent, self._started, self._named = 0, time.monotonic(), False
        self.say(boot)

    def jump_clock(self, seconds):
        self._started -= seconds

    def fall_silent(self):
        self._quiet = True

    def speak(self):
        self._quiet = False


def checksum(text):
    """Return `*` and the XOR of the bytes, as of NMEA 0183."""
    return f"*{reduce(lambda a, b: a ^ b, text.encode(), 0):02X}"


def until(true, what="", seconds=60):
    """Wait for something that is to come."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found
