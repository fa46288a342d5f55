"""Whatever happens to the disk and the file, a look-up is at worst a counted miss, and the cache heals itself."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from olfactory_transformer.utils.stores.disk import DiskStore
from olfactory_transformer.utils.stores.sqlite_file import _SCHEMA

MIB = 2**20
PAUSE = 0.05
VALUE = bytes(range(256)) * 12
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def opened(folder: Path, **options) -> DiskStore:
    return DiskStore(folder, 64 * MIB, 3600, **({"pause": PAUSE, "longest_pause": PAUSE} | options))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm")))


@pytest.fixture
def filled(tmp_path):
    """A folder with the file of a store that was closed: 200 entries."""
    store = opened(tmp_path / "cache")
    store.set_many({f"key-{i}": VALUE for i in range(200)})
    store.close()
    return tmp_path / "cache"


def heals(store: DiskStore, errors: int = 1) -> None:
    """See that after at most a few misses entries are kept again."""
    deadline = time.monotonic() + 20
    while store.get_many(["new"]) != [VALUE]:
        store.set_many({"new": VALUE})
        assert time.monotonic() < deadline
        time.sleep(PAUSE / 2)
    stats = store.stats()
    assert stats.errors >= errors and stats.available


# -- the file ------------------------------------------------------------------------------------------------


def overwritten(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def half(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def few_bytes(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(50)


def header_only(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(4096)


def text(path: Path) -> None:
    path.write_text("smiles,words\n" * 100)


def other_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a, b)")
    connection.close()


def other_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def with_a_trigger(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER evil AFTER INSERT ON entry BEGIN DELETE FROM entry; END")
    connection.close()


def without_an_index(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX entry_used")
    connection.close()


def in_a_view(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE entry")
        connection.execute("CREATE VIEW entry AS SELECT 'a' AS key, 1 AS value, 2 AS written, 3 AS used")
    connection.close()


BROKEN = [
    overwritten, emptied, half, few_bytes, header_only, text, other_database, other_version, with_a_trigger,
    without_an_index, in_a_view,
]  # fmt: skip


@pytest.mark.parametrize("harm", BROKEN, ids=lambda harm: harm.__name__)
def test_a_broken_file_is_set_aside(filled, harm, caplog):
    harm(filled / "cache-v1-000001.sqlite3")
    store = opened(filled)
    for i in range(200):
        assert store.get_many([f"key-{i}"]) in ([None], [VALUE])
    # What is half there may be read until the other half is met.
    store.stats(count=True)
    store.set_many({f"more-{i}": VALUE for i in range(500)})
    heals(store)
    assert files(filled) == ["cache-v1-000001.sqlite3.broken", "cache-v1-000002.sqlite3"]
    assert "broken" in caplog.text


@pytest.mark.parametrize("harm", BROKEN[:6], ids=lambda harm: harm.__name__)
def test_a_file_that_breaks_while_it_is_open(tmp_path, harm):
    stores = [opened(tmp_path) for _ in range(3)]
    for store in stores:
        store.set_many({f"key-{i}": VALUE for i in range(200)})
    harm(tmp_path / "cache-v1-000001.sqlite3")
    for _ in range(3):
        for store in stores:
            found = store.get_many([f"key-{i}" for i in range(200)])
            assert all(value in (None, VALUE) for value in found)
            store.set_many({"new": VALUE})
    for store in stores:
        heals(store, errors=0)
    again = opened(tmp_path)
    heals(again, errors=0)
    # All ended up with the same file.
    stores[0].set_many({"last": b"1"})
    assert [store.get_many(["last"]) for store in (*stores, again)] == [[b"1"]] * 4


def test_a_torn_log_loses_only_what_was_in_it(tmp_path):
    store = opened(tmp_path)
    store.set_many({"a": VALUE})
    wal = tmp_path / "cache-v1-000001.sqlite3-wal"
    copy = tmp_path / "copy"
    copy.mkdir()
    data = wal.read_bytes()
    shutil.copy(tmp_path / "cache-v1-000001.sqlite3", copy)
    (copy / wal.name).write_bytes(data[: len(data) // 2] + os.urandom(len(data) // 2))
    again = opened(copy)
    assert again.get_many(["a"]) == [None]
    heals(again, errors=0)


def test_flipped_bits_in_a_value_are_a_miss(filled):
    path = filled / "cache-v1-000001.sqlite3"
    data = bytearray(path.read_bytes())
    place = data.find(VALUE[:2000], len(data) // 2)
    data[place + 1000] ^= 1
    path.write_bytes(data)
    store = opened(filled)
    found = store.get_many([f"key-{i}" for i in range(200)])
    stats = store.stats()
    assert found.count(None) == 1 and (stats.hits, stats.misses, stats.errors) == (199, 1, 1)
    assert stats.fault == "damaged entry" and stats.available
    lost = f"key-{found.index(None)}"
    store.set_many({lost: VALUE})
    assert store.get_many([lost]) == [VALUE] and files(filled) == [path.name]


def test_rows_of_wrong_types_are_misses(filled):
    with sqlite3.connect(filled / "cache-v1-000001.sqlite3") as connection:
        connection.execute("UPDATE entry SET value = 7 WHERE key = 'key-1'")
        connection.execute("UPDATE entry SET value = 'text' WHERE key = 'key-2'")
        connection.execute("UPDATE entry SET written = 'now' WHERE key = 'key-3'")
        connection.execute("UPDATE entry SET used = 'then' WHERE key = 'key-4'")
        connection.execute("DELETE FROM entry WHERE key = 'key-6'")
        connection.execute("UPDATE entry SET key = 'key-6' WHERE key = 'key-5'")
    connection.close()
    store = opened(filled)
    assert store.get_many([f"key-{i}" for i in range(7)]) == [VALUE, None, None, None, VALUE, None, None]
    assert store.stats().available


def test_only_the_newest_broken_file_is_kept(tmp_path):
    for number in range(1, 5):
        store = opened(tmp_path)
        store.set_many({"a": b"1"})
        store.close()
        text(tmp_path / f"cache-v1-{number:06d}.sqlite3")
    heals(opened(tmp_path))
    assert files(tmp_path) == ["cache-v1-000004.sqlite3.broken", "cache-v1-000005.sqlite3"]


def test_the_schema_that_is_compared_is_the_one_that_is_made(filled):
    with sqlite3.connect(filled / "cache-v1-000001.sqlite3") as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    assert [row[0] for row in rows] == list(_SCHEMA)


# -- the disk ------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def never_fails(store: DiskStore, known: bytes | None) -> None:
    for i in range(20):
        store.set_many({f"new-{i}": VALUE * 10})
        assert store.get_many(["known"]) == [known]
        assert store.get_many([f"new-{i}"])[0] in (None, VALUE * 10)


@ROOT
def test_a_full_disk_is_read_on_and_written_when_there_is_room(small_disk, caplog):
    store = opened(small_disk, pause=0.2, longest_pause=0.2)
    store.set_many({"known": VALUE})
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", 0) as file:
        while True:
            file.write(bytes(4096))
    never_fails(store, VALUE)
    stats = store.stats()
    assert stats.fault == "SQLITE_FULL" and not stats.available and 3 <= stats.errors <= 15
    assert "left alone after failures (SQLITE_FULL)" in caplog.text
    filler.unlink()
    heals(store)
    assert store.get_many(["known"]) == [VALUE]


@ROOT
def test_a_disk_that_is_full_from_the_start(small_disk):
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", 0) as file:
        while True:
            file.write(bytes(4096))
    store = opened(small_disk)
    never_fails(store, None)
    filler.unlink()
    heals(store)


@ROOT
@pytest.mark.parametrize("entries", [0, 1])
def test_a_read_only_disk(small_disk, entries):
    before = opened(small_disk)
    if entries:
        before.set_many({"known": VALUE})
    before.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    store = opened(small_disk)
    for i in range(20):
        store.set_many({f"new-{i}": VALUE})
        assert store.get_many(["known"])[0] in (None, VALUE)
    assert store.stats().errors and not store.stats().available
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    heals(store)


@ROOT
def test_it_becomes_read_only(small_disk):
    store = opened(small_disk)
    store.set_many({"known": VALUE})
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=False)
    for i in range(5):
        store.set_many({f"new-{i}": VALUE})
        assert store.get_many(["known"])[0] in (None, VALUE)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    heals(store, errors=0)


def run(code: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=120, **options,
    )  # fmt: skip


def test_a_limit_on_the_size_of_files(tmp_path):
    code = """
        import resource, sys
        from pathlib import Path
        from olfactory_transformer.utils.stores.disk import DiskStore
        store = DiskStore(Path(sys.argv[1]), 2**26, 3600)
        store.set_many({"known": b"1"})
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        for i in range(50):
            store.set_many({f"new-{i}": bytes(20_000)})
            assert store.get_many(["known"]) == [b"1"]
        print(store.stats().fault, store.stats().available)
    """
    done = run(code, tmp_path)
    assert done.stderr == "" or "left alone" in done.stderr
    assert done.stdout in ("SQLITE_FULL False\n", "SQLITE_IOERR_WRITE False\n"), done.stderr
    heals(opened(tmp_path), errors=0)


@pytest.mark.skipif(os.geteuid() != 0, reason="changes to another user")
def test_a_folder_of_somebody_else(tmp_path):
    code = """
        import os, sys
        from pathlib import Path
        from olfactory_transformer.utils.stores.disk import DiskStore
        folder = Path(sys.argv[1])
        os.setgid(65534)
        os.setuid(65534)
        store = DiskStore(folder, 2**26, 3600)
        for i in range(5):
            store.set_many({"known": b"2"})
            print(store.get_many(["known"])[0])
        print(store.stats().errors > 0, store.stats().available)
    """
    for mode in (0o755, 0o700):
        folder = tmp_path / oct(mode) / "cache"
        folder.mkdir(parents=True)
        store = opened(folder)
        store.set_many({"known": b"1"})
        store.close()
        folder.chmod(mode)
        for above in (tmp_path, *tmp_path.parents):
            if above.stat().st_uid == os.geteuid() and above not in (Path("/"), Path("/tmp")):
                above.chmod(0o755)
        done = run(code, folder)
        *found, last = done.stdout.splitlines()
        assert set(found) <= {"None", "b'1'"} and last == "True False", done.stderr


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "cache").write_text("in the way")
    store = opened(tmp_path / "cache")
    for _ in range(5):
        store.set_many({"a": VALUE})
        assert store.get_many(["a"]) == [None]
    assert store.stats().fault and not store.stats().available
    (tmp_path / "cache").unlink()
    heals(store)


def test_another_writer_that_does_not_end(tmp_path):
    store = opened(tmp_path, busy=0.05)
    store.set_many({"known": VALUE})
    blocker = sqlite3.connect(store.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    for i in range(10):
        store.set_many({f"new-{i}": VALUE})
        assert store.get_many(["known"]) == [VALUE]
    assert store.stats().fault == "SQLITE_BUSY"
    blocker.execute("ROLLBACK")
    blocker.close()
    heals(store)


# -- processes -----------------------------------------------------------------------------------------------

WRITER = """
    import sys
    from pathlib import Path
    from olfactory_transformer.utils.stores.disk import DiskStore
    store = DiskStore(Path(sys.argv[1]), int(sys.argv[3]), 3600, busy=10)
    print("ready", flush=True)
    i = 0
    while i < int(sys.argv[4]):
        store.set_many({f"{sys.argv[2]}-{i * 8 + j}": f"{sys.argv[2]}-{i * 8 + j}".encode() * 300 for j in range(8)})
        keys = [f"{sys.argv[2]}-{k}" for k in range(max(0, i * 8 - 40), i * 8)]
        for key, value in zip(keys, store.get_many(keys)):
            assert value in (None, key.encode() * 300), key
        i += 1
    print(store.stats().errors)
    store.close()
