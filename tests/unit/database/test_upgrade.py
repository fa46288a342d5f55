"""Migrations: they make what the models say, may run many at once, and refuse what they do not know."""

import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from olfactory_transformer.core.errors import DatabaseError
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keys import KeyStore
from olfactory_transformer.database.models import Base
from olfactory_transformer.database.upgrade import upgrade


def test_the_tables_are_those_of_the_models(database):
    with database.connection() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_second_time_does_nothing(database):
    _, made = KeyStore(database).create("x")
    upgrade(database)
    assert KeyStore(database).list() == (made,)


def test_down_and_up_again(database):
    from alembic import command
    from alembic.config import Config

    from olfactory_transformer.database.upgrade import FOLDER

    with database.connection() as connection, connection.begin():
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(sa.inspect(connection).get_table_names()) == {"alembic_version"}
    upgrade(database)
    assert KeyStore(database).list() == ()


def test_many_processes_at_once(url):
    code = (
        "import sys; from olfactory_transformer.database.engine import Database;"
        "from olfactory_transformer.database.upgrade import upgrade; sys.stdin.read();"
        "upgrade(Database(sys.argv[1]))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in started:
        process.stdin.close()  # all of them go on at the same moment
    assert [(process.wait(), process.stderr.read()) for process in started] == [(0, b"")] * 4
    KeyStore(Database(url)).create("x")


def test_tables_of_a_newer_version_are_left_alone(database):
    with database.writing() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="another version"):
        upgrade(database)
