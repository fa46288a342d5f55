"""Requests made up from our own OpenAPI document, good and bad: the server does what the document says, and only that.

All of schemathesis's checks are on: no 5xx that is not documented, status codes, content types, headers and bodies as
documented, malformed requests refused, well-formed ones not, no way around the key.
"""

import asyncio
import tempfile

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from nose import MadeUpNose, made_up
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from olfactory_transformer.api import gate
from olfactory_transformer.api.app import create_app
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keys import SCOPES, KeyStore
from olfactory_transformer.database.upgrade import upgrade
from olfactory_transformer.engine.fake import WORDS, FakeEngine
from olfactory_transformer.settings import Settings

EXAMPLES = 30  # for each operation, besides those of the document and its corner cases
FOLDER = tempfile.TemporaryDirectory()
DATABASE = f"sqlite:///{FOLDER.name}/keys.db"


def new_key():
    """Make a database with a key that may do everything, and return the key."""
    database = Database(DATABASE)
    upgrade(database)
    text, _ = KeyStore(database).create("schemathesis", SCOPES)
    database.close()
    return text


def load(engine, **given):
    app = create_app(Settings(**given), engine, nose=made_up(MadeUpNose(window_seconds=2.0, hop_seconds=1.0)))
    asyncio.run(engine.start())

    async def running(scope, receive, send):
        # Started once, and not anew for every test.
        assert scope["type"] != "lifespan"
        await app(scope, receive, send)

    return schemathesis.openapi.from_asgi("/openapi.json", running, config=schemathesis.Config.from_dict({}))


# What a schema cannot say: which texts are molecules, and which words the model has.
MOLECULES = ("CCO", "c1ccccc1", "F/C=C/F", "[Na+].CC(=O)[O-]", "C#N")
schemathesis.openapi.format("smiles", st.sampled_from(MOLECULES))
schemathesis.openapi.format("odour-word", st.sampled_from(WORDS))
schemathesis.openapi.format("recording", st.sampled_from(("CO,VOC\n1,2\n3,4\n", "t,NO2\n0,1\n5,2\n")))

# Made here and not in fixtures, as each operation becomes a test when tests are collected.
KEY = new_key()
KEYED = load(FakeEngine(), api_key_required=True, database_url=DATABASE)
FULL = load(FakeEngine(busy="queue-full"), database_url=f"sqlite:///{FOLDER.name}/other.db")


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def lines(_, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(autouse=True)
def patient_gate(monkeypatch):
    """Have wrong keys answered with 401 however many there are: a check sends hundreds, and expects no 429."""
    monkeypatch.setattr(gate, "WRONG_KEYS_PER_MINUTE", 10**6)


bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def unfit(case):
    """Return the checks that expect more of a schema than one can say."""
    # That rows are as long as there are channels, that the model knows one of them, that there is an upgrade; that
    # a shape is that of its data.
    if case.path.startswith("/v1/sensors") or case.path.endswith("/infer"):
        return [positive_data_acceptance]
    if case.path.endswith(
        "/stream"
    ):  # nothing is refused as a whole: each line has its own error, with status 200
        return [negative_data_rejection]
    # Where another type or null is allowed, too, the format of a text is not kept.
    smiles = case.body.get("smiles") if isinstance(case.body, dict) else None
    word = (case.query or {}).get("word")
    if (isinstance(smiles, str) and smiles not in MOLECULES) or word not in (None, *WORDS):
        return [positive_data_acceptance]
    return []


@KEYED.parametrize()
@bounded
def test_with_a_key(case):
    case.call_and_validate(headers={"X-API-Key": KEY}, excluded_checks=unfit(case))


@FULL.exclude(path="/v1/predict/stream").parametrize()  # which waits for room
@bounded
def test_without_a_key_and_with_a_full_queue(case):
    # A full queue is a documented 503, and no fault of the server.
    case.call_and_validate(excluded_checks=[not_a_server_error, *unfit(case)])
