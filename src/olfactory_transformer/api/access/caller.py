"""Who asks, once the key is known."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from olfactory_transformer.database.keytext import digest


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds a valid key.

    Parameters
    ----------
    id : str
        The key's; `env-1` is the first of API_KEYS.
    name : str
    scopes : frozenset of str
    limit_per_minute : int or None
        Requests a minute; None: the server's limit.
    """

    id: str
    name: str
    scopes: frozenset[str]
    limit_per_minute: int | None = None


class EnvironmentKeys:
    """The keys of API_KEYS, which have the scope predict.

    Parameters
    ----------
    keys : str
        Separated by commas.

    Examples
    --------
    >>> keys = EnvironmentKeys("one-long-enough-for-it,and-another-just-as-long")
    >>> keys.find(digest(b"and-another-just-as-long")).id, keys.find(digest(b"one"))
    ('env-2', None)
    """

    def __init__(self, keys: str = "") -> None:
        self._keys = [
            (digest(key.encode()), Caller(f"env-{number}", "API_KEYS", frozenset({"predict"})))
            for number, key in enumerate((key for key in keys.split(",") if key), 1)
        ]

    def find(self, presented: bytes) -> Caller | None:
        """Return whose key has this digest. All are compared, so the time does not tell which one it was."""
        found = None
        for known, caller in self._keys:
            if hmac.compare_digest(known, presented):
                found = caller
        return found
