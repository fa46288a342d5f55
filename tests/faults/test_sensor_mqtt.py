"""Boards behind a real broker: it is killed, comes back, stands still, refuses; and messages of any kind."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path

import paho.mqtt.publish as publish
import pytest
from services.run import free_port, mosquitto

from olfactory_transformer.core.errors import SourceError
from olfactory_transformer.sensors.frame import Frame
from olfactory_transformer.sensors.sources import mqtt as mqtt_module
from olfactory_transformer.sensors.sources import source_of
from olfactory_transformer.sensors.sources.mqtt import MqttSource

WAIT = 40.0
PASSWORD = "only-for-friends"


@pytest.fixture(scope="module")
def broker():
    with mosquitto() as service:
        yield service


def following(source):
    deadline = time.monotonic() + WAIT
    while (came := source.read(0.2)) is None:
        assert time.monotonic() < deadline, "nothing came"
    return came


def send(service, *payloads, topic="nose", retain=False, **options):
    publish.multiple(
        [(topic, payload, 1, retain) for payload in payloads],
        hostname="127.0.0.1",
        port=service.port,
        **options,
    )


def url(service, topic="nose", user=None, scheme="mqtt"):
    return f"{scheme}://{user + '@' if user else ''}127.0.0.1:{service.port}/{topic}"


def test_frames_garbage_and_lines(broker):
    with MqttSource(url(broker)) as source:
        before = time.time()
        send(
            broker,
            b'{"CO": 800, "seq": 4}',
            b"\xff\x00",
            b"CO=801 seq=5\r\nCO=802 seq=6\n",
            b"",
            b"NO2,CO",
            b"1,2",
        )
        first = following(source)
        assert first.values == {"CO": 800.0} and first.source == "mqtt:127.0.0.1/nose"
        assert before <= first.time <= time.time()
        assert following(source).kind == "garbled"
        assert [following(source).sequence, following(source).values["CO"]] == [1, 802.0]
        assert following(source).kind == "restarted"  # it named its columns
        assert following(source).values == {"NO2": 1.0, "CO": 2.0}


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"x" * 70_000, "more than 65536 bytes"),
        (b"x" * 5000, "4096"),
        (b'{"CO": {"value": 1}}', "an object"),
        (b"[1, 2]", "expected numbers"),
        (b'{"CO": 1', "broken JSON"),
        (b"\x00\x01\x02", "control"),
    ],
)
def test_messages_that_are_no_frames(broker, payload, told):
    with MqttSource(url(broker)) as source:
        send(broker, payload, b'{\n  "CO": 1\n}')
        trouble = following(source)
        assert trouble.kind == "garbled" and told in trouble.detail and len(trouble.detail) <= 200
        assert following(source).values == {"CO": 1.0}


def test_formats_and_names_may_be_stated(broker):
    with MqttSource(url(broker), line_format="csv", names=("seq", "CO")) as source:
        send(broker, b"CO=1", b"7,800")
        assert following(source).kind == "garbled"
        assert following(source).values == {"CO": 800.0}


def test_what_the_broker_had_kept_is_of_an_unknown_time(broker):
    send(broker, b"CO=1", topic="kept", retain=True)
    with MqttSource(url(broker, "kept")) as source:
        assert following(source).kind == "partial"
        send(broker, b"CO=2", topic="kept", retain=True)
        assert following(source).values == {"CO": 2.0}
    send(broker, b"", topic="kept", retain=True)


def test_other_topics_are_not_read(broker):
    with MqttSource(url(broker, "a/nose%20one")) as source:
        send(broker, b"CO=1", topic="a")
        send(broker, b"CO=2", topic="a/nose one")
        assert following(source).values == {"CO": 2.0}


def test_more_messages_than_are_read_are_counted(broker, monkeypatch):
    monkeypatch.setattr(mqtt_module, "INBOX", 10)
    with MqttSource(url(broker)) as source:
        send(broker, *(f"number={at}" for at in range(200)))
        time.sleep(0.5)
        heard = []
        while not heard or heard[-1].values["number"] < 199:
            heard.append(following(source))
            if not isinstance(heard[-1], Frame):
                lost = heard.pop()
                assert lost.kind == "lost"
                heard.extend([Frame(0, {"number": -1.0})] * lost.count)
    assert len(heard) == 200 and sum(each.values["number"] < 0 for each in heard) > 100


def test_the_broker_dies_and_comes_back():
    with mosquitto() as service, MqttSource(url(service), timeout=60) as source:
        send(service, b"CO=1")
        assert following(source).sequence == 0
        service.kill()
        assert following(source).kind == "unplugged"
        assert source.read(1.5) is None  # tries that fail are not told of
        service.start()
        assert following(source).kind == "replugged"  # which is told when the topic is subscribed to
        send(service, b"CO=2")
        assert following(source).sequence == 1


def test_a_broker_that_has_nothing_to_say(broker):
    with MqttSource(url(broker, "silence"), timeout=0.3) as source:
        assert following(source).kind == "silent"
        assert source.read(0.6) is None
        send(broker, b"CO=1", topic="silence")
        assert following(source).values == {"CO": 1.0}
        assert following(source).kind == "silent"


@pytest.fixture(scope="module")
def locked():
    with mosquitto(bench=PASSWORD, other="x") as service:
        yield service


@pytest.mark.parametrize(("user", "password"), [("bench", "not-the-word"), ("bench", None), (None, None)])
def test_a_wrong_password_is_refused_and_not_shown(locked, user, password):
    with pytest.raises(SourceError, match="does not let us in") as told:
        MqttSource(url(locked, user=user), password=password).open()
    assert "not-the-word" not in str(told.value)


def test_the_right_password_is_in_no_name(locked):
    with source_of(url(locked, user="bench"), password=PASSWORD) as source:
        send(locked, b"CO=1", auth={"username": "other", "password": "x"})
        frame = following(source)
        assert frame.values == {"CO": 1.0}
        assert PASSWORD not in repr((frame, source.name, vars(source)["_user"]))


def test_a_broker_that_does_not_know_us_any_more_says_so_once(locked):
    with MqttSource(url(locked, user="bench"), password=PASSWORD, timeout=60) as source:
        kept = (locked.folder / "passwords").read_text()
        locked.kill()
        assert following(source).kind == "unplugged"
        (locked.folder / "passwords").write_text("".join(kept.splitlines(keepends=True)[1:]))
        locked.start()
        refused = following(source)
        assert refused.kind == "refused" and PASSWORD not in refused.detail
        assert source.read(4) is None
        locked.kill()
        (locked.folder / "passwords").write_text(kept)
        locked.start()
        assert following(source).kind == "replugged"


RIGHTS = ("publishClientSend", "publishClientReceive", "unsubscribe")


CONTROL = "$CONTROL/dynamic-security/v1"


def may_subscribe(path, allow):
    """Write who may do what: everybody everything, but for subscriptions, and everybody may change it."""
    control = {"acltype": "publishClientSend", "topic": CONTROL, "allow": True}
    rights = {
        "defaultACLAccess": dict.fromkeys(RIGHTS, True) | {"subscribe": allow},
        "roles": [{"rolename": "control", "acls": [control]}],
        "groups": [{"groupname": "all", "roles": [{"rolename": "control"}]}],
        "anonymousGroup": "all",
    }
    path.write_text(json.dumps(rights))


@pytest.fixture
def guarded(tmp_path):
    """Yield a broker that asks who may subscribe, and the file that says it."""
    may_subscribe(tmp_path / "rights", True)
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))  # a part of Debian's mosquitto
    options = f"allow_anonymous true\nplugin {plugin}\nplugin_opt_config_file {tmp_path / 'rights'}"
    with mosquitto(options) as service:
        yield service, tmp_path / "rights"


def test_a_topic_that_is_not_ours_to_read(guarded):
    service, rights = guarded
    service.kill()
    may_subscribe(rights, False)
    service.start()
    with pytest.raises(SourceError, match="does not let us read nose"):
        MqttSource(url(service)).open()


def test_a_topic_that_is_taken_from_us_and_given_back(guarded, monkeypatch):
    monkeypatch.setattr(mqtt_module, "ASK_AGAIN", 0.5)
    service, rights = guarded
    with MqttSource(url(service), timeout=60) as source:
        service.kill()
        assert following(source).kind == "unplugged"
        may_subscribe(rights, False)
        service.start()
        refused = following(source)
        assert refused.kind == "refused" and "nose" in refused.detail
        assert source.read(1.5) is None  # it asked again, and is told of once
        allow = {"command": "setDefaultACLAccess", "acls": [{"acltype": "subscribe", "allow": True}]}
        send(service, json.dumps({"commands": [allow]}), topic=CONTROL)
        back = following(source)  # and no `unplugged`: it was connected all the time
        assert back.kind == "replugged"
        send(service, b"CO=1")
        assert following(source).values == {"CO": 1.0}


def test_a_broker_with_a_list_that_does_not_say_so(tmp_path):
    (tmp_path / "list").write_text("topic readwrite other\n")
    rules = f"allow_anonymous true\nacl_file {tmp_path / 'list'}"
    with mosquitto(rules) as service, MqttSource(url(service), timeout=0.3) as source:
        send(service, b"CO=1")
        assert following(source).kind == "silent"


def test_no_broker(broker):
    with pytest.raises(SourceError, match="no broker there"):
        MqttSource(f"mqtt://127.0.0.1:{free_port()}/nose").open()
    with pytest.raises(SourceError, match="no broker there"):
        MqttSource("mqtt://a..b/nose").open()
    with pytest.raises(SourceError, match="no broker there"):  # TLS, which it does not speak
        MqttSource(url(broker, scheme="mqtts"), timeout=2).open()


def test_a_broker_that_does_not_answer():
    with mosquitto() as service:
        service.signal(19)  # SIGSTOP
        with pytest.raises(SourceError, match=r"no answer in 0\.5 s"):
            MqttSource(url(service), timeout=0.5).open()
        service.signal(18)


def test_tls(tmp_path, monkeypatch):
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=localhost "
        "-addext subjectAltName=IP:127.0.0.1",
        shell=True,
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    options = f"allow_anonymous true\ncertfile {tmp_path}/cert\nkeyfile {tmp_path}/key"
    with mosquitto(options) as service:
        secure = url(service, scheme="mqtts")
        with pytest.raises(SourceError, match="certificate"):
            MqttSource(secure).open()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
        with MqttSource(secure) as source:
            send(service, b"CO=1", tls={"ca_certs": str(tmp_path / "cert")})
            assert following(source).values == {"CO": 1.0}


def test_closed_by_another_thread_while_it_waits(broker):
    with MqttSource(url(broker), timeout=60) as source:
        found = []
        thread = threading.Thread(target=lambda: found.append(source.read(60)))
        thread.start()
        time.sleep(0.2)
        source.close()
        source.close()
        thread.join(WAIT)
        assert found == [None] and source.read(0) is None


@pytest.mark.parametrize(
    "text",
    [
        "mqtt://host",
        "mqtt://host/",
        "mqtt:///topic",
        "mqtt://host/a/+",
        "mqtt://host/a/#",
        "mqtt://host/a%23",
        "mqtt://host/a?b=c",
        "mqtt://host:99999/a",
        "mqtt://host/a%00",
        "mqtt://user:secret@host/a",
        "ws://host/a",
    ],
)
def test_texts_that_are_no_topic_of_a_broker(text):
    with pytest.raises(SourceError, match="expected mqtt") as told:
        MqttSource(text)
    assert "secret" not in str(told.value)


def test_a_password_for_nobody():
    with pytest.raises(SourceError, match="with USER"):
        MqttSource("mqtt://host/a", password="secret")
