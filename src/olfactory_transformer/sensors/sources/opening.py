"""A source from the text that a person types."""

from __future__ import annotations

from olfactory_transformer.core.errors import SourceError, shown
from olfactory_transformer.sensors.lines import LineFormat
from olfactory_transformer.sensors.sources.contract import Source

EXPECTED = "a serial port such as /dev/ttyUSB0 or COM3, replay:FILE, simulated, or mqtt://HOST/TOPIC"


def source_of(
    text: str,
    *,
    baudrate: int = 9600,
    timeout: float = 5.0,
    speed: float = 1.0,
    names: tuple[str, ...] = (),
    line_format: LineFormat = "auto",
    password: str | None = None,
) -> Source:
    """Return the source that a text names, not open yet.

    Parameters
    ----------
    text : str
        `/dev/ttyUSB0`, `COM3` or `serial:PORT`; `replay:FILE`; `simulated` or `simulated:SEED`; `mqtt://HOST[:PORT]/TOPIC`
        or `mqtts://...`.
    baudrate : int
        Of a serial port.
    timeout : float
        Seconds of silence that are a trouble.
    speed : float
        Of a replay or a simulated board; 0: as fast as it is read.
    names : tuple of str
        Of the columns of a board that sends CSV without a header.
    line_format : str
        One of `lines.FORMATS`, where what the board writes is not to be told by itself.
    password : str or None
        For a broker.

    Raises
    ------
    SourceError
        The text names none.
    MissingExtra
        The `sensors` extra is not installed.

    Examples
    --------
    >>> source_of("replay:clove.csv").name
    'replay:clove.csv'
    """
    kind, _, rest = text.partition(":")
    if kind == "replay" and rest:
        from olfactory_transformer.sensors.sources.replay import ReplaySource

        return ReplaySource(rest, speed)
    if kind == "simulated":
        from olfactory_transformer.sensors.sources.simulated import SimulatedSource

        if rest and not rest.isdecimal():
            raise SourceError(f"got {shown(text)}, expected simulated or simulated:SEED with a whole number")
        return SimulatedSource(int(rest or 0), speed=speed)
    if kind in ("mqtt", "mqtts"):
        from olfactory_transformer.sensors.sources.mqtt import MqttSource

        return MqttSource(text, password, timeout, names, line_format)
    port = rest if kind == "serial" else text
    if not port or "://" in port or kind in ("replay", "http", "https"):
        raise SourceError(f"got {shown(text)}, expected {EXPECTED}")
    from olfactory_transformer.sensors.sources.serial import SerialSource

    return SerialSource(port, baudrate, timeout, names, line_format)