"""


def writer(folder: Path, name: str, size: int = 64 * MIB, rounds: int = 10**9) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder), name, str(size), str(rounds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_writers_that_are_killed_leave_a_whole_file(tmp_path):
    for round_ in range(5):
        processes = [writer(tmp_path, f"{round_}{name}") for name in "ab"]
        time.sleep(0.3)
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        with sqlite3.connect(tmp_path / "cache-v1-000001.sqlite3") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
    store = opened(tmp_path)
    keys = [f"{round_}{name}-{i}" for round_ in range(5) for name in "ab" for i in range(8)]
    found = store.get_many(keys)
    assert found.count(None) < len(keys)
    assert all(value in (None, key.encode() * 300) for key, value in zip(keys, found, strict=True))
    assert store.stats().errors == 0
    heals(store, errors=0)


def test_many_processes_at_once_stay_within_the_size(tmp_path):
    processes = [writer(tmp_path, name, 2 * MIB, rounds=100) for name in "abcd"]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert out == "0\n" and err == "" and process.returncode == 0
    with sqlite3.connect(tmp_path / "cache-v1-000001.sqlite3") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM entry").fetchone()[0] > 200
    connection.close()
    assert files(tmp_path) == ["cache-v1-000001.sqlite3"]
    assert (tmp_path / "cache-v1-000001.sqlite3").stat().st_size < 3 * MIB


def test_processes_go_on_when_the_file_breaks(tmp_path):
    processes = [writer(tmp_path, name, rounds=150) for name in "ab"]
    time.sleep(0.3)
    overwritten(tmp_path / "cache-v1-000001.sqlite3")
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    heals(opened(tmp_path), errors=0)


def test_what_is_logged_names_no_key(filled, caplog):
    caplog.set_level(logging.DEBUG)
    overwritten(filled / "cache-v1-000001.sqlite3")
    store = opened(filled)
    store.get_many(["a-secret-molecule"])
    store.set_many({"a-secret-molecule": VALUE})
    assert caplog.records and "a-secret" not in caplog.text
