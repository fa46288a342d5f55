"""The wall clock of a running server jumps, as when NTP sets it or a machine wakes up."""

import time
from pathlib import Path

import pytest
from faults.server import Load, Probe, fresh, predict, server_of, singles, statuses, until

HOUR = 3600


@pytest.fixture
def clock(tmp_path):
    """A file that says by how much the clock is off; see faketime(1)."""
    file = tmp_path / "clock"

    def set_off(seconds):
        new = tmp_path / "new"
        new.write_text(f"{seconds:+d}\n")
        new.replace(file)

    set_off(0)
    return file, set_off


@pytest.fixture
def server(small_model, clock, tmp_path):
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")  # tests/services/install.sh
    faked = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": clock[0],
        "FAKETIME_CACHE_DURATION": 1,
        "FAKETIME_DONT_FAKE_MONOTONIC": 1,  # no clock that is set changes that one
    }
    options = {"RATE_LIMIT_PER_MINUTE": 6000, "CACHE_DIR": tmp_path / "cache", "STALL_TIMEOUT": 5}
    with server_of(MODEL_PATH=small_model, MAX_WORKERS=2, **options, **faked) as running:
        yield running


def date(server):
    """Return how far its clock is from ours, in seconds, by the date of a reply."""
    from email.utils import parsedate_to_datetime

    return parsedate_to_datetime(server.get("/health").headers["Date"]).timestamp() - time.time()


def test_a_clock_that_jumps_disturbs_nothing(server, clock, matrix, heavy):
    row = matrix(
        "clock jump",
        "libfaketime: two days forward, then back to two days ago, under load",
        "no request fails, no process is replaced, nobody is locked out by the rate limit",
    )
    _, set_off = clock
    rate, seconds = (60, 30) if heavy else (20, 5)
    with Probe(server) as probe, Load(server, singles(fresh()), rate=rate, seconds=seconds) as load:
        began = time.monotonic()
        time.sleep(seconds / 8)
        set_off(48 * HOUR)
        until(lambda: date(server) > 47 * HOUR, "the clock has jumped")
        assert predict(server, "CCO").status_code == 200
        time.sleep(seconds / 4)
        set_off(-48 * HOUR)
        until(lambda: date(server) < -47 * HOUR, "the clock has jumped back")
        assert predict(server, "CCO").status_code == 200
        result = load.result()
    assert result.failed == 0, result.outcomes
    assert probe.seen(began) == {200}
    assert server.metric("olfactory_worker_restarts_total") == 0, [
        x for x in server.log.splitlines() if "engine" in x
    ]
    assert server.metric("olfactory_engine_ready") == 1
    row.seen = f"{statuses(result)}; /ready 200 throughout"
    row.metric = "olfactory_engine_ready, olfactory_worker_restarts_total"
