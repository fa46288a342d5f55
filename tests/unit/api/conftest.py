"""The application around a made-up engine, asked without a network."""

import pytest
from starlette.testclient import TestClient

from olfactory_transformer.api.app import create_app
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.settings import Settings


@pytest.fixture
def started(request):
    """Start an application and return its client; unexpected exceptions that leave it fail the test."""

    def start(engine=None, *, gate=None, parts=None, lifecycle=None, **settings):
        app = create_app(
            Settings(**settings), engine or FakeEngine(), gate=gate, parts=parts, lifecycle=lifecycle
        )
        client = TestClient(app)
        client.__enter__()
        request.addfinalizer(lambda: client.__exit__(None, None, None))
        return client

    return start


@pytest.fixture
def client(started):
    return started()
