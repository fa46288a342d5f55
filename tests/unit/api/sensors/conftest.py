"""An application that names smells by a made-up model."""

import pytest
from nose import made_up
from starlette.testclient import TestClient

from olfactory_transformer.api.app import create_app
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.settings import Settings


@pytest.fixture
def smelling(request, tmp_path):
    """Start an application with a model of sensors, and return its client."""

    def start(model=None, *, load=None, lifecycle=None, parts=None, **settings):
        given = {"database_url": f"sqlite:///{tmp_path}/sensors.db", **settings}
        app = create_app(
            Settings(**given), FakeEngine(), nose=load or made_up(model), lifecycle=lifecycle, parts=parts
        )
        client = TestClient(app)
        client.__enter__()
        request.addfinalizer(lambda: client.__exit__(None, None, None))
        return client

    return start


@pytest.fixture
def client(smelling):
    return smelling()


@pytest.fixture
def metric():
    """Return a metric's value from a client."""

    def value(client, name, **labels):
        found = client.app.state.metrics.registry.get_sample_value(name, labels)
        return 0.0 if found is None else found

    return value
