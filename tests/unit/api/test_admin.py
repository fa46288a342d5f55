import asyncio
import json

import pytest

from olfactory_transformer.api.models import Models
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.core.errors import EngineFault, ModelCorrupt, ModelForeign
from olfactory_transformer.engine.fake import FakeEngine

RELOAD = "/v1/admin/reload"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def folder(tmp_path):
    """A folder of models, of which one is called as the made-up engine's other, and of things that are none."""
    for name in ("other", "broken", ".hidden", "no manifest"):
        (tmp_path / name).mkdir()
    for name in ("other", "broken", ".hidden"):
        (tmp_path / name / "manifest.json").write_text("{}")
    (tmp_path / "file").write_text("")
    return tmp_path


@pytest.fixture
def open_client(started, folder):
    """Without a gate."""

    def start(engine=None):
        return started(engine, gate=lambda app: app, models_dir=folder)

    return start


def test_names_are_of_models_only(open_client):
    found = open_client().get("/v1/admin/models").json()
    assert found["models"] == ["broken", "olfactory-base-v1", "other"]
    assert (found["serving"]["name"], found["serving"]["version"]) == ("made-up", "1")


def test_another_model_by_name(open_client):
    client = open_client()
    before = client.get("/v1/model")
    reply = client.post(RELOAD, json={"model": "other"})
    assert (reply.status_code, reply.json()["name"]) == (200, "other")
    after = client.get("/v1/model")
    assert after.json()["hash"] == after.headers["x-model-hash"] == reply.json()["hash"]
    assert after.headers["x-model-hash"] != before.headers["x-model-hash"]
    assert after.headers["x-model-version"] == "other@2"
    assert client.post("/v1/predict", json={"smiles": "CCO"}).json()["model_version"] == "other@2"


def test_the_same_again(open_client):
    assert open_client().post(RELOAD, json={}).json()["name"] == "made-up"


def test_one_that_cannot_be_used_changes_nothing(open_client):
    client = open_client()
    reply = client.post(RELOAD, json={"model": "broken"})
    assert (reply.status_code, reply.json()["code"]) == (409, "reload-failed")
    assert "made-up@1 goes on" in reply.json()["detail"]
    assert client.get("/v1/model").json()["name"] == "made-up"
    assert client.get("/ready").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "..",
        "../other",
        "other/",
        "/etc",
        ".hidden",
        "no manifest",
        "file",
        "",
        "\ud800",
        "x" * 5000,
    ],
)
def test_no_path_is_taken_from_a_client(open_client, name):
    engine = FakeEngine()
    reply = open_client(engine).post(
        RELOAD, content=json.dumps({"model": name}), headers={"Content-Type": "application/json"}
    )
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown-model")
    assert engine.info.version == "1"


@pytest.mark.parametrize("body", [{"model": 3}, {"model": ["other"]}, {"path": "/etc"}, []])
def test_a_wrong_request(open_client, body):
    assert open_client().post(RELOAD, json=body).status_code == 422


@pytest.mark.anyio
async def test_one_at_a_time(folder):
    engine = FakeEngine()
    await engine.start()
    models = Models(engine, folder)
    engine.hold()
    first = asyncio.create_task(models.change("other"))
    await asyncio.sleep(0.05)
    with pytest.raises(ApiError, match="reload-in-progress"):
        await models.change()
    engine.release()
    assert (await first).name == "other"
    assert (await models.change()).name == "other"


def test_a_folder_that_is_away_leaves_what_ships(tmp_path):
    assert Models(FakeEngine(), tmp_path / "nothing").names() == ["olfactory-base-v1"]


def test_without_a_key_nobody_is_an_administrator(client):
    for reply in (client.get("/v1/admin/models"), client.post(RELOAD, json={})):
        assert (reply.status_code, reply.json()["code"]) == (401, "key-required")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelCorrupt("{}/model.onnx: missing"), "A file is missing, truncated or altered"),
        (ModelForeign("{}: no manifest.json"), "not written by this package"),
        (EngineFault("its process did not start: {}/model.onnx"), "Its warm-up failed."),
    ],
)
@pytest.mark.parametrize("body", [{"model": "broken"}, {}])
def test_why_it_cannot_be_used_is_told_without_a_path(open_client, folder, error, reason, body):
    class Refusing(FakeEngine):
        async def reload(self, model=None):
            raise type(error)(str(error).format(folder / "broken"))

    found = open_client(Refusing()).post(RELOAD, json=body).json()
    assert found["code"] == "reload-failed"
    assert found["detail"].startswith(body.get("model", "made-up") + ": ")
    assert reason in found["detail"]
    assert str(folder) not in json.dumps(found)
