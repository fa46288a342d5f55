"""`POST /v1/sensors/identify`."""

import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from nose import CHANNELS, MadeUpNose, levels

from olfactory_transformer.api.sensors import nose, recordings
from olfactory_transformer.core.errors import ModelNotFound

ROUTE = "/v1/sensors/identify"


def recording(name="VOC", seconds=30, **more):
    return {"channels": list(CHANNELS), "rows": [list(v.values()) for v in levels(name, seconds)], **more}


def csv(name="VOC", seconds=30):
    lines = [",".join(("t", *CHANNELS))]
    lines += [",".join(map(str, (t, *v.values()))) for t, v in enumerate(levels(name, seconds))]
    return "\n".join(lines) + "\n"


def post_csv(client, text, query=""):
    return client.post(ROUTE + query, content=text, headers={"Content-Type": "text/csv"})


def refused(reply, status, code):
    found = reply.json()
    assert (reply.status_code, found["code"]) == (status, code), reply.text
    return found


def test_a_recording(client, metric):
    reply = client.post(ROUTE, json=recording())
    assert reply.status_code == 200
    found = reply.json()
    assert list(found)[:3] == ["name", "ranked", "unknown"]
    assert found["name"] == "mint" == found["ranked"][0]["name"]
    assert math.isclose(
        sum(each["probability"] for each in found["ranked"]) + found["unknown"], 1, abs_tol=1e-6
    )
    assert (found["windows"], found["warnings"]) == (4, ["uncalibrated"])
    assert "per_window" not in found
    assert metric(client, "olfactory_sensor_readings_total", sensor_type="upload") == 30
    name = "olfactory_sensor_identification_duration_seconds_count"
    assert metric(client, name, sensor_type="upload") == 1


def test_a_csv_file_says_the_same(client):
    assert post_csv(client, csv()).json() == client.post(ROUTE, json=recording()).json()


def test_each_window(client):
    rows = recording("VOC", 20)["rows"] + recording("CO", 20)["rows"]
    found = client.post(ROUTE + "?windows=true", json={**recording(), "rows": rows}).json()
    names = [window["name"] for window in found["per_window"]]
    assert names[0] == "mint" and names[-1] == "coffee"
    assert [window["end"] for window in found["per_window"]] == [10.0 + 5 * n for n in range(len(names))]


def test_times_and_rate(client):
    times = [0.5 * t for t in range(30)]
    by_times = client.post(ROUTE, json=recording(times=times)).json()
    assert by_times == client.post(ROUTE, json=recording(rate=2)).json()
    assert by_times["seconds"] != client.post(ROUTE, json=recording()).json()["seconds"]


def test_what_is_missing_is_null(client):
    body = recording()
    for row in body["rows"]:
        row[0] = None
    found = client.post(ROUTE, json=body).json()
    assert found["name"] == "mint" and "missing:NO2" in found["warnings"]


@pytest.mark.parametrize(
    ("change", "code", "row", "said"),
    [
        ({"rows": [[1, 2]]}, "invalid-recording", 0, "a list of 2 in row 1; expected a list of 3"),
        ({"rows": [[1, 2, 3], "x"]}, "invalid-recording", 1, "'x' in row 2"),
        ({"rows": [[1, 2, 3], [1, True, 3]]}, "invalid-recording", 1, "'VOC': true in row 2"),
        ({"rows": [[1, 2, 3], [1, 2, "3"]]}, "invalid-recording", 1, "'CO': '3'"),
        ({"rows": [[1, 2, 3], [1, 2, 1e16]]}, "invalid-recording", 1, "'CO': 1e+16"),
        ({"rows": [[1, 2, 3], [1, 2, 10**400]]}, "invalid-recording", None, "hundreds of digits"),
        ({"rows": [[1, 2, 3], [1, 2, []]]}, "invalid-recording", 1, "'CO': a list"),
        ({"times": [0, 1]}, "invalid-recording", None, "2 times; expected one for each of the 30 rows"),
        ({"times": [*range(29), "now"]}, "invalid-recording", 29, "time: 'now' in row 30"),
        ({"times": [*range(29), 3]}, "invalid-recording", 29, "rising times"),
        ({"times": [*range(29), 1e300]}, "invalid-recording", 29, "time:"),
        ({"rows": [[1, 2, 3]]}, "invalid-recording", None, "two frames"),
        ({"rows": []}, "invalid-request", ..., "#/rows: got an empty list"),
        ({"rows": {}}, "invalid-request", ..., "#/rows: got an object"),
        ({"channels": []}, "invalid-request", ..., "#/channels: got 0 names"),
        ({"channels": ["a", "a", "b"]}, "invalid-request", ..., "got a name twice"),
        ({"channels": ["a", "", "b"]}, "invalid-request", ..., "#/channels/1"),
        ({"channels": ["a", "b", "\n"]}, "invalid-request", ..., "#/channels/2"),
        ({"channels": ["c"] * 65}, "invalid-request", ..., "got 65 names"),
        ({"rate": 0}, "invalid-request", ..., "#/rate"),
        ({"rate": True}, "invalid-request", ..., "#/rate"),
        ({"more": 1}, "invalid-request", ..., "#/more"),
    ],
)
def test_what_is_wrong_is_told_with_its_row(client, change, code, row, said):
    found = refused(client.post(ROUTE, json=recording() | change), 422, code)
    assert said in found["detail"]
    assert found.get("row", ...) == row


