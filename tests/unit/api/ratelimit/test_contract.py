"""What every limiter keeps, in memory and in a real Redis."""

import asyncio
import time

import pytest
from services.run import redis

from olfactory_transformer.api.ratelimit.memory import MemoryLimiter
from olfactory_transformer.api.ratelimit.redis import RedisLimiter


@pytest.fixture(scope="module")
def service():
    with redis() as service:
        yield service


@pytest.fixture(params=["memory", "redis"])
def within(request):
    """Run a coroutine function with a limiter of its own, and return what it returns."""

    def make():
        if request.param == "memory":
            return MemoryLimiter()
        # Generous, as the tests' machine may be busy: here Redis is never away.
        return RedisLimiter(request.getfixturevalue("service").url, 10, MemoryLimiter())

    def run(work):
        async def whole():
            limiter = make()
            try:
                return await work(limiter)
            finally:
                await limiter.close()
                await limiter.close()

        return asyncio.run(whole())

    run.name = f"{request.node.name}-{time.time_ns()}"
    return run


def test_a_burst_is_the_quota(within):
    async def work(limiter):
        return [await limiter.take(within.name, 5) for _ in range(8)]

    decisions = within(work)
    assert [d.allowed for d in decisions] == [True] * 5 + [False] * 3
    assert [d.remaining for d in decisions[:5]] == [4, 3, 2, 1, 0]
    assert {d.limit for d in decisions} == {5}
    assert all(0 < d.retry_after <= 12 for d in decisions[5:])


def test_after_waiting_as_told_it_is_allowed(within):
    async def work(limiter):
        limit = 240  # one each quarter of a second
        while (decision := await limiter.take(within.name, limit)).allowed:
            pass
        await asyncio.sleep(decision.retry_after)
        return decision, await limiter.take(within.name, limit)

    refused, then = within(work)
    assert 0 < refused.retry_after <= 0.25 and then.allowed


def test_who_is_refused_is_not_punished(within):
    async def work(limiter):
        await limiter.take(within.name, 1)
        first = await limiter.take(within.name, 1)
        for _ in range(50):
            last = await limiter.take(within.name, 1)
        return first, last

    first, last = within(work)
    assert last.retry_after <= first.retry_after


def test_callers_do_not_share(within):
    async def work(limiter):
        return [(await limiter.take(f"{within.name}-{who}", 1)).allowed for who in "abca"]

    assert within(work) == [True, True, True, False]


def test_costs(within):
    async def work(limiter):
        return [await limiter.take(within.name, 10, cost) for cost in (4, 4, 4, 2, 1)]

    decisions = within(work)
    assert [d.allowed for d in decisions] == [True, True, False, True, False]
    assert 6 < decisions[2].retry_after <= 12 and decisions[2].remaining == 2


def test_another_limit_takes_effect_at_once(within):
    async def work(limiter):
        for _ in range(5):
            await limiter.take(within.name, 10)
        return [(await limiter.take(within.name, limit)).allowed for limit in (1, 10)]

    assert within(work) == [False, True]


def test_many_at_once_never_exceed_it(within):
    async def work(limiter):
        decisions = await asyncio.gather(*(limiter.take(within.name, 50) for _ in range(600)))
        return sum(d.allowed for d in decisions)

    began = time.monotonic()
    allowed = within(work)
    assert 50 <= allowed <= 50 + (time.monotonic() - began) * 50 / 60 + 1


def test_names_may_be_anything(within):
    async def work(limiter):
        return [
            (await limiter.take(name, 3)).allowed
            for name in ("", " ", "é\x00", "x" * 10_000, "2001:db8::/64")
        ]

    assert within(work) == [True] * 5
