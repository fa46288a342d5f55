"""Each status means one thing, and says when to ask again."""

import asyncio
import re

import pytest
from asgi_client import Exchange, until

from olfactory_transformer.api.app import create_app
from olfactory_transformer.api.catalogue import KINDS
from olfactory_transformer.api.lifecycle import Lifecycle, Parts
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.settings import Settings

ONE = {"smiles": "CCO"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("body", [ONE, {"smiles": ["CCO", "CCC"]}])
@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"busy": "queue-full"}, 503, "queue-full"),
        ({"busy": "draining"}, 503, "draining"),
        ({"late": True}, 504, "deadline"),
        ({"raises": ZeroDivisionError("secret")}, 500, "internal"),
    ],
)
def test_what_the_engine_refuses(started, body, how, status, code):
    reply = started(FakeEngine(**how)).post("/v1/predict", json=body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    assert "secret" not in reply.text


@pytest.mark.parametrize(("seconds", "told"), [(0.1, "1"), (1.0, "1"), (2.3, "3"), (60.0, "60")])
def test_retry_after_is_what_the_engine_says_rounded_up(started, seconds, told):
    engine = FakeEngine(busy="queue-full", retry_after=seconds)
    assert started(engine).post("/v1/predict", json=ONE).headers["retry-after"] == told


def test_a_queue_that_is_full_is_not_the_callers_quota(started):
    reply = started(FakeEngine(limit=2)).post("/v1/predict", json={"smiles": ["C", "CC", "CCC"]})
    assert (reply.status_code, reply.json()["code"]) == (503, "queue-full")


def test_the_error_pages_say_the_status(client):
    for code, kind in KINDS.items():
        assert client.get(f"/errors/{code}").json()["status"] == kind.status


def test_ready_says_what_it_does_without(started):
    parts, away = Parts(), set()
    parts.watch("redis", lambda: "cache" not in away)
    parts.watch("redis", lambda: "limits" not in away)
    client = started(parts=parts)
    assert client.get("/ready").json() == {"status": "ready", "degraded": []}
    away |= {"cache", "limits"}
    assert client.get("/ready").json() == {"status": "ready", "degraded": ["redis"]}


def test_a_draining_server_is_unready_but_works(started):
    lifecycle = Lifecycle()
    client = started(lifecycle=lifecycle)
    assert "connection" not in client.get("/ready").headers
    lifecycle.drain()
    reply = client.get("/ready")
    assert (reply.status_code, reply.json()["code"]) == (503, "draining")
    assert reply.headers["retry-after"] == "1"
    assert client.get("/health").status_code == 200
    work = client.post("/v1/predict", json=ONE)
    assert (work.status_code, work.headers["connection"]) == (200, "close")


@pytest.mark.anyio
class TestClientsThatLeave:
    """Over a connection of which the test holds both ends."""

    @pytest.fixture(autouse=True)
    async def _application(self):
        self.engine, self.lifecycle = FakeEngine(seconds=60), Lifecycle()
        self.app = create_app(Settings(), self.engine, lifecycle=self.lifecycle)
        await self.engine.start()

    @pytest.mark.parametrize("body", [b'{"smiles": "CCO"}', b'{"smiles": ["CCO", "CC"]}'])
    async def test_their_molecules_leave_the_queue(self, body, caplog):
        caplog.set_level("INFO")
        exchange = Exchange(self.app, "POST", "/v1/predict", JSON).send(body, more=False)
        await until(lambda: self.engine.load.queued)
        exchange.hang_up()
        await exchange.done()
        assert self.engine.load.queued == 0
        assert self.engine.gone == body.count(b'"C')
        assert exchange.status is None
        assert "POST /v1/predict 499" in caplog.records[-1].getMessage()

    @pytest.mark.parametrize("path", ["/v1/molecules/CCO/image", "/v2/models/made-up/infer"])
    async def test_so_for_every_route_that_waits(self, path):
        body = b'{"inputs": [{"name": "smiles", "datatype": "BYTES", "shape": [1], "data": ["CCO"]}]}'
        method = "POST" if path.endswith("infer") else "GET"
        exchange = Exchange(self.app, method, path, JSON).send(body if method == "POST" else b"", more=False)
        await until(lambda: self.engine.load.queued)
        exchange.hang_up()
        await exchange.done()
        assert (self.engine.load.queued, self.engine.gone) == (0, 1)

    async def test_those_that_stay_are_answered(self):
        self.engine.seconds = 0.2
        exchange = Exchange(self.app, "POST", "/v1/predict", JSON).send(b'{"smiles": "CCO"}', more=False)
        assert await exchange.done() == 200
        assert self.engine.gone == 0

    async def test_what_the_server_cuts_off_at_its_end_is_told(self):
        exchange = Exchange(self.app, "POST", "/v1/predict", JSON).send(b'{"smiles": "CCO"}', more=False)
        await until(lambda: self.engine.load.queued)
        self.lifecycle.close()
        exchange.task.cancel()
        assert await exchange.done() == 503
        assert b'"code": "draining"' in exchange.body

    async def test_a_body_that_drips_is_not_waited_for(self):
        app = create_app(Settings(inference_timeout=0.3), FakeEngine())
        exchange = Exchange(app, "POST", "/v1/predict", JSON)
        for _ in range(100):
            exchange.send(b" ")
            await asyncio.sleep(0.01)
            if exchange.status:
                break
        assert await exchange.done() == 408
        assert exchange.headers["connection"] == "close"
        assert b'"code": "request-timeout"' in exchange.body


def test_predictions_say_how_long_each_step_took(client):
    timing = client.post("/v1/predict", json=ONE).headers["server-timing"]
    assert re.fullmatch(r"body;dur=\d+\.\d\d, engine;dur=\d+\.\d\d, total;dur=\d+\.\d\d", timing)
