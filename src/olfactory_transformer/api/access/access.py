"""The parts of the gate, made from the settings; started and stopped with the server."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

from olfactory_transformer.api.access.addresses import ClientAddresses
from olfactory_transformer.api.access.caller import EnvironmentKeys
from olfactory_transformer.api.access.directory import KeyDirectory
from olfactory_transformer.api.audit import AuditLog
from olfactory_transformer.api.ratelimit.contract import Limiter
from olfactory_transformer.api.ratelimit.memory import MemoryLimiter
from olfactory_transformer.api.ratelimit.redis import RedisLimiter
from olfactory_transformer.core.errors import DatabaseError
from olfactory_transformer.database.audit import AuditRow, AuditStore
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keys import KeyRecord, KeyStore
from olfactory_transformer.database.upgrade import upgrade
from olfactory_transformer.settings import Settings
from olfactory_transformer.utils.breaker import BreakerState

logger = logging.getLogger(__name__)


class Access:
    """Who may ask, and how often; one for a server.

    With API_KEY_REQUIRED the database is opened when the server starts, and the audit log is written. Without it the
    database is opened only when somebody sends a key, and an SQLite file that is not there is left so.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    SettingsError
        DATABASE_URL or REDIS_URL is not one.
    MissingExtra
        What one of them needs is not installed.

    Examples
    --------
    >>> Access(Settings(rate_limit_per_minute=60)).limit
    60
    """

    def __init__(self, settings: Settings) -> None:
        self.required, self.limit = settings.api_key_required, settings.rate_limit_per_minute
        self.origins = frozenset(origin.encode() for origin in settings.cors_origins.split(",") if origin)
        self.addresses = ClientAddresses(settings.trusted_proxies)
        keys = settings.api_keys
        self.environment = EnvironmentKeys(keys.get_secret_value() if keys else "")
        self.limiter: Limiter = MemoryLimiter()
        if settings.redis_url is not None:
            url = settings.redis_url.get_secret_value()
            self.limiter = RedisLimiter(url, settings.redis_timeout_ms / 1000, MemoryLimiter())
        self.wrong_keys = MemoryLimiter()
        self.directory = KeyDirectory(self._find)
        self.names_molecules = settings.audit_molecules
        self._url = settings.database_url.get_secret_value()
        self._database: Database | None = None
        self._preparing, self._prepared = threading.Lock(), False
        self.audit: AuditLog | None = None
        if self.required:
            self.database  # noqa: B018 - a wrong URL, or a driver that is missing, is told of at once
            self.audit = AuditLog(self._add, self._used)

    @property
    def database(self) -> Database:
        """The database of keys and of the audit log, opened when it is first asked for."""
        if self._database is None:
            self._database = Database(self._url)
        return self._database

    @property
    def limits(self) -> str:
        """Where requests are counted: `off`, `local` (this server alone) or `shared`."""
        if not isinstance(self.limiter, RedisLimiter):
            return "local" if self.limit or self.required else "off"
        return "shared" if self.limiter.breaker.state is BreakerState.CLOSED else "local"

    @property
    def database_answers(self) -> bool:
        """Whether the last look-up of a key went well."""
        return self.directory.breaker.state is BreakerState.CLOSED

    def prepare(self) -> None:
        """Bring the database to the tables that this version needs; blocks.

        Raises
        ------
        DatabaseError
            It cannot be used.
        """
        with self._preparing:
            if not self._prepared:
                upgrade(self.database)
                self._prepared = True

    async def start(self) -> None:
        """Prepare the database, if keys are required, and begin to write the audit log.

        A database of another machine may be away for a while: the server starts, and keys are refused with 503 until
        it is back. A file that cannot be used will not be better later.

        Raises
        ------
        DatabaseError
            The SQLite file cannot be used.
        """
        if self.audit is None:
            return
        try:
            await asyncio.to_thread(self.prepare)
        except DatabaseError as error:
            if self.database.is_sqlite:
                raise
            logger.error("started without the database of keys: %s", error)
        self.audit.start()

    async def stop(self, *, at_once: bool = False) -> None:
        """Write what is left of the audit log, if that takes no more than seconds, and let go of connections."""
        if self.audit is not None:
            await asyncio.to_thread(self.audit.stop, 0.2 if at_once else 5.0)
        await self.limiter.close()
        if self._database is not None:
            self._database.close()

    def may_read(self) -> bool:
        """Prepare the database, unless it is a file that is not there and need not be; blocks.

        Returns
        -------
        bool
            Whether there is something to read.

        Raises
        ------
        DatabaseError
            It cannot be used.
        """
        if not self._prepared:
            if not self.required and self.database.is_absent:
                return False
            self.prepare()
        return True

    def _find(self, key_id: str) -> KeyRecord | None:
        if not self.may_read():
            return None
        return KeyStore(self.database).find(key_id)

    def _add(self, rows: Sequence[AuditRow]) -> None:
        self.prepare()
        AuditStore(self.database).add(rows)

    def _used(self, moments: Mapping[str, datetime]) -> None:
        KeyStore(self.database).used(moments)
