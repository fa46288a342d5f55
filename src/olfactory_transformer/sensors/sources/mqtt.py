"""A board that publishes its frames to an MQTT broker."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from olfactory_transformer.core.errors import MissingExtra, SourceError, shown
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.sources.base import LineSource
from olfactory_transformer.sensors.sources.contract import Trouble

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_INBOX = 1000  # messages that wait to be read; older ones are dropped, and counted
_LARGEST = 64 * 1024  # bytes of a message
_EXPECTED = "mqtt://[USER@]HOST[:PORT]/TOPIC or mqtts://..."


class MqttSource(LineSource):
    """Messages of a topic: a JSON object each, or one or more lines of a kind that `lines` reads.

    A broker that goes away is one `unplugged`; the client tries again by itself, after 1 to 30 s.

    Parameters
    ----------
    url : str
        `mqtt://[USER@]HOST[:PORT]/TOPIC`; `mqtts://` for TLS. It has no password, which would end in logs.
    password : str or None
    timeout : float
        Seconds to wait for the broker when it is opened, and without a message after which the board is `silent`.

    Raises
    ------
    SourceError
        The URL is not one.
    MissingExtra
        The `sensors` extra (paho-mqtt) is not installed.
    """

    def __init__(self, url: str, password: str | None = None, timeout: float = 5.0) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise SourceError(f"got a broken URL, expected {_EXPECTED}") from None
        if parts.password is not None:
            raise SourceError(f"got a URL with a password in it, expected {_EXPECTED} without")
        self.topic = unquote(parts.path.lstrip("/"))
        if parts.scheme not in _PORTS or not parts.hostname or not self.topic:
            raise SourceError(f"got {shown(url)}, expected {_EXPECTED}")
        super().__init__(f"mqtt:{parts.hostname}/{self.topic}", "mqtt")
        self._mqtt = _paho()
        self._host, self._port = parts.hostname, port or _PORTS[parts.scheme]
        self._tls, self._user, self._password = parts.scheme == "mqtts", parts.username, password
        self._timeout = timeout
        self._client: Any = None

    def open(self) -> None:
        """Connect and subscribe; see `Source.open`."""
        self.close()
        self._inbox: queue.Queue[bytes] = queue.Queue(_INBOX)
        self._news: queue.SimpleQueue[tuple[Any, str]] = queue.SimpleQueue()
        self._dropped, self._heard, self._silent, self._away = 0, time.monotonic(), False, False
        answered, refused = threading.Event(), []
        client = self._mqtt.Client(self._mqtt.CallbackAPIVersion.VERSION2)
        client.reconnect_delay_set(1, 30)
        if self._tls:
            client.tls_set()
        if self._user is not None:
            client.username_pw_set(unquote(self._user), self._password)

        def connected(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            if reason.is_failure:
                refused.append(str(reason))
                self._news.put(("refused", f"the broker refuses: {reason}"))
            else:
                client.subscribe(self.topic)
                self._news.put(("replugged", f"connected to {self._host}:{self._port}"))
            answered.set()

        def disconnected(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            self._news.put(("unplugged", f"the broker is gone: {reason}"))

        def message(client: Any, data: Any, message: Any) -> None:
            while True:
                try:
                    return self._inbox.put_nowait(bytes(message.payload[: _LARGEST + 1]))
                except queue.Full:
                    try:
                        self._inbox.get_nowait()
                    except queue.Empty:
                        continue
                    self._dropped += 1

        client.on_connect, client.on_disconnect, client.on_message = connected, disconnected, message
        self._client = client
        try:
            client.connect(self._host, self._port, keepalive=30)
        except OSError as error:
            self._client = None
            raise SourceError(
                f"{self._host}:{self._port}: no broker there ({error.strerror or error})"
            ) from None
        client.loop_start()
        if not answered.wait(self._timeout) or refused:
            self.close()
            reason = refused[0] if refused else f"no answer in {self._timeout:g} s"
            raise SourceError(f"{self._host}:{self._port}: the broker does not let us in ({reason})")
        self._news.get()  # that it is connected

    def read(self, timeout: float) -> Frame | Trouble | None:
        """Return what came next; see `Source.read`."""
        deadline = time.monotonic() + timeout
        while not self._ready:
            self._take_news()
            if self._ready:
                break
            left = deadline - time.monotonic()
            if self._client is None or left <= 0:
                return None
            try:
                payload = self._inbox.get(timeout=min(left, 0.1))
            except queue.Empty:
                if time.monotonic() - self._heard > self._timeout and not (self._silent or self._away):
                    self._silent = True
                    self._trouble("silent", f"no message for {self._timeout:g} s")
                continue
            self._heard, self._silent = time.monotonic(), False
            self._take_message(payload)
        return self._ready.popleft()

    def close(self) -> None:
        """Leave the broker; may be called twice, and by another thread."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _take_news(self) -> None:
        if dropped := self._dropped:
            self._dropped -= dropped
            self._trouble("lost", f"{dropped} messages came faster than they were read", dropped)
        while not self._news.empty():
            kind, detail = self._news.get()
            if kind == "unplugged" and self._away:
                continue  # a try that failed
            self._away = kind != "replugged"
            self._trouble(kind, detail)

    def _take_message(self, payload: bytes) -> None:
        if len(payload) > _LARGEST:
            self._trouble("garbled", f"a message of more than {_LARGEST} bytes")
            return
        if payload.lstrip().startswith(b"{"):
            self._take(b" ".join(payload.split(b"\n")))  # JSON may be spread over lines
            return
        for line in payload.split(b"\n"):
            if line.strip():
                self._take(line)


def _paho() -> Any:
    try:
        import paho.mqtt.client as client
    except ImportError:
        raise MissingExtra("sensors", "listening to an MQTT broker") from None
    return client
