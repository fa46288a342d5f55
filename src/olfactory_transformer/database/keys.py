"""The API keys: made, listed, revoked, given a new secret, and found again."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from olfactory_transformer.core.errors import UnknownKey, shown
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keytext import digest, new_id, new_text
from olfactory_transformer.database.models import MAX_NAME, ApiKey

SCOPES = ("predict", "admin", "sensors")
MOST_PER_MINUTE = 1_000_000
_NOTHING = digest(b"")  # compared with where there is no key, so that both cases do the same work


class KeyState(StrEnum):
    """What a key is good for."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of one key.

    Parameters
    ----------
    id, name : str
    digest : bytes
        SHA-256 of its text.
    previous_digest : bytes or None
        Of the text before the last rotation, good until `previous_until`.
    previous_until : datetime or None
    scopes : frozenset of str
        Some of `SCOPES`.
    limit_per_minute : int or None
        Requests a minute; None: as many as the server allows a key.
    created : datetime
        All moments are in UTC.
    expires, revoked, last_used : datetime or None
    """

    id: str
    name: str
    digest: bytes
    previous_digest: bytes | None
    previous_until: datetime | None
    scopes: frozenset[str]
    limit_per_minute: int | None
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None

    def state(self, now: datetime | None = None) -> KeyState:
        """Return what the key is good for, now by default."""
        if self.revoked is not None:
            return KeyState.REVOKED
        if self.expires is not None and self.expires <= (now or datetime.now(UTC)):
            return KeyState.EXPIRED
        return KeyState.VALID


def has_digest(record: KeyRecord | None, presented: bytes) -> bool:
    """Return whether a key's text with this digest is the key's, in the same time whatever the answer.

    Says nothing of whether the key has expired or was revoked.

    >>> has_digest(None, digest(b""))
    False
    """
    now = hmac.compare_digest(presented, record.digest if record else _NOTHING)
    previous = record.previous_digest if record else None
    before = hmac.compare_digest(presented, previous or _NOTHING)
    if record is None:
        return False
    if now:
        return True
    until = record.previous_until
    return before and previous is not None and until is not None and datetime.now(UTC) < until


class KeyStore:
    """The keys in a database whose tables are there (see `upgrade`). Thread-safe; its methods block.

    All raise DatabaseError when the database cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from olfactory_transformer.database.upgrade import upgrade
    >>> folder = tempfile.TemporaryDirectory()
    >>> database = Database(f"sqlite:///{folder.name}/keys.db")
    >>> upgrade(database)
    >>> store = KeyStore(database)
    >>> text, record = store.create("perfumer", ["predict"], limit_per_minute=100)
    >>> has_digest(store.find(record.id), digest(text.encode()))
    True
    >>> store.revoke(record.id).state()
    <KeyState.REVOKED: 'revoked'>
    >>> folder.cleanup()
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        scopes: Collection[str] = ("predict",),
        *,
        limit_per_minute: int | None = None,
        days: float | None = None,
    ) -> tuple[str, KeyRecord]:
        """Make a key.

        Parameters
        ----------
        name : str
            Whose it is, for people; 1 to 100 printable characters. Names may repeat.
        scopes : collection of str
            Some of `SCOPES`.
        limit_per_minute : int or None
            Requests a minute, 1 to 1,000,000; None: as the server allows any key.
        days : float or None
            After which it expires; None: never.

        Returns
        -------
        str
            The key's text, which cannot be had again.
        KeyRecord
            What is kept of it.

        Raises
        ------
        ValueError
            An argument is not allowed.
        """
        _check(name, scopes, limit_per_minute, days)
        now = datetime.now(UTC)
        key = ApiKey(
            name=name,
            scopes=" ".join(scope for scope in SCOPES if scope in scopes),
            limit_per_minute=limit_per_minute,
            created=now,
            expires=None if days is None else now + timedelta(days=days),
        )
        with self._database.writing() as session:
            key.id = new_id()
            while session.get(ApiKey, key.id) is not None:
                key.id = new_id()
            text = new_text(key.id)
            key.digest = digest(text.encode())
            session.add(key)
            session.flush()
            return text, _record(key)

    def list(self) -> tuple[KeyRecord, ...]:
        """Return all keys, the oldest first, those of no more use too."""
        if self._database.is_absent:
            return ()
        with self._database.reading() as session:
            return tuple(_record(key) for key in session.scalars(sa.select(ApiKey).order_by(ApiKey.created)))

    def find(self, key_id: str) -> KeyRecord | None:
        """Return the key with this id, None if there is none."""
        if self._database.is_absent:
            return None
        with self._database.reading() as session:
            key = session.get(ApiKey, key_id)
            return None if key is None else _record(key)

    def revoke(self, key_id: str) -> KeyRecord:
        """Make a key useless for ever; one that is so already stays as it is.

        Raises
        ------
        UnknownKey
            There is no such key.
        """
        self._expect_file(key_id)
        with self._database.writing() as session:
            key = self._get(session.get(ApiKey, key_id), key_id)
            key.revoked = key.revoked or datetime.now(UTC)
            return _record(key)

    def rotate(self, key_id: str, grace_hours: float = 0) -> tuple[str, KeyRecord]:
        """Give a key a new secret.

        Parameters
        ----------
        key_id : str
        grace_hours : float
            Hours that the text before goes on to be valid. One before that is no longer valid in any case.

        Returns
        -------
        str
            The new text, which cannot be had again.
        KeyRecord
            What is kept of it.

        Raises
        ------
        UnknownKey
            There is no such key.
        ValueError
            The key was revoked, or the grace is negative or above a year.
        """
        if not 0 <= grace_hours <= 8760:
            raise ValueError(f"grace_hours: got {grace_hours}, expected 0 to 8760")
        self._expect_file(key_id)
        text = new_text(key_id)
        with self._database.writing() as session:
            key = self._get(session.get(ApiKey, key_id), key_id)
            if key.revoked is not None:
                raise ValueError(f"the key {key_id} was revoked; make a new one")
            keep = grace_hours > 0
            key.previous_digest = key.digest if keep else None
            key.previous_until = datetime.now(UTC) + timedelta(hours=grace_hours) if keep else None
            key.digest = digest(text.encode())
            return text, _record(key)

    def used(self, moments: Mapping[str, datetime]) -> None:
        """Note when keys were last used; ids that are no key's are passed over."""
        with self._database.writing() as session:
            for key_id, moment in sorted(
                moments.items()
            ):  # in one order, or two servers could lock each other out
                later = sa.or_(ApiKey.last_used.is_(None), ApiKey.last_used < moment)
                session.execute(
                    sa.update(ApiKey).where(ApiKey.id == key_id, later).values(last_used=moment),
                    execution_options={"synchronize_session": False},
                )

    def _expect_file(self, key_id: str) -> None:
        if self._database.is_absent:  # SQLite would make it
            self._get(None, key_id)

    @staticmethod
    def _get(key: ApiKey | None, key_id: str) -> ApiKey:
        if key is None:
            raise UnknownKey(f"no key has the id {shown(key_id)}")
        return key


def _record(key: ApiKey) -> KeyRecord:
    return KeyRecord(
        id=key.id,
        name=key.name,
        digest=bytes(key.digest),
        previous_digest=None if key.previous_digest is None else bytes(key.previous_digest),
        previous_until=key.previous_until,
        scopes=frozenset(key.scopes.split()),
        limit_per_minute=key.limit_per_minute,
        created=key.created,
        expires=key.expires,
        revoked=key.revoked,
        last_used=key.last_used,
    )


def _check(name: str, scopes: Collection[str], limit: int | None, days: float | None) -> None:
    if not (0 < len(name) <= MAX_NAME and name.isprintable() and name.strip() == name):
        raise ValueError(f"name: got {shown(name)}, expected 1 to {MAX_NAME} printable characters")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise ValueError(f"scopes: got {sorted(scopes)}, expected some of {', '.join(SCOPES)}")
    if limit is not None and not 1 <= limit <= MOST_PER_MINUTE:
        raise ValueError(f"limit_per_minute: got {limit}, expected 1 to {MOST_PER_MINUTE}")
    if days is not None and not 0 < days <= 36_500:
        raise ValueError(f"days: got {days}, expected above 0, to 36500")
