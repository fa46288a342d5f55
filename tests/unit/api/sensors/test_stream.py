"""`/v1/sensors/stream`: what is said, what is counted, and how it ends."""

import json
import threading
import time

import pytest
from nose import MadeUpNose, levels, made_up
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from olfactory_transformer.api.lifecycle import Lifecycle
from olfactory_transformer.api.sensors import conversation, sessions
from olfactory_transformer.core.errors import ModelNotFound
from olfactory_transformer.database.audit import AuditStore
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keys import KeyStore
from olfactory_transformer.database.upgrade import upgrade

ROUTE = "/v1/sensors/stream"


def frames(first, values, *, start=None, step=1.0):
    start = first if start is None else start
    return {
        "type": "frames",
        "frames": [
            {"sequence": first + n, "time": start + step * n, "values": each} for n, each in enumerate(values)
        ],
    }


class Talk:
    """A connection that has begun, and what is said over it."""

    def __init__(self, client, headers=None, **start):
        self._client, self._headers, self._start = client, headers or {}, start

    def __enter__(self):
        self._context = self._client.websocket_connect(ROUTE, headers=self._headers)
        self.socket = self._context.__enter__()
        self.socket.send_json({"type": "start", **self._start})
        self.started = self.hear("started")
        self.id = self.started["session"]
        return self

    def __exit__(self, *error):
        self._context.__exit__(*error)

    def say(self, message):
        self.socket.send_json(message)

    def hear(self, kind):
        found = self.socket.receive_json()
        assert found["type"] == kind, found
        return found

    def until(self, kind):
        """Return what is said up to a message of a kind, that included."""
        heard = []
        while not heard or heard[-1]["type"] != kind:
            heard.append(self.socket.receive_json())
        return heard

    def send(self, *arguments, **options):
        self.say(frames(*arguments, **options))
        return self.until("received")

    def closed(self):
        """Return the code and the reason with which the server closes."""
        with pytest.raises(WebSocketDisconnect) as caught:
            self.socket.receive_json()
        return caught.value.code, caught.value.reason


def refusal(client, headers=None):
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        client.websocket_connect(ROUTE, headers=headers or {}),
    ):
        pass
    return caught.value


def test_frames_in_and_identifications_out(client, metric):
    with Talk(client) as talk:
        heard = talk.send(0, levels("CO", 12))
        assert [each["type"] for each in heard] == ["identification", "identification", "received"]
        assert [(each["sequence"], each["time"], each["name"]) for each in heard[:2]] == [
            (5, 5.0, "coffee"),
            (10, 10.0, "coffee"),
        ]
        assert heard[0]["warnings"] == ["uncalibrated", "short"] and heard[1]["warnings"] == ["uncalibrated"]
        assert heard[-1] == {
            "type": "received", "resume_from": 12, "received": 12, "lost": 0, "duplicates": 0, "overflowed": 0,
        }  # fmt: skip
        assert metric(client, "olfactory_sensor_streams_open") == 1
        heard = talk.send(12, levels("CO", 20))
        assert [each["windows"] for each in heard[:-1]] == [2, 3, 4, 5] and heard[-2]["settled"]
    assert metric(client, "olfactory_sensor_streams_open") == 0
    assert metric(client, "olfactory_sensor_readings_total", sensor_type="websocket") == 32
    name = "olfactory_sensor_identification_duration_seconds_count"
    assert metric(client, name, sensor_type="websocket") == 6


def test_what_comes_again_is_left_out_and_what_never_came_is_counted(client, metric):
    with Talk(client) as talk:
        talk.send(0, levels("CO", 4))
        assert talk.send(2, levels("CO", 4, since=2))[-1]["duplicates"] == 2
        account = talk.send(10, levels("CO", 2, since=10))[-1]
    assert account == {
        "type": "received", "resume_from": 12, "received": 8, "lost": 4, "duplicates": 2, "overflowed": 0,
    }  # fmt: skip
    assert metric(client, "olfactory_sensor_readings_total", sensor_type="websocket") == 8
    assert metric(client, "olfactory_sensor_errors_total", sensor_type="websocket", error="lost") == 4
    name = "olfactory_sensor_frames_dropped_total"
    assert metric(client, name, sensor_type="websocket", reason="duplicate") == 2


def test_a_broken_connection_is_resumed(client):
    with Talk(client) as talk:
        talk.send(100, levels("CO", 8))
        first = talk.id
    with Talk(client, session=first) as talk:
        assert (talk.id, talk.started["resumed"], talk.started["resume_from"]) == (first, True, 108)
        # Heard is what was heard before: the window is full after ten seconds in all.
        heard = talk.send(108, levels("CO", 3, since=8))
        assert heard[0]["sequence"] == 110 and "short" not in heard[0]["warnings"]
    with Talk(client, session="made-up") as talk:
        assert talk.id != "made-up" and not talk.started["resumed"] and talk.started["resume_from"] is None


