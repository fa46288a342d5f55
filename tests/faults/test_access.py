"""Keys and limits while Redis and PostgreSQL are killed, frozen and restarted under a server that is being asked.

Two applications around made-up engines, on a real PostgreSQL and a real Redis.
"""

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from faults.proxy import FaultProxy, flipped
from services.run import postgres, redis
from starlette.testclient import TestClient

from olfactory_transformer.api.app import create_app
from olfactory_transformer.api.ratelimit.memory import MemoryLimiter
from olfactory_transformer.api.ratelimit.redis import RedisLimiter
from olfactory_transformer.core.errors import DatabaseError
from olfactory_transformer.database.audit import AuditStore
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keys import KeyStore
from olfactory_transformer.database.upgrade import upgrade
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.settings import Settings

SOON = 60  # seconds, on a busy machine


def until(true, seconds=SOON):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@contextmanager
def serving(**settings):
    with TestClient(create_app(Settings(**settings), FakeEngine())) as client:
        yield client


def ask(client, key=None):
    return client.get("/v1/words", headers={} if key is None else {"X-API-Key": key})


@pytest.fixture(scope="module")
def redis_service():
    with redis() as service:
        yield service


@pytest.fixture
def shared(redis_service):
    """Redis, empty and running at the begin and the end of a test."""
    redis_service.process.poll() is None or redis_service.start()
    until(lambda: asyncio.run(flushed(redis_service.url)))
    yield redis_service
    redis_service.process.poll() is None or redis_service.start()
    redis_service.signal(signal.SIGCONT)


async def flushed(url):
    from redis.asyncio import Redis

    async with Redis.from_url(url) as client:
        return await client.flushall()


