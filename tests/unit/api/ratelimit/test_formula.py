"""GCRA as written down in the contract, against a bucket simulated step by step; the script in Redis, against both."""

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from services.run import redis

from olfactory_transformer.api.ratelimit.contract import Decision, interval_of
from olfactory_transformer.api.ratelimit.memory import MemoryLimiter
from olfactory_transformer.api.ratelimit.redis import _SCRIPT

STEPS = st.lists(st.tuples(st.integers(0, 90_000_000), st.integers(1, 3)), max_size=60)  # microseconds, cost
LIMITS = st.sampled_from([1, 3, 7, 60, 100, 1000, 59_999, 1_000_000])


class Bucket:
    """The same rule told otherwise: `limit` tokens, one more each interval, in exact arithmetic."""

    def __init__(self, limit):
        self.limit, self.tokens, self.at = limit, Fraction(limit), 0

    def take(self, now, cost):
        self.tokens = min(self.tokens + Fraction(now - self.at, interval_of(self.limit)), self.limit)
        self.at = now
        allowed = self.tokens >= cost
        self.tokens -= cost if allowed else 0
        return allowed


@given(LIMITS, STEPS)
def test_memory_is_a_bucket(limit, steps):
    now = 10**15
    limiter, bucket = MemoryLimiter(clock=lambda: now * 1000), Bucket(limit)
    bucket.at = now
    for pause, cost in steps:
        now += pause
        decision = limiter.take_now("a", limit, min(cost, limit))
        assert decision.allowed == bucket.take(now, min(cost, limit))
        assert decision.remaining == int(bucket.tokens)
        if decision.allowed:
            assert decision.retry_after == 0
        else:
            missing = (min(cost, limit) - bucket.tokens) * interval_of(limit)
            assert decision.retry_after * 1e6 == pytest.approx(float(missing), abs=1)


@pytest.fixture(scope="module")
def script():
    with redis() as service, Redis.from_url(service.url) as client:
        clock = "local clock = redis.call('TIME')\nlocal now = clock[1] * 1000000 + clock[2]"
        assert clock in _SCRIPT
        timed = _SCRIPT.replace(clock, "local now = tonumber(ARGV[#ARGV])").replace(
            ", 'PX', math.ceil(after / 1000)",
            "",  # by which the real clock would take entries away
        )
        yield client, client.register_script(timed)


@given(LIMITS, STEPS)
@settings(max_examples=30, deadline=None)
def test_redis_is_the_same_bucket(script, limit, steps):
    client, timed = script
    client.flushall()
    now = 1_800_000_000_000_000
    bucket = Bucket(limit)
    bucket.at = now
    for pause, cost in steps:
        now, cost = now + pause, min(cost, limit)
        level = timed(["a"], [interval_of(limit), limit, cost, now])[0]
        decision = Decision.of(level >= 0, level if level >= 0 else -1 - level, limit, cost)
        assert decision.allowed == bucket.take(now, cost)
        assert decision.remaining == int(bucket.tokens)


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-inf", "1e308", "-1", "9" * 400])
def test_foreign_values_in_redis_end_within_a_minute(script, value):
    client, timed = script
    now = 1_800_000_000_000_000
    client.set("b", value)
    timed(["b"], [interval_of(10), 10, 1, now])
    assert timed(["b"], [interval_of(10), 10, 1, now + 60_000_000]) == [6_000_000]


def test_a_clock_set_back_costs_at_most_a_minute(script):
    client, timed = script
    client.flushall()
    now = 1_800_000_000_000_000
    assert timed(["c"], [interval_of(10), 10, 1, now + 86_400_000_000])[0] > 0
    assert timed(["c"], [interval_of(10), 10, 1, now]) == [-60_000_001]  # it counts as used up
    assert timed(["c"], [interval_of(10), 10, 1, now + 6_000_000]) == [60_000_000]


@given(LIMITS, st.integers(0, 61_000_000), st.booleans(), st.integers(1, 5))
def test_header_fields(limit, level, allowed, cost):
    level = min(level, interval_of(limit) * limit)
    decision = Decision.of(allowed, level, limit, cost)
    fields = {name.decode(): value.decode() for name, value in decision.headers()}
    assert fields["ratelimit-policy"] == f'"default";q={limit};w=60'
    r, t = map(int, re.fullmatch(r'"default";r=(\d+);t=(\d+)', fields["ratelimit"]).groups())
    assert 0 <= r <= limit and t >= 1
    if allowed:
        # Whoever spreads r requests over t seconds is never above the policy's rate, rounding apart.
        assert r * interval_of(limit) <= t * 1_000_000
    else:
        assert t == decision.window >= decision.retry_after
