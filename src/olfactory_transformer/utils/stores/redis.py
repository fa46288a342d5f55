"""Entries in a Redis that several servers share."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from olfactory_transformer.core.errors import MissingExtra, SettingsError
from olfactory_transformer.utils.breaker import Breaker, BreakerState
from olfactory_transformer.utils.deadline import Deadline, NoThreadFree
from olfactory_transformer.utils.stores.contract import StoreStats
from olfactory_transformer.utils.stores.envelope import seal, unseal
from olfactory_transformer.utils.stores.tally import Tally

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

PREFIX = "olfactory:cache:"
_AT_ONCE = 100  # keys of one command: some 300 kB of predictions, well within the time limit
_SCANNED = 1000  # keys that one step of a scan looks at
_STEPS = 1_000_000  # of a scan, or a server that lies about its end would never let go
_CODE = re.compile("[A-Z]{2,20}")  # with which Redis begins an error, such as OOM


class RedisStore:
    """Entries in Redis, under keys that begin with `olfactory:cache:`; Redis itself expires and evicts them.

    A request never waits longer than `timeout` for it, and after a few failures in a row not at all: a breaker leaves
    Redis alone for a second, and longer each time that a trial fails. A Redis that is full but answers is read on,
    and only not written to for such a while.

    Parameters
    ----------
    url : str
        redis://, rediss:// or unix://.
    timeout : float
        Seconds for a hundred keys, from the name of the host to the last byte.
    ttl : float
        Seconds that Redis keeps an entry.
    connections : int
        At most, and calls at the same time.
    pause, longest_pause : float
        Seconds that Redis is left alone at first, and at most.

    Raises
    ------
    SettingsError
        `url` is not one; it is not quoted, for it may hold a password.
    MissingExtra
        redis-py is not installed.
    """

    name = "redis"

    def __init__(
        self,
        url: str,
        timeout: float = 0.05,
        ttl: float = 86_400,
        *,
        connections: int = 8,
        pause: float = 1.0,
        longest_pause: float = 30.0,
    ) -> None:
        self._client = _client(url, timeout, connections)
        self._timeout, self._ttl_ms = timeout, max(1, round(1000 * ttl))
        self._calls: Deadline[Any] = Deadline(connections)
        self._tally = Tally()
        self._closed = False
        self._whole = Breaker(pause=pause, longest=longest_pause, changed=self._told)
        self._writing = Breaker(pause=pause, longest=longest_pause, changed=self._told_of_writing)

    @property
    def place(self) -> str:
        """Where it is, without user and password."""
        options = self._client.connection_pool.connection_kwargs
        where = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
        return f"{where}/{options.get('db') or 0}"

    @property
    def breaker(self) -> Breaker:
        """Tells whether Redis is being left alone."""
        return self._whole

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the value of each key, None where there is none, or Redis does not answer as it should."""
        found: list[bytes | None] = []
        for part in _parts(keys):
            data = self._call(partial(self._client.mget, [PREFIX + key for key in part]))
            if data is _FAILED:
                break
            if not isinstance(data, list) or len(data) != len(part):
                self._tally.failed("foreign answer")
                break
            values = [unseal(key, value) for key, value in zip(part, data, strict=True)]
            if foreign := values.count(None) - data.count(None):
                self._tally.failed("foreign value", foreign)
            found += values
        return self._tally.looked_up(found + [None] * (len(keys) - len(found)))

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep the items for the time to live."""
        if not self._writing.allows():
            return
        for part in _parts(items):
            if not self._set(part, items):
                return

    def delete_older(self, seconds: float) -> int:
        """Do nothing: Redis expires entries by itself."""
        return 0

    def clear(self) -> int:
        """Delete the entries of this package; return how many."""
        deleted = 0
        for keys in self._scan():
            count = self._call(partial(self._client.unlink, *keys))
            if not isinstance(count, int):
                break
            deleted += count
        return deleted

    def stats(self, *, count: bool = False) -> StoreStats:
        """Return what it has done and, with `count`, what it holds."""
        tally = self._tally
        stats = StoreStats(
            hits=tally.hits,
            misses=tally.misses,
            errors=tally.errors,
            available=self._whole.state is BreakerState.CLOSED,
            fault=tally.fault,
        )
        if not count:
            return stats
        entries = size = 0
        for keys in self._scan():
            lengths = self._call(partial(self._pipeline, "strlen", [(key,) for key in keys]))
            if lengths is _FAILED:
                break
            entries += len(keys)
            size += sum(map(len, keys)) + sum(n for n in lengths if isinstance(n, int))
        return replace(stats, entries=entries, size=size, errors=tally.errors, fault=tally.fault)

    def close(self) -> None:
        """Let go of the connections."""
        self._closed = True
        self._calls.close()
        self._client.connection_pool.disconnect()

    # -- asking Redis ----------------------------------------------------------------------------------------

    def _call(self, ask: Callable[[], Any]) -> Any:
        """Return what Redis answers in time, or `_FAILED`."""
        if self._closed or not self._whole.allows():
            return _FAILED
        try:
            answer = self._calls.call(lambda: self._asked(ask), self._timeout)
        except NoThreadFree:
            self._tally.failed("NoThreadFree")
            # Nothing is known of Redis, unless this was the trial.
            if self._whole.state is BreakerState.HALF_OPEN:
                self._whole.failed()
            return _FAILED
        except Exception as error:
            # Whatever a broken server makes the client raise; its text may quote what was sent.
            self._tally.failed(_kind(error))
            self._whole.failed()
            return _FAILED
        self._whole.succeeded()
        return answer

    def _asked(self, ask: Callable[[], Any]) -> Any:
        from redis.exceptions import RedisError

        try:
            return ask()
        except RedisError:
            raise
        except Exception:
            # redis-py keeps a connection on which it understood nothing, perhaps halfway through the handshake.
            self._client.connection_pool.disconnect()
            raise

    def _pipeline(self, command: str, calls: Sequence[tuple[Any, ...]], **options: Any) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipeline:
            for call in calls:
                getattr(pipeline, command)(*call, **options)
            return pipeline.execute(raise_on_error=False)

    def _set(self, keys: Sequence[str], items: Mapping[str, bytes]) -> bool:
        """Keep some of the items; False if Redis takes no more."""
        calls = [(PREFIX + key, seal(key, items[key])) for key in keys]
        answers = self._call(partial(self._pipeline, "set", calls, px=self._ttl_ms))
        if answers is _FAILED:
            return False
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if not refused:
            self._writing.succeeded()
            return True
        self._tally.failed(_kind(refused[-1]), len(refused))
        self._writing.failed()
        return False

    def _scan(self) -> Iterator[list[bytes]]:
        """Yield the keys of this package, in parts."""
        cursor: Any = 0
        for _ in range(_STEPS):
            answer = self._call(partial(self._client.scan, cursor, match=PREFIX + "*", count=_SCANNED))
            if answer is _FAILED:
                return
            cursor, keys = answer
            if keys := [key for key in keys if isinstance(key, bytes)]:
                yield keys
            if not cursor:
                return

    def _told(self, before: BreakerState, now: BreakerState) -> None:
        if now is BreakerState.OPEN:
            # Also ends calls that nobody waits for any more, whose server sends a byte now and then.
            self._client.connection_pool.disconnect()
            if before is BreakerState.CLOSED:
                logger.warning("the cache in Redis is left alone after failures (%s)", self._tally.fault)
        elif now is BreakerState.CLOSED:
            logger.warning("the cache in Redis is back")

    def _told_of_writing(self, before: BreakerState, now: BreakerState) -> None:
        if now is BreakerState.OPEN and before is BreakerState.CLOSED:
            logger.warning("the cache in Redis takes no entries (%s)", self._tally.fault)
        elif now is BreakerState.CLOSED:
            logger.warning("the cache in Redis takes entries again")


_FAILED = object()


def _client(url: str, timeout: float, connections: int) -> Redis:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.maint_notifications import MaintNotificationsConfig
        from redis.retry import Retry
    except ModuleNotFoundError:
        raise MissingExtra("redis", "a cache in Redis") from None
    try:
        pool = redis.ConnectionPool.from_url(
            url,
            max_connections=connections,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            # The older protocol and no extras: each would be another round trip before the first answer.
            protocol=2,
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        pool.max_connections = connections
        pool.connection_kwargs.update(decode_responses=False)  # options in the URL go before those given here
        pool.connection_class(**pool.connection_kwargs)  # one that is unknown shows only now
    except Exception:
        expected = "redis://, rediss:// or unix://, with options that redis-py knows"
        raise SettingsError(f"REDIS_URL: not a URL of Redis; expected {expected}") from None
    return redis.Redis(connection_pool=pool)


def _parts(keys: Sequence[str] | Mapping[str, bytes]) -> Iterator[list[str]]:
    rest = iter(keys)
    while part := list(islice(rest, _AT_ONCE)):
        yield part


def _kind(error: Exception) -> str:
    """Return what kind of error it is: Redis's own code for it, or the exception's name; never its text."""
    first = str(getattr(error, "status_code", None) or str(error).split(" ", 1)[0])
    from redis.exceptions import RedisError

    return first if isinstance(error, RedisError) and _CODE.fullmatch(first) else type(error).__name__
