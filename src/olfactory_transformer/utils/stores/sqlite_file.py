"""The file of the cache on disk: finding it, making it, and setting a broken one aside.

    cache-v1-000001.sqlite3.broken      was not ours or not whole; kept, the newest only, for whoever wants to know why
    cache-v1-000002.sqlite3             in use, by any number of processes

A name is never used twice: a process that still has a broken file open may, when it closes it, delete the write-ahead
log by its name. Other versions of the format have files of their own, so that an old and a new server can share a
folder while one replaces the other.
"""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

VERSION = 1
_APPLICATION = 0x4F4C4631  # "OLF1"
_NAME = re.compile(rf"cache-v{VERSION}-(\d{{6}})\.sqlite3(\.broken)?")
_OURS = re.compile(r"cache-v\d+-\d{6}\.sqlite3(\.broken)?(-wal|-shm|-journal)?|\.new-[0-9a-f]+.*")
_SCHEMA = (
    "CREATE TABLE entry (key TEXT PRIMARY KEY, value BLOB NOT NULL, written REAL NOT NULL, used REAL NOT NULL)",
    "CREATE INDEX entry_written ON entry (written)",
    "CREATE INDEX entry_used ON entry (used)",
)
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class ForeignFile(sqlite3.DatabaseError):
    """A database that this package did not make."""

    sqlite_errorcode = sqlite3.SQLITE_NOTADB
    sqlite_errorname = "FOREIGN"


def is_broken(error: BaseException) -> bool:
    """Tell whether an error means that the file is no database of ours, rather than that it cannot be reached."""
    # The statements are fixed and right, so an error in one is an error in the tables that they meet.
    return getattr(error, "sqlite_errorcode", -1) & 0xFF in _BROKEN


def current(folder: Path) -> Path:
    """Return the file in use, made if there is none.

    Raises
    ------
    OSError, sqlite3.Error
        The folder cannot be read or written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = [match for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    newest = max(found, key=lambda match: (match[1], bool(match[2])), default=None)
    if newest is not None and not newest[2]:
        return folder / newest[0]
    path = folder / f"cache-v{VERSION}-{int(newest[1]) + 1 if newest else 1:06d}.sqlite3"
    _make(path)
    return path


def connect(path: Path, busy: float) -> sqlite3.Connection:
    """Open the file; it waits at most `busy` seconds for other writers.

    Raises
    ------
    sqlite3.Error
        It cannot be opened, or is broken.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _set_up(connection)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        if (application, version, *(row[0] for row in tables)) != (_APPLICATION, VERSION, *_SCHEMA):
            raise ForeignFile("not a cache of this package and version")
    except BaseException:
        connection.close()
        raise
    return connection


def set_aside(path: Path) -> None:
    """Rename a broken file, unless another process has done so, and delete the one set aside before.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    broken = path.with_name(path.name + ".broken")
    try:
        path.rename(broken)
    except FileNotFoundError:
        return
    for end in ("-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + end).rename(broken.with_name(broken.name + end))
    for other in path.parent.iterdir():
        # Only of this version, and lower ones: the highest number keeps the names from being used again.
        match = _NAME.match(other.name)
        if match and match[2] and match[0] < broken.name:
            other.unlink(missing_ok=True)


def delete_strays(folder: Path, kept: Path, seconds: float) -> None:
    """Delete files of other versions, set aside or half made, that nobody has written to for so long."""
    before = time.time() - seconds
    for path in folder.iterdir():
        last = _NAME.match(path.name)
        if _OURS.fullmatch(path.name) and not path.name.startswith(kept.name):
            if last and last[0] > kept.name:
                continue
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()


def _make(path: Path) -> None:
    """Make an empty cache beside `path` and give it that name, unless another process was first."""
    new = path.with_name(f".new-{secrets.token_hex(8)}.sqlite3")
    try:
        connection = sqlite3.connect(new, isolation_level=None)
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            for statement in _SCHEMA:
                connection.execute(statement)
        finally:
            connection.close()
        with suppress(FileExistsError):
            os.link(new, path)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            new.with_name(new.name + end).unlink(missing_ok=True)


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    # The last entries may be lost with the power, but never the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 16777216")