def test_a_board_that_the_model_does_not_know(client):
    found = refused(
        client.post(ROUTE, json=recording() | {"channels": ["x", "y", "z"]}), 404, "unknown-smell"
    )
    assert "does not know the channels of this board" in found["detail"]


def test_a_misspelt_parameter_is_told(client):
    found = refused(client.post(ROUTE + "?sensr=bench-1", json=recording()), 422, "invalid-request")
    assert found["detail"] == "#/query: got the parameter 'sensr', expected one of sensor, smells, windows"
    assert refused(client.get("/v1/sensors?all=1"), 422, "invalid-request")["detail"].endswith(
        "expected none"
    )


def test_a_number_that_is_none_is_refused(client):
    text = json.dumps(recording()).replace("102", "NaN")
    text = text.replace("100.0", "NaN", 1)
    reply = client.post(ROUTE, content=text, headers={"Content-Type": "application/json"})
    refused(reply, 422, "invalid-json")


def test_wrong_csv(client):
    assert refused(post_csv(client, "t,CO\n0,1\n1,x\n"), 422, "invalid-recording")["row"] == 1
    refused(post_csv(client, ""), 422, "invalid-recording")
    refused(post_csv(client, b"\x00\xff\xfe"), 422, "invalid-recording")


def test_limits(smelling, monkeypatch):
    client = smelling(max_body_bytes=10_000)
    monkeypatch.setattr(recordings, "MOST_ROWS", 40)
    assert refused(client.post(ROUTE, json=recording(seconds=41)), 413, "too-many-rows")["limit"] == 40
    assert client.post(ROUTE, json=recording(seconds=40)).status_code == 200
    refused(client.post(ROUTE, json=recording(seconds=1000)), 413, "body-too-large")
    refused(post_csv(client, csv(seconds=1000)), 413, "body-too-large")
    assert post_csv(client, csv(seconds=41)).status_code in (413, 422)
    for kind in ("text/plain", "", "text/csv; charset=latin-1"):
        refused(
            client.post(ROUTE, content="x", headers={"Content-Type": kind}), 415, "unsupported-media-type"
        )


def test_a_full_line_is_refused_and_what_waits_is_answered(smelling, monkeypatch):
    monkeypatch.setattr(nose, "THREADS", 1)
    model = MadeUpNose(held=True)
    client = smelling(model)
    client.app.state.sensors.nose._most = 3
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.post, ROUTE, json=recording()) for _ in range(8)]
        while sum(reply.done() for reply in asked) < 5:
            threading.Event().wait(0.01)
        model.go.set()
        replies = [reply.result() for reply in asked]
    full = [reply for reply in replies if reply.status_code == 503]
    assert len(full) == 5 and sum(reply.status_code == 200 for reply in replies) == 3
    for reply in full:
        refused(reply, 503, "queue-full")
        assert reply.headers["retry-after"] == "1"
    assert client.post(ROUTE, json=recording()).status_code == 200  # every place is free again


def test_no_answer_in_time(smelling):
    model = MadeUpNose(held=True)
    client = smelling(model, inference_timeout=0.2)
    try:
        refused(client.post(ROUTE, json=recording()), 504, "deadline")
    finally:
        model.go.set()
    assert client.post(ROUTE, json=recording()).status_code == 200


def test_a_model_that_cannot_be_loaded_is_tried_again(smelling, monkeypatch):
    monkeypatch.setattr(nose, "_PAUSE", 0.0)
    from nose import made_up

    tries = []

    def load():
        tries.append(1)
        if len(tries) < 3:
            raise ModelNotFound("/srv/secret/models: no such folder")
        return made_up()()

    client = smelling(load=load)
    for _ in range(2):
        reply = client.post(ROUTE, json=recording())
        assert "secret" not in refused(reply, 503, "nose-failed")["detail"]
        assert reply.headers["retry-after"]
    assert client.post(ROUTE, json=recording()).status_code == 200
    assert client.post("/v1/predict", json={"smiles": "CCO"}).status_code == 200


def test_the_rest_of_the_server_does_without_it(smelling):
    loaded = []
    client = smelling(load=lambda: loaded.append(1))
    assert client.get("/ready").json() == {"status": "ready", "degraded": []}
    assert client.get("/v1/sensors").json() == {"sensors": []}
    assert not loaded
