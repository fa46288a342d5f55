"""A board on a serial port, kept over unplugging."""

from __future__ import annotations

import contextlib
import random
import time
from typing import Any

from olfactory_transformer.core.errors import MissingExtra, SourceError
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.lines.reader import LONGEST
from olfactory_transformer.sensors.sources.base import LineSource
from olfactory_transformer.sensors.sources.contract import Trouble

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0  # seconds between tries to get a board back
_SLICE = 0.1  # seconds that one read of the port waits, so that close() is not kept waiting


class SerialSource(LineSource):
    """Lines of a serial port.

    A port that goes away is one `unplugged`; it is tried again after 0.1 s, then twice as long each time up to 5 s,
    with a random part, and the first line after it is back is dropped, as it may lack its beginning.

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

    Raises
    ------
    MissingExtra
        The `sensors` extra (pyserial) is not installed.
    """

    def __init__(
        self, port: str, baudrate: int = 9600, timeout: float = 5.0, names: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"serial:{port}", "serial", names)
        self._serial_module = _pyserial()
        self.port, self.baudrate, self.timeout = port, baudrate, timeout
        self._port: Any = None
        self._buffer = bytearray()
        self._first = True
        self._heard = time.monotonic()
        self._silent = self._closed = False
        self._wait, self._try_at = _FIRST_WAIT, 0.0

    def open(self) -> None:
        """Open the port; see `Source.open`."""
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
        while True:
            if self._ready:
                return self._ready.popleft()
            left = deadline - time.monotonic()
            if self._closed or left <= 0:
                return None
            if self._port is None:
                self._reconnect(min(left, _SLICE))
            else:
                self._listen(min(left, _SLICE))

    def close(self) -> None:
        """Let go of the port; may be called twice, and by another thread."""
        self._closed = True
        self._drop()

    def _connect(self) -> None:
        self._port = self._serial_module.Serial(self.port, self.baudrate, timeout=0)
        self._buffer.clear()
        self._first, self._heard, self._silent = True, time.monotonic(), False

    def _reconnect(self, wait: float) -> None:
        now = time.monotonic()
        if now < self._try_at:
            time.sleep(min(wait, self._try_at - now))
            return
        try:
            self._connect()
        except OSError:
            self._try_at = now + self._wait * random.uniform(0.8, 1.2)
            self._wait = min(2 * self._wait, _LONGEST_WAIT)
            return
        self._trouble("replugged", f"{self.port} is back")

    def _listen(self, wait: float) -> None:
        try:
            port = self._port
            port.timeout = wait
            came = port.read(max(port.in_waiting, 1))
        except (OSError, TypeError, AttributeError) as error:  # the last two when another thread closes it
            if self._closed:
                return
            self._drop()
            self._wait, self._try_at = _FIRST_WAIT, time.monotonic() + _FIRST_WAIT
            left = f", in the middle of a line of {len(self._buffer)} bytes" if self._buffer else ""
            self._trouble("unplugged", f"{_reason(error)}{left}")
            return
        if came:
            self._buffer += came
            self._cut()
        elif time.monotonic() - self._heard > self.timeout and not self._silent:
            self._silent = True
            self._trouble("silent", f"nothing for {self.timeout:g} s at {self.baudrate} baud")

    def _cut(self) -> None:
        *lines, rest = bytes(self._buffer).split(b"\n")
        for line in lines:
            if not line.strip():
                continue
            self._take(line, first=self._first)
            self._first = self._silent = False
            self._wait, self._heard = _FIRST_WAIT, time.monotonic()
        if len(rest) > LONGEST:
            self._trouble("garbled", f"{len(rest)} bytes without the end of a line; is the baud rate right?")
            rest, self._first = b"", True
        self._buffer = bytearray(rest)

    def _drop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(OSError):  # it is gone
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
    return str(getattr(error, "strerror", None) or error)[:100]
