"""A board on a serial port, kept over unplugging."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

from olfactory_transformer.core.errors import MissingExtra, SourceError
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.lines import LineFormat
from olfactory_transformer.sensors.lines.text import LONGEST
from olfactory_transformer.sensors.sources.base import LineSource
from olfactory_transformer.sensors.sources.contract import Trouble

FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0  # seconds between tries to get a board back
_SLICE = 0.1  # seconds that one read of the port waits, so that close() is not kept waiting
_QUIET = 0.25  # seconds without a byte after connecting, after which what comes is the beginning of a line
_LOOK = 1.0  # seconds between looks whether a quiet port is still there

# The port went away between two steps, there is no such baud rate, or another thread closed it.
_FAULTS: tuple[type[Exception], ...] = (OSError, ValueError, TypeError, AttributeError)
with contextlib.suppress(ImportError):  # on Windows
    import termios

    _FAULTS = (*_FAULTS, termios.error)  # which is no OSError


class SerialSource(LineSource):
    """Lines of a serial port.

    A port that goes away is one `unplugged`; it is tried again after 0.1 s, then twice as long each time up to 5 s,
    with a random part. The first line after it is back is dropped if it may lack its beginning, that is if it comes at
    once and is neither a JSON object, nor has a checksum, nor is a header that begins with a known name.

    Parameters
    ----------
    port : str
        As in `/dev/ttyUSB0` or `COM3`.
    baudrate : int
        Bits a second.
    timeout : float
        Seconds without a line after which the board is `silent`.
    names : tuple of str
        Of the columns of CSV without a header.
    line_format : str
        One of `lines.FORMATS`.
    dtr : bool or None
        The line that resets many boards when it is raised. None: as the system has it, which raises it; False: lowered.

    Raises
    ------
    MissingExtra
        The `sensors` extra (pyserial) is not installed.
    """

    def __init__(
        self,
        port: str,
        baudrate: int = 9600,
        timeout: float = 5.0,
        names: tuple[str, ...] = (),
        line_format: LineFormat = "auto",
        dtr: bool | None = None,
    ) -> None:
        super().__init__(f"serial:{port}", "serial", names, line_format)
        self._serial_module = _pyserial()
        self.port, self.baudrate, self.timeout, self._dtr = port, baudrate, timeout, dtr
        self._port: Any = None
        self._lock = threading.Lock()  # of opening and closing the port, which two threads may do
        self._buffer = bytearray()
        self._begun: bool | None = None  # whether the first line is whole; None: nothing came yet
        self._skipping = self._silent = self._closed = False
        self._heard = self._looked = time.monotonic()
        self._wait, self._try_at = FIRST_WAIT, 0.0

    def open(self) -> None:
        """Open the port; see `Source.open`."""
        self.close()
        self._closed = False
        try:
            self._connect()
        except OSError as error:
            raise SourceError(
                f"{self.port}: cannot be opened ({_reason(error)}); is the board plugged in, and may this user "
                "read it (group dialout)? `olfactory sense list` shows what is connected"
            ) from None

    def read(self, timeout: float) -> Frame | Trouble | None:
        """Return what came next; see `Source.read`."""
        deadline = time.monotonic() + timeout
        while not self._ready:
            if self._closed:
                return None
            left = max(deadline - time.monotonic(), 0.0)
            if self._port is None:
                self._reconnect(min(left, _SLICE))
            else:
                self._listen(min(left, _SLICE))
            if not left:
                break
        return self._ready.popleft() if self._ready else None

    def close(self) -> None:
        """Let go of the port; may be called twice, and by another thread."""
        self._closed = True
        self._drop()

    def _connect(self) -> None:
        try:
            port = self._serial_module.Serial(baudrate=self.baudrate, timeout=0, exclusive=True)
            port.port = self.port
            if self._dtr is not None:
                port.dtr = self._dtr
            port.open()
        except _FAULTS as error:
            raise OSError(_reason(error)) from None
        with self._lock:
            if self._closed:
                port.close()
                return
            self._port = port
        self._buffer.clear()
        self._begun, self._skipping, self._silent = None, False, False
        self._heard = self._looked = self._connected = time.monotonic()

    def _reconnect(self, wait: float) -> None:
        now = time.monotonic()
        if now < self._try_at:
            time.sleep(min(wait, self._try_at - now))
            return
        self._try_at = now + self._wait * random.uniform(0.8, 1.2)
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        try:
            self._connect()
        except OSError:
            return
        self._trouble("replugged", f"{self.port} is back")

    def _listen(self, wait: float) -> None:
        try:
            port = self._port
            port.timeout = wait
            came = port.read(max(port.in_waiting, 1))
            if not came:
                self._look()
        except _FAULTS as error:
            if self._closed:  # by another thread, in the middle of this
                return
            self._drop()
            self._try_at = max(self._try_at, time.monotonic() + FIRST_WAIT)
            left = f", in the middle of a line of {len(self._buffer)} bytes" if self._buffer else ""
            self._trouble("unplugged", f"{_reason(error)}{left}")
            return
        if came:
            if self._begun is None:
                self._begun = time.monotonic() - self._connected > _QUIET
            self._buffer += came
            self._cut()
        if time.monotonic() - self._heard > self.timeout and not self._silent:
            self._silent = True
            unread = f"; {len(self._buffer)} bytes without the end of a line came" if self._buffer else ""
            self._trouble("silent", f"no line for {self.timeout:g} s at {self.baudrate} baud{unread}")

    def _look(self) -> None:
        """See that a quiet port is there; some drivers do not say that it went away."""
        now = time.monotonic()
        if now - self._looked > _LOOK:
            self._looked = now
            if os.name == "posix" and not Path(self.port).exists():
                raise OSError(f"{self.port} is gone")

    def _cut(self) -> None:
        *lines, rest = bytes(self._buffer).split(b"\n")
        for line in lines:
            if self._skipping:  # of which the beginning was told of
                self._skipping = False
            elif line.strip():
                self._take(line, whole=self._begun is not False)
                self._wait, self._heard, self._silent = FIRST_WAIT, time.monotonic(), False
            self._begun = True
        if len(rest) > LONGEST:
            if not self._skipping:
                self._trouble(
                    "partial", f"{len(rest)} bytes without the end of a line; is the baud rate right?"
                )
            rest, self._skipping = b"", True
        self._buffer = bytearray(rest)

    def _drop(self) -> None:
        with self._lock:
            port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(*_FAULTS):  # it is gone
                port.close()


def list_ports() -> list[dict[str, str | None]]:
    """Return what is connected: each port's device, description, USB id and serial number.

    Raises
    ------
    MissingExtra
        The `sensors` extra (pyserial) is not installed.
    """
    _pyserial()
    from serial.tools import list_ports as ports

    return [
        {
            "device": each.device,
            "description": each.description if each.description != "n/a" else None,
            "usb_id": f"{each.vid:04X}:{each.pid:04X}" if each.vid is not None else None,
            "serial_number": each.serial_number,
            "manufacturer": each.manufacturer,
        }
        for each in sorted(ports.comports())
    ]


def _pyserial() -> Any:
    try:
        import serial
    except ImportError:
        raise MissingExtra("sensors", "reading a serial port") from None
    return serial


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)[:150]