def test_the_later_connection_takes_over(client):
    with Talk(client) as first:
        first.send(0, levels("CO", 2))
        with Talk(client, session=first.id) as second:
            assert second.started["resume_from"] == 2
            closing = first.hear("closing")
            assert closing["code"] == "stream-taken-over"
            assert first.closed() == (4409, f"session {first.id}")
            assert second.send(2, levels("CO", 2))[-1]["received"] == 4


def test_another_smell(client):
    with Talk(client) as talk:
        talk.send(0, levels("CO", 11))
        talk.say({"type": "restart"})
        assert talk.hear("restarted")["resume_from"] == 11
        heard = talk.send(11, levels("VOC", 11, since=11))
        assert [each["name"] for each in heard[:-1]] == ["mint", "mint"]
        assert heard[0]["warnings"] == ["uncalibrated", "short"]


def test_times_that_fall_begin_anew(client, metric):
    with Talk(client) as talk:
        talk.send(0, levels("CO", 11))
        heard = talk.send(11, levels("VOC", 6), start=0.0)
        assert heard[0]["name"] == "mint" and heard[0]["windows"] == 1
    assert metric(client, "olfactory_sensor_errors_total", sensor_type="websocket", error="clock-jump") == 1


def test_an_end(client):
    with Talk(client) as talk:
        talk.send(0, levels("CO", 3))
        talk.say({"type": "end"})
        assert talk.hear("ended")["received"] == 3
        assert talk.closed()[0] == 1000
    with Talk(client, session=talk.id) as again:
        assert not again.started["resumed"]


def test_what_cannot_be_read_is_told_and_the_stream_goes_on(client, metric):
    with Talk(client) as talk:
        talk.socket.send_text("{")
        assert talk.hear("problem")["code"] == "invalid-json"
        talk.socket.send_bytes(b"{}")
        assert talk.hear("problem")["code"] == "invalid-request"
        problem = talk.send(0, levels("CO", 3))
        assert problem[-1]["received"] == 3
        talk.say({"type": "start"})
        assert talk.hear("closing")["code"] == "invalid-request"
        assert talk.closed()[0] == 4422
    name = "olfactory_sensor_frames_dropped_total"
    assert metric(client, name, sensor_type="websocket", reason="invalid") == 2
    assert 'error_type="invalid-json"} 1.0' in client.get("/metrics").text


def test_too_much_of_it_is_the_end(client):
    with Talk(client) as talk:
        for _ in range(conversation.MOST_FAULTS - 1):
            talk.socket.send_text("{")
            talk.hear("problem")
        talk.socket.send_text("{")
        talk.hear("closing")
        assert talk.closed()[0] == 4422


@pytest.mark.parametrize("text", ['{"type": "end"}', "{", json.dumps(frames(0, [{"CO": 1.0}]))])
def test_it_begins_with_start(client, text):
    with client.websocket_connect(ROUTE) as socket:
        socket.send_text(text)
        assert socket.receive_json()["type"] == "closing"
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive_json()
        assert caught.value.code == 4422


def test_a_silent_client_is_left(smelling):
    client = smelling(inference_timeout=0.3)
    with Talk(client) as talk:
        closing = talk.hear("closing")
        assert (closing["code"], closing["session"]) == ("request-timeout", talk.id)
        assert talk.closed() == (4408, f"session {talk.id}")
    with Talk(client, session=talk.id) as again:
        assert again.started["resumed"]


def test_the_server_stops(smelling):
    lifecycle = Lifecycle()
    client = smelling(lifecycle=lifecycle)
    with Talk(client) as talk:
        talk.send(0, levels("CO", 3))
        client.portal.call(lifecycle.close)
        closing = talk.hear("closing")
        assert (closing["code"], closing["session"], closing["resume_from"]) == ("draining", talk.id, 3)
        assert talk.closed() == (1012, f"session {talk.id}")
    assert refusal(client).json()["code"] == "draining"


def test_the_server_stops_though_its_client_never_does(smelling):
    lifecycle = Lifecycle()
    client = smelling(lifecycle=lifecycle)
    with Talk(client) as talk:
        for first in range(0, 200, 2):
            talk.say(frames(first, levels("VOC", 2, since=first)))
        client.portal.call(lifecycle.close)
        closing = talk.until("closing")[-1]
        assert closing["code"] == "draining" and talk.closed()[0] == 1012


def test_the_server_stops_while_a_client_waits_for_its_quota(smelling, monkeypatch):
    monkeypatch.setattr(conversation, "_TOLD_AFTER", 0.05)
    lifecycle = Lifecycle()
    client = smelling(lifecycle=lifecycle, rate_limit_per_minute=1, max_items=5)
    with Talk(client) as talk:
        talk.say(frames(0, levels("CO", 10)))
        talk.hear("busy")
        client.portal.call(lifecycle.close)
        # None of them was taken, and so all are to be sent again.
        assert talk.hear("closing")["resume_from"] is None
        assert talk.closed()[0] == 1012


def test_a_frame_that_cannot_be_named_does_not_end_it(client):
    with Talk(client) as talk:
        heard = talk.send(0, [{"x": 1.0}] * 6)
        assert (heard[0]["type"], heard[0]["code"], heard[0]["sequence"]) == (
            "problem",
            "invalid-recording",
            5,
        )
        assert talk.send(6, levels("CO", 5, since=6))[0]["type"] == "identification"


