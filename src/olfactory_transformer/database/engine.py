"""Opening DATABASE_URL: SQLite or PostgreSQL, with short time limits, and errors that name no password."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from olfactory_transformer.core.errors import DatabaseError, MissingExtra, SettingsError

_WAIT = 5  # seconds for another process's write to SQLite to end
_CONNECT = 2  # seconds to reach PostgreSQL
_STATEMENT = 5  # seconds that PostgreSQL may take for one statement
_POSTGRES = {
    "connect_timeout": _CONNECT,
    # A server that vanished without a word is noticed after some seconds instead of two hours.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


class Database:
    """The database of keys and of the audit log; opened when it is first used. Thread-safe.

    Parameters
    ----------
    url : str
        `sqlite:///FILE` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`; `postgresql://` and `postgres://` are
        read as the latter.

    Raises
    ------
    SettingsError
        It is not such a URL.
    MissingExtra
        The driver of PostgreSQL is not installed.

    Examples
    --------
    >>> Database("postgresql://me:secret@db.example/keys").shown
    'postgresql+psycopg://me:***@db.example/keys'
    >>> Database("mysql://me:secret@db.example/keys")
    Traceback (most recent call last):
    ...
    olfactory_transformer.core.errors.SettingsError: DATABASE_URL: got a URL of 'mysql', expected sqlite:///FILE ...
    """

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._file = Path(parsed.database).absolute() if self.is_sqlite and parsed.database else None
        # Parameters of the URL may be secrets, too. Of a file the whole path, as two folders often are the mistake.
        shown = parsed.set(query={}, database=str(self._file) if self._file else parsed.database)
        self.shown = shown.render_as_string(hide_password=True)
        self._secrets = [s for s in (str(parsed.password or ""), *_texts(parsed)) if len(s) > 2]
        self._prepared = False
        self._engine = self._open(parsed)

    @property
    def is_absent(self) -> bool:
        """Whether it is an SQLite file that nobody has made yet.

        Raises
        ------
        DatabaseError
            The file was there, and is gone: to take that for an empty one would refuse all keys.
        """
        if self._file is None or self._file.exists():
            return False
        if self._prepared:
            raise self.error("its file is gone")
        return True

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session that reads.

        Raises
        ------
        DatabaseError
            For whatever goes wrong in the block with the database.
        """
        with self._named_errors(), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session in a transaction, committed at the end of the block unless that raises.

        Raises
        ------
        DatabaseError
            As `reading`.
        """
        engine = self._engine.execution_options(olfactory_begin="IMMEDIATE")
        with self._named_errors(), Session(engine) as session, session.begin():
            yield session

    @contextmanager
    def connection(self, **options: Any) -> Iterator[sa.Connection]:
        """Give a connection with execution options, such as an isolation level; for migrations."""
        with self._named_errors(), self._engine.connect() as connection:
            yield connection.execution_options(**options)

    def check_file(self) -> None:
        """Tell whether the SQLite file can be had, from its place and its rights alone; it is neither made nor opened.

        Raises
        ------
        DatabaseError
            Its folder is missing, it is a folder itself, or it may not be written to.
        """
        if self._file is None:
            return
        folder = self._file.parent
        if self._file.is_dir():
            raise self.error("it is a folder")
        if not folder.is_dir():
            raise self.error("its folder is not there")
        # The write-ahead log is beside the file.
        if not os.access(folder, os.W_OK | os.X_OK):
            raise self.error("its folder may not be written to")
        if self._file.exists() and not os.access(self._file, os.R_OK | os.W_OK):
            raise self.error("it may not be written to")

    def prepare_file(self) -> None:
        """Make the SQLite file if there is none, readable by this user alone, with a write-ahead log.

        With it nobody who reads waits for one who writes.

        Raises
        ------
        DatabaseError
            Its folder is missing or may not be written to, or it is no database.
        """
        if self._file is None:
            return
        until = time.monotonic() + _WAIT
        try:
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            while True:
                try:
                    with closing(sqlite3.connect(self._file, timeout=_WAIT)) as connection:
                        connection.execute("PRAGMA journal_mode=WAL")
                    self._prepared = True
                    return
                except sqlite3.OperationalError as error:
                    # SQLite does not wait by itself for others to let it switch.
                    if "locked" not in str(error) or time.monotonic() > until:
                        raise
                    time.sleep(0.05)
        except OSError as error:
            raise self.error(error.strerror or "it cannot be opened") from None
        except sqlite3.Error as error:
            raise self.error(error) from None

    def error(self, reason: object) -> DatabaseError:
        """Return an error that names this database and a reason, in one line without a secret."""
        text = str(reason).strip() or type(reason).__name__
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return DatabaseError(f"{self.shown}: {text.splitlines()[0]}")

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def _open(self, url: sa.URL) -> sa.Engine:
        if self.is_sqlite:
            # No pool: opening takes 0.1 ms, and a file that was put in place of another is seen at once.
            engine = sa.create_engine(url, poolclass=NullPool, creator=self._connect)
            event.listen(engine, "connect", _on_connect)
            event.listen(engine, "begin", _on_begin)
            return engine
        try:
            engine = sa.create_engine(
                url,
                pool_pre_ping=True,
                pool_size=4,
                max_overflow=4,
                pool_timeout=_CONNECT,
                connect_args={k: v for k, v in _POSTGRES.items() if k not in url.query},
            )
        except ImportError:
            raise MissingExtra("postgres", "a PostgreSQL database") from None
        event.listen(engine, "connect", _limit_statements)
        return engine

    def _connect(self) -> sqlite3.Connection:
        assert self._file is not None
        # rw, not rwc: only `prepare_file` makes a file.
        uri = f"{self._file.as_uri()}?mode=rw"
        return sqlite3.connect(uri, uri=True, timeout=_WAIT, check_same_thread=False)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            # Not the whole text, which repeats the statement and its values.
            raise self.error(error.orig) from None
        except SQLAlchemyError as error:
            raise self.error(error) from None


def _parse(url: str) -> sa.URL:
    expected = "expected sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        # Not even quoted: whatever it is, a password may be in it.
        raise SettingsError(f"DATABASE_URL: got something that is not a URL, {expected}") from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    name = parsed.database or ""
    if parsed.drivername == "sqlite" and (name in ("", ":memory:") or name.startswith("file:")):
        raise SettingsError(f"DATABASE_URL: got SQLite without a plain file, {expected}")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise SettingsError(f"DATABASE_URL: got a URL of {parsed.drivername!r}, {expected}")
    return parsed


def _texts(url: sa.URL) -> Iterator[str]:
    for value in url.query.values():
        yield from (value,) if isinstance(value, str) else value


def _limit_statements(connection: Any, _: object) -> None:
    # Not among the parameters of the connection, which poolers such as PgBouncer refuse.
    connection.autocommit = True
    connection.execute(f"SET statement_timeout = '{_STATEMENT}s'")
    connection.autocommit = False


def _on_connect(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions by rules of its own
    # With the write-ahead log a power cut may lose the last writes, but not break the file.
    connection.execute("PRAGMA synchronous=NORMAL")


def _on_begin(connection: sa.Connection) -> None:
    # A transaction that reads first and then writes cannot wait for another's write; one that says so at once can.
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('olfactory_begin', '')}")
