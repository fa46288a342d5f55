"""Streams: what a line says and what is answered, in step, in bounded memory, to a clean end."""

import asyncio
import json
import tracemalloc

import pytest
from asgi_client import Exchange, until

from olfactory_transformer.api.app import create_app
from olfactory_transformer.api.lifecycle import Lifecycle
from olfactory_transformer.engine.fake import WORDS, FakeEngine
from olfactory_transformer.settings import Settings

pytestmark = pytest.mark.anyio
PATH = "/v1/predict/stream"
TYPE = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def post(started):
    """Send a whole stream; return its status and its lines."""

    def post(body, engine=None, query="", headers=TYPE, **settings):
        client = started(engine, **settings)
        reply = client.post(PATH + query, content=body, headers=headers)
        assert reply.status_code == 200, reply.text
        assert reply.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in reply.text.splitlines()]

    return post


class Streaming:
    """An application whose engine is ready, and an open stream."""

    def __init__(self, engine, **settings):
        self.engine, self.lifecycle = engine, Lifecycle()
        self.app = create_app(Settings(**settings), engine, lifecycle=self.lifecycle)

    async def __aenter__(self):
        await self.engine.start()
        self.exchange = Exchange(self.app, "POST", PATH, TYPE)
        return self.exchange

    async def __aexit__(self, *_):
        self.exchange.task.cancel()
        await asyncio.gather(self.exchange.task, return_exceptions=True)


def test_texts_and_objects(post):
    body = b'"CCO"\n{"smiles": "CCC", "id": "x"}\n{"smiles": "CC", "dilution": 0.5, "id": 1.5}\n'
    found = post(body)
    assert [line["index"] for line in found] == [0, 1, 2]
    assert [line.get("id") for line in found] == [None, "x", 1.5]
    assert [line["prediction"]["smiles"] for line in found] == ["CCO", "CCC", "CC"]
    assert [line["prediction"]["dilution"] for line in found] == [0.001, 0.001, 0.5]


def test_it_says_what_a_list_says(post, client):
    texts = ["CCO", "C1CC", "c1ccccc1"]
    single = client.post("/v1/predict", json={"smiles": texts}).json()["results"]
    assert post("\n".join(map(json.dumps, texts))) == single


@pytest.mark.parametrize("body", [b"", b"\n", b"\n \r\n\n"])
def test_no_lines(post, body):
    assert post(body) == []


def test_the_query_says_what_holds_for_all_lines(post):
    (line,) = post(b'"CCO"', query="?words=all&dilution=0.25")
    assert tuple(line["prediction"]["words"]) == WORDS
    assert line["prediction"]["dilution"] == 0.25


@pytest.mark.parametrize(
    "query", ["?words=some", "?dilution=0", "?dilution=nan", "?dilution=x", "?dilution=2"]
)
def test_a_wrong_query_is_refused(client, query):
    reply = client.post(PATH + query, content=b'"CCO"', headers=TYPE)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-request")
    assert reply.json()["errors"][0]["pointer"].startswith("#/query/")


