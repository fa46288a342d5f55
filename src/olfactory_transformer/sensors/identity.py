"""What a board is called, by which its calibration is kept."""

from __future__ import annotations

import re
from pathlib import Path

from olfactory_transformer.core.errors import CalibrationError, shown
from olfactory_transformer.sensors.sources.contract import Source

MAX_LENGTH = 100
_BAD = re.compile(r'[^!-~]|[#?\\"%]')


def check_sensor_id(text: str) -> str:
    r"""Return a sensor's id if it is one: it stands in paths of the server and in labels of metrics.

    Raises
    ------
    CalibrationError
        It is not 1 to 100 printable ASCII characters without spaces and ``# ? \ " %``.

    Examples
    --------
    >>> check_sensor_id("bench-1")
    'bench-1'
    """
    if not 0 < len(text) <= MAX_LENGTH or _BAD.search(text):
        raise CalibrationError(
            f"got the sensor id {shown(text)}, expected 1 to {MAX_LENGTH} printable ASCII characters without "
            'spaces and # ? \\ " %'
        )
    return text


def sensor_id_of(source: Source) -> str:
    """Return the id of a board that nobody has named: its port's serial number if it has one, else the source's name.

    A serial number stays the same when the board is plugged in elsewhere; many cheap adapters have none.
    """
    text = ""
    if source.kind == "serial":
        text = _serial_number(source.name.removeprefix("serial:"))
    return _BAD.sub("-", text or source.name)[:MAX_LENGTH] or source.kind


def _serial_number(device: str) -> str:
    try:
        from serial.tools import list_ports
    except ImportError:
        return ""
    # A name such as /dev/serial/by-id/... is a link to the device.
    real = str(Path(device).resolve())
    for port in list_ports.comports():
        if port.device in (device, real):
            return port.serial_number or ""
    return ""
