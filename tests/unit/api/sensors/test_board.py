"""The server's own board, with a source that does what the test says."""

import threading
import time

import pytest
from nose import CHANNELS, MadeUpNose, Scripted, levels

from olfactory_transformer.api.lifecycle import Parts
from olfactory_transformer.api.sensors import naming_thread, service
from olfactory_transformer.api.sensors.board import ERRORS
from olfactory_transformer.core.errors import ModelNotFound, SourceEnded, SourceError


def until(true, what="", seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, what or "it did not come to that"
        threading.Event().wait(0.01)
    return found


@pytest.fixture
def source(monkeypatch):
    found = Scripted()
    monkeypatch.setattr(service, "source_of_settings", lambda settings: found)
    return found


@pytest.fixture
def client(smelling, source):
    client = smelling(sensor_id="bench-1", parts=Parts())
    until(lambda: client.app.state.sensors.board._listening)
    return client


def look(client):
    return client.get("/v1/sensors/bench-1").json()


def test_it_is_read_and_named(client, source, metric):
    assert client.get("/ready").json()["degraded"] == ["sensor"]
    source.send(levels("CO", 40))
    until(lambda: look(client)["frames"] == 40)
    # Due at 5, 10, ... 35 s; the one before the window was full does not count beside that which was.
    until(lambda: (look(client)["identification"] or {}).get("windows") == 6)
    found = look(client)
    assert found["identification"]["name"] == "coffee"
    assert found["identification"]["warnings"] == ["uncalibrated"]
    assert (found["id"], found["source"], found["kind"]) == ("bench-1", source.name, "serial")
    assert found["connected"] and not found["simulated"] and found["channels"] == list(CHANNELS)
    assert found["values"] == levels("CO", 1, since=39)[0] and found["last_frame"] == source.time - 1
    assert found["rate"] > 0 and found["troubles"] == {} and found["calibration"] == "none"
    (listed,) = client.get("/v1/sensors").json()["sensors"]
    assert listed.items() <= found.items() or listed["rate"] != found["rate"]
    assert client.get("/ready").json() == {"status": "ready", "degraded": []}
    assert metric(client, "olfactory_sensor_readings_total", sensor_type="serial") == 40
    assert metric(client, "olfactory_sensor_connected", sensor_id="bench-1") == 1
    assert (
        metric(client, "olfactory_sensor_last_reading_timestamp_seconds", sensor_id="bench-1")
        == source.time - 1
    )
    name = "olfactory_sensor_identification_duration_seconds_count"
    assert metric(client, name, sensor_type="serial") >= 3


def test_every_error_is_a_series_from_the_start(client):
    text = client.get("/metrics").text
    for error in ERRORS:
        assert f'olfactory_sensor_errors_total{{error="{error}",sensor_type="serial"}} 0.0' in text
    assert 'olfactory_sensor_calibration_status{sensor_id="bench-1"} 0.0' in text


def test_unplugged_and_back(client, source, metric):
    source.send(levels("CO", 15))
    until(lambda: look(client)["identification"])
    source.trouble("unplugged")
    until(lambda: not look(client)["connected"])
    assert look(client)["identification"] is None and look(client)["rate"] is None
    assert client.get("/ready").json() == {"status": "ready", "degraded": ["sensor"]}
    source.trouble("replugged")
    source.trouble("lost", 7)
    source.send(levels("VOC", 15))
    until(lambda: (look(client)["identification"] or {}).get("name") == "mint")
    found = look(client)
    assert found["troubles"] == {"unplugged": 1, "replugged": 1, "lost": 7} and found["frames"] == 30
    assert [each["kind"] for each in found["last_troubles"]] == ["unplugged", "replugged", "lost"]
    name = "olfactory_sensor_errors_total"
    assert metric(client, name, sensor_type="serial", error="lost") == 7
    assert metric(client, name, sensor_type="serial", error="unplugged") == 1
    assert client.get("/ready").json()["degraded"] == []


def test_a_model_that_is_behind(smelling, source):
    model = MadeUpNose(held=True)
    client = smelling(model, sensor_id="bench-1")
    until(lambda: client.app.state.sensors.board._listening)
    source.send(levels("CO", 201))
    until(lambda: look(client)["frames"] == 201)  # no frame waits for it
    model.go.set()
    until(lambda: (look(client)["identification"] or {}).get("seconds") == 200)
    waited = naming_thread.MOST_WAITING
    assert look(client)["skipped_windows"] in (40 - waited, 39 - waited)


def test_silence(client, source):
    source.send(levels("CO", 3))
    until(lambda: look(client)["connected"])
    source.trouble("silent")
    until(lambda: not look(client)["connected"])
    source.send(levels("CO", 1))
    until(lambda: look(client)["connected"])


def test_a_source_that_is_not_there_yet(smelling, source, metric, caplog):
    source.refusals = [SourceError("no such device")] * 3
    client = smelling(sensor_id="bench-1")
    source.send(levels("CO", 3))
    until(lambda: look(client)["frames"] == 3)
    assert source.opened == 4
    # It was away once, however often it was tried.
    assert metric(client, "olfactory_sensor_errors_total", sensor_type="serial", error="unplugged") == 1
    assert sum("no such device" in record.message for record in caplog.records) == 2


def test_whatever_a_source_raises_it_is_opened_anew(client, source):
    source.send(levels("CO", 3))
    source.fail(RuntimeError("a fault"))
    source.send(levels("CO", 3))
    until(lambda: look(client)["frames"] == 6)
    assert source.opened == 2 and source.closed == 1


def test_a_recording_comes_to_its_end(client, source):
    source.send(levels("CO", 3))
    source.fail(SourceEnded("the recording is over"))
    until(lambda: not client.app.state.sensors.board._thread.is_alive())
    assert look(client)["frames"] == 3 and not look(client)["connected"]
    assert client.get("/ready").json()["degraded"] == ["sensor"]


def test_what_cannot_be_named_is_told_once(client, source, caplog):
    source.send([{"x": 1.0}] * 30)
    until(lambda: look(client)["frames"] == 30)
    source.send(levels("CO", 12))
    until(lambda: look(client)["identification"])
    assert sum("cannot be named" in record.message for record in caplog.records) == 1


def test_a_model_that_cannot_be_loaded_costs_no_frame(smelling, source, monkeypatch):
    def load():
        raise ModelNotFound("none here")

    client = smelling(load=load, sensor_id="bench-1")
    source.send(levels("CO", 30))
    until(lambda: look(client)["frames"] == 30)
    assert look(client)["identification"] is None and look(client)["connected"]


def test_it_is_calibrated_over_http(client, source, metric):
    air = {"channels": list(CHANNELS), "rows": [list(v.values()) for v in levels("CO", 120)]}
    source.send(levels("CO", 12))
    assert client.post("/v1/sensors/calibrations/bench-1", json=air).status_code == 200
    name = "olfactory_sensor_calibration_status"
    until(lambda: metric(client, name, sensor_id="bench-1") == 1)
    assert look(client)["calibration"] == "ok"
    # As a day in 2025, when the frames say they are from, is before it was made, and so before it expires.
    source.send(levels("CO", 12))
    until(
        lambda: (
            look(client)["identification"]
            and "uncalibrated" not in look(client)["identification"]["warnings"]
        )
    )
    moved = {**air, "rows": [[2 * each for each in row] for row in air["rows"]]}
    assert (
        client.post("/v1/sensors/calibrations/bench-1?drift=true", json=moved).json()["status"] == "drifted"
    )
    until(lambda: metric(client, name, sensor_id="bench-1") == 0)
    until(lambda: "drifted" in look(client)["warnings"])
    assert client.delete("/v1/sensors/calibrations/bench-1").json() == {"forgotten": 1}
    until(lambda: look(client)["calibration"] == "none")


def test_a_calibration_made_elsewhere_is_seen(client, source, metric, monkeypatch):
    monkeypatch.setattr(naming_thread, "_LOOK", 0.05)
    client.app.state.sensors.naming.changed()
    air = {"channels": list(CHANNELS), "rows": [list(v.values()) for v in levels("CO", 120)]}
    monkeypatch.setattr("olfactory_transformer.api.routes.calibrations._tell_board", lambda *_: None)
    client.post("/v1/sensors/calibrations/bench-1", json=air)
    until(lambda: look(client)["calibration"] == "ok")


def test_it_ends_with_the_server(smelling, source):
    client = smelling(sensor_id="bench-1")
    board = client.app.state.sensors.board
    until(lambda: source.opened)
    client.__exit__(None, None, None)
    assert not board._thread.is_alive() and source.closed >= 1


def test_another_sensor_is_not_there(client):
    assert client.get("/v1/sensors/other").json()["code"] == "unknown-sensor"