@pytest.mark.parametrize(
    "media", ["application/json", "text/plain", "", "application/x-ndjson; charset=utf-16"]
)
def test_another_media_type_is_refused(client, media):
    reply = client.post(PATH, content=b'"CCO"', headers={"Content-Type": media})
    assert (reply.status_code, reply.json()["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize("media", ["application/jsonl", "application/x-ndjson; charset=utf-8"])
def test_both_media_types_are_taken(post, media):
    assert len(post(b'"CCO"', headers={"Content-Type": media})) == 1


BAD = [
    (b"CCO", "invalid-json"),
    (b"'CCO'", "invalid-json"),
    (b'"CCO" "CCO"', "invalid-json"),
    (b'{"smiles": "CCO", "smiles": "C"}', "invalid-json"),
    (b'{"smiles": "CCO", "dilution": NaN}', "invalid-json"),
    (b"[" * 50_000, "invalid-json"),
    (b"\xff\xfe", "invalid-json"),
    (b"null", "invalid-request"),
    (b"[]", "invalid-request"),
    (b"3", "invalid-request"),
    (b"{}", "invalid-request"),
    (b'{"smiles": ["CCO"]}', "invalid-request"),
    (b'{"smiles": "CCO", "words": "all"}', "invalid-request"),
    (b'{"smiles": "CCO", "dilution": 2}', "invalid-request"),
    (b'{"smiles": "CCO", "id": {}}', "invalid-request"),
    (b'{"smiles": "CCO", "id": true}', "invalid-request"),
    (b'{"smiles": "CCO", "id": 1e999}', "invalid-request"),
    (b'"C("', "unparsable"),
    (b'"\\ud800"', "forbidden-character"),
    (b'"' + b"C" * 100_000 + b'"', "line-too-long"),
]


@pytest.mark.parametrize(("line", "code"), BAD)
def test_a_bad_line_is_its_own_error(post, line, code):
    found = post(b'"CCO"\n' + line + b'\n"CCC"\n', max_body_bytes=2**16)
    assert [list(one)[-1] for one in found] == ["prediction", "error", "prediction"]
    assert (found[1]["index"], found[1]["error"]["code"]) == (1, code)
    assert len(json.dumps(found[1])) < 2000


def test_the_id_of_a_bad_line_comes_back(post):
    found = post(b'{"smiles": "C(", "id": "a"}\n{"smiles": 1, "id": 2}\n{"id": "\\ud800", "smiles": "CC"}')
    assert [line["id"] for line in found] == ["a", 2, "\ud800"]


def test_a_long_integer_as_id_is_given_back_exactly(post):
    assert post(b'{"smiles": "CC", "id": %d}' % 10**400)[0]["id"] == 10**400


def broken_after(count):
    """An engine that breaks once it has been called so often."""
    engine = FakeEngine()
    predict = engine.predict

    async def counted(*given, **options):
        engine.broken = engine.calls >= count
        return await predict(*given, **options)

    engine.predict = counted
    return engine


def test_a_failure_on_the_way_is_told_line_by_line(post):
    found = post(b'"CCO"\n' * 10, broken_after(2), batch_size=2)
    kinds = [line.get("error", {}).get("code", "ok") for line in found]
    assert kinds == ["ok"] * 4 + ["engine-fault"] * 6


@pytest.mark.parametrize(
    ("how", "code"), [({"late": True}, "deadline"), ({"raises": KeyError("secret")}, "internal")]
)
def test_whatever_fails_the_stream_goes_on_to_its_end(post, how, code):
    found = post(b'"CCO"\n"C("\n', FakeEngine(**how))
    assert [line["error"]["code"] for line in found] == [code, code]
    assert "secret" not in str(found)


def test_a_cold_engine_is_a_503(started):
    reply = started(FakeEngine(held=True)).post(PATH, content=b'"CCO"', headers=TYPE)
    assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")


async def test_a_line_is_answered_before_the_next_is_sent():
    async with Streaming(FakeEngine()) as stream:
        for number in range(1, 20):
            stream.send(b'"%b"\n' % (b"C" * number))
            assert (await stream.line())["prediction"]["smiles"] == "C" * number
        stream.send(b'"O"', more=False)  # the last has no end of line
        assert (await stream.line())["index"] == 19
        assert await stream.done() == 200


async def test_order_is_kept_whatever_takes_longer():
    engine = FakeEngine()
    predict = engine.predict

    async def uneven(smiles, *given, **options):
        await asyncio.sleep(0.05 if smiles[0] == "C" else 0)
        return await predict(smiles, *given, **options)

    engine.predict = uneven
    async with Streaming(engine, batch_size=1) as stream:
        stream.send(b"".join(b'"%b"\n' % (b"C" * (1 + n % 3)) for n in range(30)), more=False)
        await stream.done()
        assert [line["index"] for line in stream.lines()] == list(range(30))


async def test_a_client_that_does_not_read_is_not_read_from():
    async with Streaming(FakeEngine(), batch_size=4) as stream:
        stream.writable.clear()
        for _ in range(200):
            stream.send(b'"CCO"\n' * 4)
        stream.send(more=False)
        for _ in range(100):
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert stream.unread > 150
        stream.writable.set()
        await stream.done()
        assert len(stream.lines()) == 800


async def test_a_full_queue_keeps_the_sender_waiting():
    engine = FakeEngine(busy="queue-full")
    async with Streaming(engine) as stream:
        stream.send(b'"CCO"\n')
        await asyncio.sleep(0.1)
        assert stream.body == b""
        engine.busy = None
        assert "prediction" in await stream.line()


async def test_a_client_that_leaves_takes_its_molecules_along(caplog):
    caplog.set_level("INFO")
    engine = FakeEngine(seconds=60)
    async with Streaming(engine) as stream:
        stream.send(b'"CCO"\n' * 5)
        await until(lambda: engine.load.queued == 5)
        stream.hang_up()
        await stream.done()
    assert (engine.load.queued, engine.gone) == (0, 5)
    assert " 499 " in caplog.records[-1].getMessage()


async def test_one_that_leaves_after_its_last_line_is_noticed_too():
    engine = FakeEngine(seconds=60)
    async with Streaming(engine) as stream:
        stream.send(b'"CCO"\n', more=False)
        await until(lambda: engine.load.queued == 1)
        stream.hang_up()
        await stream.done()
    assert engine.gone == 1


@pytest.mark.parametrize("piece", [b"\n", b" \r\n", b"C"])
async def test_one_that_sends_no_line_is_idle(piece):
    async with Streaming(FakeEngine(), inference_timeout=0.3) as stream:
        stream.send(b'"CCO"\n')
        await stream.line()
        async with asyncio.timeout(10):
            while not stream.ended:
                stream.send(piece)
                await asyncio.sleep(0.01)
        assert stream.lines()[-1]["error"]["code"] == "request-timeout"


async def test_one_that_sends_a_line_now_and_then_is_not_idle():
    async with Streaming(FakeEngine(), inference_timeout=1) as stream:
        for _ in range(8):
            stream.send(b'"CCO"\n')
            assert "prediction" in await stream.line()
            await asyncio.sleep(0.2)


async def test_a_client_that_says_nothing_is_told_and_left():
    async with Streaming(FakeEngine(), inference_timeout=0.2) as stream:
        stream.send(b'"CCO"\n"CC')
        assert "prediction" in await stream.line()
        last = await stream.line()
        assert await stream.done() == 200
    assert (last["error"]["code"], last["error"]["answered"]) == ("request-timeout", 1)


async def test_a_client_that_waits_for_us_is_not_left():
    engine = FakeEngine(seconds=0.6)
    async with Streaming(engine, inference_timeout=0.2) as stream:
        stream.send(b'"CCO"\n')
        assert "prediction" in await stream.line()


async def test_a_server_that_stops_says_how_far_it_came():
    engine = FakeEngine(seconds=0.05)
    streaming = Streaming(engine)
    async with streaming as stream:
        stream.send(b'"CCO"\n' * 3)
        await until(lambda: engine.load.queued == 3)
        streaming.lifecycle.end_streams()
        await stream.done()
        lines = stream.lines()
    assert ["prediction" in line for line in lines] == [True, True, True, False]
    assert (lines[-1]["error"]["code"], lines[-1]["error"]["answered"]) == ("draining", 3)


@pytest.mark.parametrize(("lines", "paid"), [(0, 0), (1, 0), (10, 0), (11, 1), (20, 1), (21, 2), (95, 9)])
@pytest.mark.parametrize("batch_size", [1, 7, 32])
async def test_a_stream_pays_for_each_list_that_it_could_have_been(lines, paid, batch_size):
    charged = []

    async def charge(requests):
        charged.append(requests)

    async with Streaming(FakeEngine(), max_items=10, batch_size=batch_size) as stream:
        await asyncio.sleep(0)
        stream.scope["state"]["charge"] = charge
        stream.send(b'"CCO"\n' * lines, more=False)
        await stream.done()
        assert stream.scope["state"].get("items", 0) == lines
    assert sum(charged) == paid


async def test_memory_does_not_grow_with_the_length():
    async def peak(count):
        async with Streaming(FakeEngine()) as stream:
            stream.body = Counted()
            tracemalloc.start()
            for number in range(count):
                stream.send(b'{"smiles": "CCO", "id": %d}\n' % number)
                if number % 50 == 49:
                    await until(lambda: not stream.unread, 60)
            stream.send(more=False)
            await stream.done(60)
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert stream.body.lines == count
        return most

    await peak(500)  # what is loaded once
    assert await peak(20_000) < 1.5 * await peak(2_000)


class Counted:
    """Takes the place of a body, and keeps only how many lines it has."""

    lines = 0

    def __iadd__(self, more):
        self.lines += more.count(b"\n")
        return self
