"""Every test of this folder runs against SQLite and against a real PostgreSQL."""

import uuid

import pytest
import sqlalchemy as sa
from services.run import postgres

from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.upgrade import upgrade


@pytest.fixture(scope="session")
def postgres_service():
    with postgres() as service:
        yield service


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/keys.db"
    service, name = request.getfixturevalue("postgres_service"), f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(service.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return service.url.removesuffix("postgres") + name


@pytest.fixture
def database(url):
    database = Database(url)
    upgrade(database)
    yield database
    database.close()
