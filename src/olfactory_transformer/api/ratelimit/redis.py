"""A limiter in a Redis that several servers share; in this server's memory while Redis is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from olfactory_transformer.api.ratelimit.contract import Decision, interval_of
from olfactory_transformer.api.ratelimit.memory import MemoryLimiter
from olfactory_transformer.core.errors import MissingExtra, SettingsError
from olfactory_transformer.utils.breaker import Breaker, BreakerState

logger = logging.getLogger(__name__)

PREFIX = "olfactory:limit:"
_AT_ONCE = 256  # requests decided in one exchange

# The formula of contract.py for several callers, by Redis's clock, which all servers share. A stored time further ahead
# than any can be (the clock was set back, or the value is foreign) counts as a quota used up, which a minute restores.
# Returns what each is ahead; of a refused one, -1 minus that.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local levels = {}
for i, key in ipairs(KEYS) do
  local interval, limit, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local burst = interval * limit
  local arrival = tonumber(redis.call('GET', key) or '') or now
  if arrival ~= arrival then arrival = now end
  local ahead = math.max(arrival - now, 0)
  local level = math.min(ahead, burst)
  local after = level + interval * cost
  levels[i] = after <= burst and after or -1 - level
  if after > burst then after = level end
  if after ~= ahead then
    redis.call('SET', key, string.format('%.0f', now + after), 'PX', math.ceil(after / 1000))
  end
end
return levels
"""


class _Asked(NamedTuple):
    who: str
    limit: int
    cost: int
    level: asyncio.Future[int | None]


class RedisLimiter:
    """Shares quotas among servers.

    Requests that come while an exchange with Redis is under way are decided together in the next one, so that a busy
    server needs one connection and few exchanges. Redis has `timeout` to answer, without a second try; after some
    failures the breaker leaves it alone for a while, and each server limits by itself. What Redis lets through is also
    noted in memory, so that a caller does not start with a full quota when Redis goes.

    Parameters
    ----------
    url : str
        redis://, rediss:// or unix://
    timeout : float
        Seconds.
    local : MemoryLimiter
        Used while Redis is away.
    pause, longest_pause : float
        Seconds that Redis is left alone at first, and at most.

    Raises
    ------
    SettingsError
        It is not such a URL.
    MissingExtra
        redis-py is not installed.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        local: MemoryLimiter,
        *,
        pause: float = 1.0,
        longest_pause: float = 30.0,
    ) -> None:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
        except ImportError:
            raise MissingExtra("redis", "REDIS_URL") from None
        self._timeout, self._local = timeout, local
        self._breaker = Breaker(pause=pause, longest=longest_pause, changed=_told)
        self._failures: tuple[type[Exception], ...] = (RedisError, OSError, ValueError, TypeError)
        try:
            self._redis = Redis.from_url(
                url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=Retry(NoBackoff(), 0),
                max_connections=2,
                protocol=2,  # the newer one begins with an exchange about maintenance that we do not need
            )
        except (ValueError, TypeError):
            # Not quoted: a password may be in it.
            raise SettingsError("REDIS_URL: expected redis://, rediss:// or unix://") from None
        self._script = self._redis.register_script(_SCRIPT)
        self._waiting: list[_Asked] = []
        self._sender: asyncio.Task[None] | None = None

    @property
    def breaker(self) -> Breaker:
        """Tells whether Redis is being left alone."""
        return self._breaker

    async def take(self, who: str, limit: int, cost: int = 1) -> Decision:
        """Take from a caller's quota; see `Limiter.take`."""
        if self._breaker.allows():
            level = asyncio.get_running_loop().create_future()
            self._waiting.append(_Asked(who, limit, cost, level))
            if self._sender is None:
                self._sender = asyncio.create_task(self._send())
            found = await level
            if found is not None:
                if found < 0:
                    return Decision.of(False, -1 - found, limit, cost)
                self._local.take_now(who, limit, cost)
                return Decision.of(True, found, limit)
        return self._local.take_now(who, limit, cost)

    async def close(self) -> None:
        """Let go of connections; what waits is decided in memory."""
        if self._sender is not None:
            self._sender.cancel()
        await self._redis.aclose()

    async def _send(self) -> None:
        """Exchange until nobody waits."""
        batch: list[_Asked] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                levels = await self._exchange(batch)
                if levels is None:  # those behind would wait as long for nothing
                    batch += self._waiting
                    self._waiting = []
                _answer(batch, levels or [None] * len(batch))
        finally:
            self._sender = None
            left, self._waiting = batch + self._waiting, []
            _answer(left, [None] * len(left))

    async def _exchange(self, batch: Sequence[_Asked]) -> list[int] | None:
        """Return what Redis answers, None if it does not."""
        arguments = [n for asked in batch for n in (interval_of(asked.limit), asked.limit, asked.cost)]
        try:
            # Around all of it, as a slow answer may come in many small parts, each within the socket's own time.
            async with asyncio.timeout(self._timeout):
                found: Any = await self._script([PREFIX + asked.who for asked in batch], arguments)
            levels = [int(level) for level in found]
            if len(levels) != len(batch):
                raise ValueError("an answer of another length")
        except self._failures as error:
            self._breaker.failed()
            logger.debug("rate limits without Redis: %s", type(error).__name__)
            return None
        self._breaker.succeeded()
        return levels


def _answer(batch: Sequence[_Asked], levels: Sequence[int | None]) -> None:
    for asked, level in zip(batch, levels, strict=True):
        if not asked.level.done():  # its client may have gone
            asked.level.set_result(level)


def _told(_: BreakerState, state: BreakerState) -> None:
    if state is BreakerState.OPEN:
        logger.warning("rate limits: Redis does not answer; this server counts by itself")
    elif state is BreakerState.CLOSED:
        logger.info("rate limits: Redis answers again; servers count together")
