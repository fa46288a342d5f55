"""The disk under a running server's cache fills, cannot be written, or lies, and no request fails."""

import os
import subprocess
from contextlib import suppress

import pytest
from faults.server import Load, Probe, fresh, predict, server_of, singles, statuses, until

ERRORS, HITS = "olfactory_cache_errors_total", "olfactory_cache_hits_total"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A disk of its own, with room for all that the tests write."""
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def server(small_model, disk):
    # Nothing in memory, so that every request asks the disk.
    with server_of(MODEL_PATH=small_model, CACHE_SIZE=0, CACHE_DIR=disk) as running:
        assert predict(running, "CCO").status_code == 200
        until(lambda: hit(running), "the disk is used")
        yield running


def hit(server, text="CCO"):
    """Ask, and tell whether the disk knew the answer."""
    before = server.metric(HITS, tier="disk")
    assert predict(server, text).status_code == 200
    return server.metric(HITS, tier="disk") > before


def loaded(server, start, heavy):
    """Ask for new molecules, which are written, and for known ones, which are read."""
    texts = [text for new in fresh(start)[: 1000 if heavy else 30] for text in (new, "CCO")]
    with Probe(server) as probe, Load(server, singles(texts), rate=40, seconds=len(texts) / 40) as load:
        result = load.result()
    assert result.failed == 0, result.outcomes
    assert {status for _, status in probe.changes} == {200}
    return result


def errors_seen(server, before):
    return until(lambda: server.metric(ERRORS, tier="disk") > before, "errors are counted")


def fill(folder):
    """Write until nothing more fits, and return the file that takes the room."""
    filler = folder / "filler"
    with suppress(OSError), filler.open("wb", 0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_a_disk_that_fills_up(server, disk, matrix, heavy):
    row = matrix(
        "disk full", "a file fills the disk of CACHE_DIR", "every request 200; used again when there is room"
    )
    before = server.metric(ERRORS, tier="disk")
    filler = fill(disk)
    result = loaded(server, 0, heavy)
    errors_seen(server, before)
    filler.unlink()
    new = fresh(100)[0]
    row.recovery = until(lambda: hit(server, new), "the disk is written again")
    row.seen, row.metric = statuses(result), f'{ERRORS}{{tier="disk"}}, olfactory_cache_available'


def test_a_file_that_is_overwritten(server, disk, matrix, heavy):
    row = matrix(
        "disk corrupt",
        "the cache's file is overwritten with noise",
        "every request 200; used again by itself",
    )
    before = server.metric(ERRORS, tier="disk")
    files = [path for path in disk.iterdir() if path.suffix not in (".lock",)]
    assert files
    for path in files:
        path.write_bytes(os.urandom(max(8192, path.stat().st_size)))
    result = loaded(server, 200, heavy)
    errors_seen(server, before)
    row.recovery = until(lambda: hit(server, "CCCCO"), "the disk is used again")
    row.seen, row.metric = statuses(result), f'{ERRORS}{{tier="disk"}}'


def test_a_disk_that_cannot_be_written_from_the_start(small_model, tmp_path, matrix, heavy):
    row = matrix(
        "disk read-only", "CACHE_DIR on a file system that is mounted read-only", "starts; every request 200"
    )
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,ro", "none", str(tmp_path)], check=True)
    try:
        with server_of(MODEL_PATH=small_model, CACHE_SIZE=0, CACHE_DIR=tmp_path) as server:
            result = loaded(server, 300, heavy)
            errors_seen(server, 0)
            subprocess.run(["mount", "-o", "remount,rw", str(tmp_path)], check=True)
            row.recovery = until(lambda: hit(server), "the disk is used")
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
    row.seen, row.metric = statuses(result), f'{ERRORS}{{tier="disk"}}'
