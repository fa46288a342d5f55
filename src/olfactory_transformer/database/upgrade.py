"""Bringing a database to the tables that this version of the package needs."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from olfactory_transformer.database.engine import Database

FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x6F6C6661  # of PostgreSQL's advisory locks: "olfa"
_WAIT = 60  # seconds for another process's upgrade


def upgrade(database: Database, revision: str = "head") -> None:
    """Make or change the tables as needed; does nothing where they are as they should be.

    Several processes may call it at once: one does the work, and the others wait for it.

    Parameters
    ----------
    database : Database
        Of SQLite, the file is made if it is missing.
    revision : str
        Of the migrations.

    Raises
    ------
    DatabaseError
        It cannot be used, or a newer version of this package has changed its tables.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"sqlite:///{folder}/keys.db")
    ...     upgrade(database)
    ...     with database.reading() as session:
    ...         print(session.scalar(sa.text("SELECT count(*) FROM api_keys")))
    0
    """
    if database.is_sqlite:
        database.prepare_file()
    begin = {"olfactory_begin": "EXCLUSIVE"} if database.is_sqlite else {}
    with database.connection(**begin) as connection, connection.begin():
        if not database.is_sqlite:
            connection.execute(sa.text(f"SET LOCAL statement_timeout = '{_WAIT}s'"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = Config()
        config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise database.error(
                f"its tables are those of another version of this package ({error})"
            ) from None
