"""The application around a made-up engine, asked without a network."""

import pytest
from starlette.testclient import TestClient

from olfactory_transformer.api.app import create_app
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.settings import Settings


@pytest.fixture
def started(request):
    """Start an application and return its client; unexpected exceptions that leave it fail the test."""

    def start(engine=None, **given):
        parts = {name: given.pop(name) for name in ("gate", "parts", "lifecycle", "nose") if name in given}
        app = create_app(Settings(**given), engine or FakeEngine(), **parts)
        client = TestClient(app)
        client.__enter__()
        request.addfinalizer(lambda: client.__exit__(None, None, None))
        return client

    return start


@pytest.fixture
def client(started):
    return started()
