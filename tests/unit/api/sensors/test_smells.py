"""Teaching smells over HTTP, and naming them."""

import json

import numpy as np
import pytest
from nose import MadeUpEvidence

from olfactory_transformer.api.sensors import smells
from olfactory_transformer.api.sensors.naming import Naming
from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.enrolment import from_bytes
from olfactory_transformer.inference.nose.fake import FakeNose

ROUTE = "/v1/sensors/smells"
BOARD = ("s1", "s2", "s3")
TASTES = {"coffee": (3.0, -1.0, 0.5), "tea": (-1.0, 2.0, 2.0), "rum": (0.3, 3.0, -2.0)}


def recording(smell, seed=0, seconds=60):
    """Channels that move in the proportions of a smell, with noise; the names are no model's."""
    rng = np.random.default_rng(seed)
    t = np.arange(seconds)[:, None]
    rows = 500 + t * np.array(TASTES[smell]) * rng.uniform(0.8, 1.2) + rng.normal(0, 0.3, (seconds, 3))
    return {"channels": list(BOARD), "rows": rows.round(2).tolist()}


def made_up(version="made-up-nose@1"):
    model = FakeNose(version=version)
    return lambda: Naming(model, lambda: MadeUpEvidence(model), NoseConfig(BOARD, model.smells))


@pytest.fixture
def client(smelling):
    return smelling(load=made_up())


def teach(client, name, count=3):
    for seed in range(count):
        reply = client.post(f"{ROUTE}/{name}", json=recording(name, seed))
        assert reply.status_code == 200, reply.text
    return reply.json()


def identify(client, smell, query=""):
    return client.post(f"/v1/sensors/identify{query}", json=recording(smell, 99))


def test_none_is_taught(client):
    found = client.get(ROUTE).json()
    assert found == {"model": ["clove", "garlic", "mint"], "model_version": "made-up-nose@1", "taught": []}
    reply = identify(client, "coffee", "?smells=own")
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown-smell")
    assert identify(client, "coffee").status_code == 200


def test_taught_and_named(client):
    lesson = teach(client, "coffee")
    assert (lesson["recordings"], lesson["usable"], lesson["report"]["asked"]) == (3, True, 3)
    teach(client, "tea")
    report = teach(client, "rum")["report"]
    assert (report["asked"], report["right"], report["confused"], report["warnings"]) == (9, 9, [], [])
    for smell in TASTES:
        found = identify(client, smell, "?smells=own").json()
        assert found["name"] == smell and len(found["ranked"]) == 3
        assert identify(client, smell).json()["name"] == smell
        assert smell not in [
            each["name"] for each in identify(client, smell, "?smells=base").json()["ranked"]
        ]
    assert [each["name"] for each in client.get(ROUTE).json()["taught"]] == ["coffee", "rum", "tea"]


def test_few_recordings_are_told_of(client):
    report = client.post(f"{ROUTE}/coffee", json=recording("coffee")).json()["report"]
    assert report["asked"] == 0 and "1 of 3 recordings" in report["warnings"][0]


def test_one_smell(client):
    client.post(f"{ROUTE}/green%20tea?sensor=bench-1", json=recording("tea"))
    found = client.get(f"{ROUTE}/green%20tea").json()
    assert (found["name"], found["recordings"], found["sensor"]) == ("green tea", 1, "bench-1")
    reply = client.get(f"{ROUTE}/green%20tea/export")
    assert reply.headers["content-disposition"].startswith("attachment")
    assert from_bytes(reply.content).name == json.loads(reply.content)["name"] == "green tea"
    assert client.delete(f"{ROUTE}/green%20tea").json() == {"forgotten": 1}
    for ask in (client.get, client.delete):
        assert ask(f"{ROUTE}/green%20tea").json()["code"] == "unknown-smell"
    assert client.get(f"{ROUTE}/green%20tea/export").status_code == 404


@pytest.mark.parametrize(
    "name", ["%20coffee", "coffee%20", "%0A", "a%0Ab", "%C2%A0", "x" * 101, "unknown", "%F1%BD%88%8D"]
)
def test_names_that_no_smell_has(client, name):
    reply = client.post(f"{ROUTE}/{name}", json=recording("coffee"))
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-request")


def test_what_another_model_was_taught(client, smelling):
    teach(client, "coffee")
    newer = smelling(load=made_up("made-up-nose@2"))
    (found,) = newer.get(ROUTE).json()["taught"]
    assert not found["usable"]
    assert identify(newer, "coffee").json()["name"] != "coffee"
    reply = newer.post(f"{ROUTE}/coffee", json=recording("coffee"))
    assert (reply.status_code, reply.json()["code"]) == (409, "enrolment-refused")
    assert "DELETE it first" in reply.json()["detail"]
    assert newer.delete(f"{ROUTE}/coffee").status_code == 200
    assert newer.post(f"{ROUTE}/coffee", json=recording("coffee")).status_code == 200


def test_a_stream_names_what_was_taught(client):
    teach(client, "coffee")
    teach(client, "tea")
    given = recording("tea", 7)
    with client.websocket_connect("/v1/sensors/stream") as socket:
        socket.send_json({"type": "start", "smells": "own"})
        socket.receive_json()
        frames = [
            {"sequence": n, "time": n, "values": dict(zip(given["channels"], row, strict=True))}
            for n, row in enumerate(given["rows"])
        ]
        socket.send_json({"type": "frames", "frames": frames})
        while (said := socket.receive_json())["type"] == "identification":
            last = said
    assert last["name"] == "tea" and {each["name"] for each in last["ranked"]} == {"coffee", "tea"}


def test_what_was_taught_elsewhere_is_seen(client, smelling, monkeypatch):
    monkeypatch.setattr(smells, "FRESH", 0.0)
    identify(client, "coffee")
    teach(smelling(load=made_up()), "coffee")
    assert identify(client, "coffee").json()["name"] == "coffee"


def test_a_recording_that_teaches_nothing(client):
    reply = client.post(f"{ROUTE}/coffee", json={"channels": ["s1"], "rows": [[1]]})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-recording")
    assert client.get(ROUTE).json()["taught"] == []


def test_a_recording_counts_once(client):
    assert client.post(f"{ROUTE}/coffee", json=recording("coffee")).status_code == 200
    reply = client.post(f"{ROUTE}/coffee", json=recording("coffee"))
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-recording")
    assert [each["recordings"] for each in client.get(ROUTE).json()["taught"]] == [1]


def test_a_database_that_is_away(smelling):
    client = smelling(load=made_up(), database_url="sqlite:////nowhere/at/all/x.db")
    reply = client.post(f"{ROUTE}/coffee", json=recording("coffee"))
    assert (reply.status_code, reply.json()["code"]) == (503, "database-down")
    assert "nowhere" not in reply.text
    assert identify(client, "coffee").status_code == 200