def test_two_servers_share_one_quota(shared):
    # Each has its own thread, event loop and connection; a generous time limit, as the machine may be busy.
    settings = {"redis_url": shared.url, "redis_timeout_ms": 10_000, "rate_limit_per_minute": 30}
    began = time.monotonic()
    with serving(**settings) as one, serving(**settings) as other:
        statuses = Counter()

        def work(client):
            for _ in range(40):
                statuses[ask(client).status_code] += 1

        threads = [threading.Thread(target=work, args=(client,)) for client in (one, other) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one.app.state.access.limits == other.app.state.access.limits == "shared"
    spent = time.monotonic() - began
    assert statuses[200] + statuses[429] == 160
    assert 30 <= statuses[200] <= 30 + spent * 30 / 60 + 1


def test_redis_killed_under_load_and_back(shared):
    with serving(redis_url=shared.url, redis_timeout_ms=2000, rate_limit_per_minute=20) as client:
        assert [ask(client).status_code for _ in range(15)] == [200] * 15
        shared.kill()
        # What was let through before is known to this server: it does not start anew.
        statuses = [ask(client).status_code for _ in range(20)]
        assert set(statuses) == {200, 429} and statuses.count(200) <= 5 + 5
        until(lambda: client.app.state.access.limits == "local" or not ask(client))
        ready = client.get("/ready")
        assert ready.status_code == 200 and "rate-limits" in ready.text
        shared.start()
        until(lambda: ask(client) and client.app.state.access.limits == "shared")
        assert "rate-limits" not in client.get("/ready").text


def test_redis_frozen_costs_its_time_limit_a_few_times_and_then_nothing(shared):
    with serving(redis_url=shared.url, redis_timeout_ms=2000, rate_limit_per_minute=1_000_000) as client:
        until(lambda: ask(client) and client.app.state.access.limits == "shared")
        shared.signal(signal.SIGSTOP)
        try:
            slow = [timed(client) for _ in range(3)]
            until(lambda: timed(client) < 1 and client.app.state.access.limits == "local")
            assert all(span < SOON for span in slow)
            quick = sorted(timed(client) for _ in range(20))
            assert quick[10] < 1  # the median does not wait for Redis
        finally:
            shared.signal(signal.SIGCONT)
        until(lambda: ask(client) and client.app.state.access.limits == "shared")


def timed(client):
    began = time.monotonic()
    assert ask(client).status_code == 200
    return time.monotonic() - began


FAULTS = {
    "slow": {"delay": 1.0},
    "half-open": {"stall": True},
    "reset": {"reset": True},
    "refused": {"refuse": True},
    "cut": {"cut_after": 3},
    "dripping": {"drip": 0.2},
    "garbage": {"alter": lambda piece: b"!garbage" * 10},
    "flipped bits": {"alter": flipped},
    "HTTP": {"alter": lambda piece: b"HTTP/1.1 400 Bad Request\r\n\r\n"},
    "nonsense that parses": {"alter": lambda piece: b"+OK\r\n"},
    "another length": {"alter": lambda piece: b"*3\r\n:1\r\n:2\r\n:3\r\n"},
    "texts": {"alter": lambda piece: b"*1\r\n$2\r\nxx\r\n"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_line_to_redis_never_fails_a_request(shared, name):
    with FaultProxy("127.0.0.1", shared.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"

        async def work():
            limiter = RedisLimiter(url, 0.3, MemoryLimiter(), pause=0.1, longest_pause=0.1)
            try:
                assert (await limiter.take("a", 100_000)).allowed
                with proxy.fault(**FAULTS[name]):
                    began = time.monotonic()
                    for _ in range(20):
                        decisions = await asyncio.gather(*(limiter.take("a", 100_000) for _ in range(20)))
                        assert all(decision.allowed for decision in decisions)
                    assert time.monotonic() - began < SOON
                    assert limiter.breaker.state != "closed" or name == "flipped bits"
                end = time.monotonic() + SOON
                while not ((await limiter.take("a", 100_000)).allowed and limiter.breaker.state == "closed"):
                    assert time.monotonic() < end
                    await asyncio.sleep(0.02)
            finally:
                await limiter.close()

        asyncio.run(work())


@pytest.mark.parametrize(
    "options", [["--requirepass", "secret"], ["--maxmemory", "1", "--maxmemory-policy", "noeviction"]]
)
def test_a_redis_that_refuses_is_done_without(options):
    with (
        redis(*options) as service,
        serving(redis_url=service.url, redis_timeout_ms=5000, rate_limit_per_minute=5) as client,
    ):
        assert [ask(client).status_code for _ in range(7)] == [200] * 5 + [429] * 2
        assert client.app.state.access.limits == "local"


@pytest.fixture(scope="module")
def postgres_service():
    with postgres() as service:
        yield service


@pytest.fixture
def keys(postgres_service):
    """PostgreSQL with a fresh database, running at the begin and the end of a test; its URL and its keys."""
    engine = sa.create_engine(postgres_service.url, isolation_level="AUTOCOMMIT")
    name = f"t{time.time_ns()}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    url = postgres_service.url.removesuffix("postgres") + name
    yield url
    postgres_service.signal(signal.SIGCONT)
    postgres_service.process.poll() is None or restarted(postgres_service)


def restarted(service):
    (service.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
    service.start()


def stored(url):
    database = Database(url)
    until(lambda: answers(database))
    upgrade(database)
    return KeyStore(database)


def answers(database):
    try:
        with database.reading() as session:
            return session.scalar(sa.text("SELECT 1"))
    except DatabaseError:
        return None


def hurry(client, monkeypatch):
    """Make every look-up out of date at once, so that the database is asked each time."""
    from olfactory_transformer.api.access import directory

    monkeypatch.setattr(directory, "AHEAD", 0.0)
    monkeypatch.setattr(directory, "FRESH", 0.0)


def test_postgres_killed_and_back(postgres_service, keys, monkeypatch):
    store = stored(keys)
    (known, made), (other, _) = store.create("known"), store.create("other")
    with serving(api_key_required=True, database_url=keys) as client:
        hurry(client, monkeypatch)
        assert ask(client, known).status_code == 200
        postgres_service.kill()
        for _ in range(20):
            assert ask(client, known).status_code == 200
            reply = ask(client, other)
            assert (reply.status_code, reply.json()["code"]) == (503, "database-down")
            assert int(reply.headers["retry-after"]) >= 1
        assert "keys" in client.get("/ready").text
        restarted(postgres_service)
        until(lambda: ask(client, other).status_code == 200)
        assert ask(client, known).status_code == 200
        audit = client.app.state.access.audit
        assert audit.dropped == 0
        # What happened meanwhile is written once the database is back.
        until(lambda: sum(row.times for row in AuditStore(Database(keys)).newest(key_id=made.id)) >= 22)


def test_an_sqlite_file_that_is_gone_and_back(tmp_path, monkeypatch):
    path = tmp_path / "keys.db"
    url = f"sqlite:///{path}"
    upgrade(Database(url))
    store = KeyStore(Database(url))
    (known, _), (other, _) = store.create("known"), store.create("other")
    with serving(api_key_required=True, database_url=url) as client:
        hurry(client, monkeypatch)
        assert ask(client, known).status_code == 200
        path.rename(tmp_path / "elsewhere")
        for _ in range(20):
            assert ask(client, known).status_code == 200
            reply = ask(client, other)
            assert (reply.status_code, reply.json()["code"]) == (503, "database-down")
        assert "keys" in client.get("/ready").text
        assert not path.exists()  # an empty one would know no key
        (tmp_path / "elsewhere").rename(path)
        until(lambda: ask(client, other).status_code == 200)


def test_postgres_frozen(postgres_service, keys, monkeypatch):
    store = stored(keys)
    known, _ = store.create("known")
    others = [store.create("other")[0] for _ in range(5)]
    with serving(api_key_required=True, database_url=keys) as client:
        hurry(client, monkeypatch)
        assert ask(client, known).status_code == 200
        frozen = processes(postgres_service)
        for pid in frozen:
            signal_to(pid, signal.SIGSTOP)
        try:
            for other in others:
                assert ask(client, known).status_code == 200
                assert ask(client, other).status_code == 503
            quick = sorted(span for _ in range(20) if (span := known_in(client, known)))
            assert quick[10] < 1  # the median does not wait for the database
        finally:
            for pid in frozen:
                signal_to(pid, signal.SIGCONT)
        for other in others:
            until(lambda other=other: ask(client, other).status_code == 200)


def known_in(client, key):
    began = time.monotonic()
    assert ask(client, key).status_code == 200
    return time.monotonic() - began


def processes(service):
    """PostgreSQL's processes: each connection has its own, in a group of its own."""
    found = [service.process.pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == service.process.pid:
            found.append(int(stat.parent.name))
    return found


def signal_to(pid, number):
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def test_started_while_postgres_is_away(postgres_service, keys):
    text, _ = stored(keys).create("x")
    postgres_service.kill()
    environment = "a-key-of-the-environment"
    with serving(api_key_required=True, database_url=keys, api_keys=environment) as client:
        assert ask(client, text).status_code == 503
        assert ask(client, environment).status_code == 200
        restarted(postgres_service)
        until(lambda: ask(client, text).status_code == 200)


def test_a_server_that_ends_while_postgres_is_frozen_still_ends(postgres_service, keys):
    text, _ = stored(keys).create("x")
    began = time.monotonic()
    with serving(api_key_required=True, database_url=keys) as client:
        assert ask(client, text).status_code == 200
        frozen = processes(postgres_service)
        for pid in frozen:
            signal_to(pid, signal.SIGSTOP)
    try:
        assert time.monotonic() - began < SOON
    finally:
        for pid in frozen:
            signal_to(pid, signal.SIGCONT)