def test_a_model_that_cannot_be_loaded_does_not_end_it(smelling, monkeypatch):
    from olfactory_transformer.api.sensors import nose

    monkeypatch.setattr(nose, "_PAUSE", 0.0)
    broken = [ModelNotFound("no such model")]

    def load():
        if broken:
            raise broken.pop()
        return made_up()()

    with Talk(smelling(load=load)) as talk:
        assert talk.send(0, levels("CO", 1))[0]["code"] == "nose-failed"
        assert talk.send(1, levels("CO", 6, since=1))[0]["type"] == "identification"


def test_a_slow_model_holds_the_client_back_and_tells_it(smelling, monkeypatch):
    monkeypatch.setattr(conversation, "_TOLD_AFTER", 0.05)
    model = MadeUpNose(held=True)
    with Talk(smelling(model)) as talk:
        talk.say(frames(0, levels("CO", 6)))
        talk.say(frames(6, levels("CO", 6, since=6)))
        assert talk.hear("busy")
        assert model.runs == 1  # and no more is read
        model.go.set()
        heard = talk.until("received") + talk.until("received")
        assert [each["sequence"] for each in heard if each["type"] == "identification"] == [5, 10]


def test_no_more_than_so_many_at_a_time(client, monkeypatch):
    monkeypatch.setattr(sessions, "MOST_OPEN", 1)
    with Talk(client) as talk:
        reply = refusal(client)
        assert (reply.status_code, reply.json()["code"]) == (503, "queue-full")
        assert reply.headers["retry-after"] == "5"
        talk.send(0, levels("CO", 1))
    with Talk(client):
        pass


def test_pages_of_other_origins(smelling):
    client = smelling(cors_origins="https://lab.example")
    reply = refusal(client, {"Origin": "https://evil.example"})
    assert (reply.status_code, reply.json()["code"]) == (403, "origin-refused")
    assert reply.headers["x-request-id"] == reply.json()["request_id"]
    assert refusal(client, {"Origin": "null"}).status_code == 403
    # A page whose name was made to lead to this machine is still another origin.
    assert refusal(client, {"Origin": "http://testserver"}).status_code == 403
    with Talk(client, headers={"Origin": "https://lab.example"}) as talk:
        talk.send(0, levels("CO", 1))


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/sensors.db"


@pytest.fixture
def keys(url):
    database = Database(url)
    upgrade(database)
    return KeyStore(database)


def test_keys_scopes_and_the_audit_log(smelling, keys, url):
    client = smelling(api_key_required=True)
    nose, _ = keys.create("nose", ["sensors"])
    other, _ = keys.create("other", ["sensors"])
    predict, _ = keys.create("predict", ["predict"])
    assert refusal(client).json()["code"] == "key-required"
    assert refusal(client, {"X-API-Key": "wrong"}).json()["code"] == "key-refused"
    assert refusal(client, {"X-API-Key": predict}).json()["code"] == "scope-missing"
    with Talk(client, headers={"X-API-Key": nose}) as talk:
        talk.send(0, levels("CO", 3))
    # What one key began, no other key goes on with.
    with Talk(client, headers={"X-API-Key": other}, session=talk.id) as stranger:
        assert not stranger.started["resumed"]
    client.__exit__(None, None, None)
    rows = [(row.name, row.route, row.status, row.times) for row in AuditStore(Database(url)).newest(100)]
    assert sorted(rows, key=str) == [
        ("nose", ROUTE, 101, 1),
        ("other", ROUTE, 101, 1),
        ("predict", "/v1/sensors/*", 403, 1),
        (None, "/v1/sensors/*", 401, 2),
    ]


def test_a_quota(smelling):
    client = smelling(rate_limit_per_minute=2, max_items=10)
    with Talk(client) as talk:
        heard = talk.send(0, levels("CO", 20))  # the handshake and the second ten frames
        assert heard[-1]["received"] == 20
        reply = refusal(client)
        assert (reply.status_code, reply.json()["code"]) == (429, "rate-limited")
        assert reply.headers["ratelimit"]
        talk.say(frames(20, levels("CO", 1, since=20)))
        assert talk.hear("busy")  # until the quota has room


def test_a_client_that_leaves_in_the_middle_of_a_run(smelling):
    model = MadeUpNose(held=True)
    client = smelling(model)
    with Talk(client) as talk:
        talk.say(frames(0, levels("CO", 6)))
        deadline = time.monotonic() + 10
        while not model.runs:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
    model.go.set()
    with Talk(client, session=talk.id) as again:
        assert again.started["resume_from"] == 6
        assert again.send(6, levels("CO", 5, since=6))[0]["type"] == "identification"


def test_a_plain_request_is_told_to_upgrade(client):
    reply = client.get(ROUTE)
    assert (reply.status_code, reply.json()["code"]) == (426, "upgrade-required")
    assert reply.headers["upgrade"] == "websocket"
