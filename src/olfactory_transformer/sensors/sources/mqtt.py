"""A board that publishes its frames to an MQTT broker."""

from __future__ import annotations

import threading
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from olfactory_transformer.core.errors import MissingExtra, SourceError, shown
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.lines import LineFormat
from olfactory_transformer.sensors.sources.base import LineSource
from olfactory_transformer.sensors.sources.clock import Arrival
from olfactory_transformer.sensors.sources.contract import Trouble, TroubleKind
from olfactory_transformer.sensors.sources.inbox import Inbox

_PORTS = {"mqtt": 1883, "mqtts": 8883}
INBOX = 1000  # messages that wait to be read; older ones are dropped, and counted
_LARGEST = 64 * 1024  # bytes of a message
_KEEPALIVE = 30  # seconds; a broker that does not answer for half as long again is gone
_SLICE = 0.1  # seconds between looks whether another thread closed it
ASK_AGAIN = 30.0  # seconds after which a topic that was refused is asked for again
_EXPECTED = "mqtt://[USER@]HOST[:PORT]/TOPIC or mqtts://..."


class MqttSource(LineSource):
    """Messages of a topic: a JSON object each, or one or more lines of a kind that `lines` reads.

    A broker that goes away is one `unplugged`; the client tries again by itself, after 1 to 30 s. A message that the
    broker had kept (retained) is of an unknown time, and is `partial`. A topic that we may not read any more is one
    `refused`, and asked for again every 30 s.

    Parameters
    ----------
    url : str
        `mqtt://[USER@]HOST[:PORT]/TOPIC`; `mqtts://` for TLS, by the certificates that this machine trusts. It has no
        password, which would end in logs.
    password : str or None
    timeout : float
        Seconds to wait for the broker when it is opened, and without a message after which the board is `silent`.
    names : tuple of str
        Of the columns of CSV without a header.
    line_format : str
        One of `lines.FORMATS`.

    Raises
    ------
    SourceError
        The URL is not one, or a password has no user.
    MissingExtra
        The `sensors` extra (paho-mqtt) is not installed.
    """

    def __init__(
        self,
        url: str,
        password: str | None = None,
        timeout: float = 5.0,
        names: tuple[str, ...] = (),
        line_format: LineFormat = "auto",
    ) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise SourceError(f"got a broken URL, expected {_EXPECTED}") from None
        if parts.password is not None:
            raise SourceError(f"got a URL with a password in it, expected {_EXPECTED} without")
        self.topic = unquote(parts.path.removeprefix("/"))
        if parts.scheme not in _PORTS or not parts.hostname or not self.topic or not self.topic.isprintable():
            raise SourceError(f"got {shown(url)}, expected {_EXPECTED}")
        if parts.query or parts.fragment or url.endswith("#") or "+" in self.topic or "#" in self.topic:
            raise SourceError(
                f"got {shown(url)}, expected {_EXPECTED}; a topic is of one board, without + # ?"
            )
        if password is not None and parts.username is None:
            raise SourceError(f"got a password for nobody, expected {_EXPECTED} with USER")
        super().__init__(f"mqtt:{parts.hostname}/{self.topic}", "mqtt", names, line_format)
        self._mqtt = _paho()
        self._host, self._port = parts.hostname, port or _PORTS[parts.scheme]
        self._tls, self._user, self._password = parts.scheme == "mqtts", parts.username, password
        self._timeout = timeout
        self._client: Any = None

    def open(self) -> None:
        """Connect and subscribe; see `Source.open`."""
        self.close()
        self._inbox = Inbox[tuple[bytes, bool, Arrival], tuple[TroubleKind, str]](INBOX)
        self._heard, self._silent = time.monotonic(), False
        self._away = ""  # or why
        answered, refused = threading.Event(), list[str]()
        client = self._connecting(answered, refused)
        try:
            client.connect(self._host, self._port, keepalive=_KEEPALIVE)
        except (OSError, ValueError) as error:  # the latter for a name that is no host's
            reason = getattr(error, "strerror", None) or str(error)
            raise SourceError(f"{self._host}:{self._port}: no broker there ({reason})") from None
        self._client = client
        client.loop_start()
        if not answered.wait(self._timeout) or refused:
            self.close()
            reason = refused[0] if refused else f"the broker gives no answer in {self._timeout:g} s"
            raise SourceError(f"{self._host}:{self._port}: {reason}")

    def _connecting(self, answered: threading.Event, refused: list[str]) -> Any:
        """Return a client whose thread fills the inbox. Before anything was answered, a refusal goes to `refused`."""
        inbox, arrivals = self._inbox, self._arrivals
        client = self._mqtt.Client(self._mqtt.CallbackAPIVersion.VERSION2)
        client.reconnect_delay_set(1, 30)
        client.connect_timeout = self._timeout
        if self._tls:
            client.tls_set()
        if self._user is not None:
            client.username_pw_set(unquote(self._user), self._password)

        def refuse(what: str, reason: object) -> None:
            detail = f"the broker does not let us {what} ({reason})"
            if answered.is_set():
                inbox.tell(("refused", detail))
            else:
                refused.append(detail)
                answered.set()

        def connected(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            refuse("in", reason) if reason.is_failure else client.subscribe(self.topic, 1)

        def subscribed(client: Any, data: Any, mid: Any, reasons: Any, properties: Any) -> None:
            if any(reason.is_failure for reason in reasons):
                refuse(f"read {self.topic}", reasons[0])
            elif answered.is_set():
                inbox.tell(("replugged", f"connected to {self._host}:{self._port}"))
            answered.set()

        def disconnected(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            if answered.is_set() and self._client is client:  # we did not leave it ourselves
                inbox.tell(("unplugged", f"the broker is gone: {reason}"))

        def message(client: Any, data: Any, message: Any) -> None:
            inbox.put((bytes(message.payload[: _LARGEST + 1]), message.retain, arrivals.now()))

        client.on_connect, client.on_subscribe = connected, subscribed
        client.on_disconnect, client.on_message = disconnected, message
        return client

    def read(self, timeout: float) -> Frame | Trouble | None:
        """Return what came next; see `Source.read`."""
        deadline = time.monotonic() + timeout
        while not self._ready:
            if (client := self._client) is None:
                return None
            left = max(deadline - time.monotonic(), 0.0)
            message, news = self._inbox.take(min(left, _SLICE))
            if dropped := self._inbox.dropped():
                self._trouble("lost", f"{dropped} messages came faster than they were read", dropped)
            if message is not None:
                self._heard, self._silent = time.monotonic(), False
                self._take_message(*message)
            elif news is not None:
                self._take_news(*news)
            elif time.monotonic() - self._heard > self._timeout and not (self._silent or self._away):
                self._silent = True
                self._trouble("silent", f"no message for {self._timeout:g} s")
            elif self._away == "refused" and time.monotonic() - self._heard > ASK_AGAIN:
                # Whoever may not read a topic stays connected, and the client does not ask by itself.
                self._heard = time.monotonic()
                if client.is_connected():
                    client.subscribe(self.topic, 1)
            elif not left:
                break
        return self._ready.popleft() if self._ready else None

    def close(self) -> None:
        """Leave the broker; may be called twice, and by another thread."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _take_news(self, kind: TroubleKind, detail: str) -> None:
        self._heard = time.monotonic()
        # Of the tries that fail until it is back, one is enough.
        if kind == "replugged" or self._away not in (kind, "refused"):
            self._trouble(kind, detail)
            self._away = kind if kind != "replugged" else ""

    def _take_message(self, payload: bytes, kept: bool, arrival: Arrival) -> None:
        if kept:
            self._trouble("partial", "a message that the broker had kept, of an unknown time")
        elif len(payload) > _LARGEST:
            self._trouble("garbled", f"a message of more than {_LARGEST} bytes")
        elif payload.lstrip().startswith(b"{"):
            self._take(b" ".join(payload.split()), arrival=arrival)  # JSON may be spread over lines
        else:
            for line in payload.split(b"\n"):
                if line.strip():
                    self._take(line, arrival=arrival)


def _paho() -> Any:
    try:
        import paho.mqtt.client as client
    except ImportError:
        raise MissingExtra("sensors", "listening to an MQTT broker") from None
    return client
