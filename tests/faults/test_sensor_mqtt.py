"""Boards behind a real broker: it is killed, comes back, refuses; and messages of any kind."""

from __future__ import annotations

import time
from contextlib import contextmanager

import paho.mqtt.publish as publish
import pytest

from olfactory_transformer.core.errors import SourceError
from olfactory_transformer.sensors.sources.mqtt import MqttSource
from tests.services.run import Service, free_port

WAIT = 40.0


@contextmanager
def broker(folder, more="allow_anonymous true"):
    port = free_port()
    (folder / "conf").write_text(f"listener {port} 127.0.0.1\n{more}\n")
    service = Service(
        ["/usr/sbin/mosquitto", "-c", str(folder / "conf")], port, f"mqtt://127.0.0.1:{port}/nose", folder
    )
    service.start()
    try:
        yield service
    finally:
        service.kill()


def following(source, wanted=lambda came: True):
    deadline = time.monotonic() + WAIT
    while True:
        came = source.read(0.2)
        if came is not None and wanted(came):
            return came
        assert time.monotonic() < deadline, "nothing came"


def send(service, *payloads):
    publish.multiple(
        [("nose", payload, 1, False) for payload in payloads], hostname="127.0.0.1", port=service.port
    )


def test_frames_garbage_and_lines(tmp_path):
    with broker(tmp_path) as service, MqttSource(service.url) as source:
        send(service, b'{"CO": 800, "seq": 4}', b"\xff\x00", b"CO=801 seq=5\nCO=802 seq=6")
        assert following(source).values == {"CO": 800.0}
        assert following(source).kind == "garbled"
        assert [following(source).sequence, following(source).values["CO"]] == [1, 802.0]


def test_the_broker_dies_and_comes_back(tmp_path):
    with broker(tmp_path) as service, MqttSource(service.url, timeout=60) as source:
        send(service, b"CO=1")
        assert following(source).sequence == 0
        service.kill()
        assert following(source).kind == "unplugged"
        service.start()
        assert following(source).kind == "replugged"
        time.sleep(0.5)  # the subscription, too, has to arrive
        send(service, b"CO=2")
        assert following(source).sequence == 1


def test_no_broker_and_one_that_refuses(tmp_path):
    with pytest.raises(SourceError, match="no broker there"):
        MqttSource(f"mqtt://127.0.0.1:{free_port()}/nose").open()
    with broker(tmp_path, "allow_anonymous false") as service:
        url = service.url.replace("mqtt://", "mqtt://bench@")
        with pytest.raises(SourceError, match="does not let us in") as told:
            MqttSource(url, password="not-the-word").open()
        assert "not-the-word" not in str(told.value)
