"""The text of an API key: `olf_<id>_<secret>`, and the digest of it that is stored.

The secret has 256 random bits. That is why its digest may be a fast one: passwords need a slow hash because they can be
guessed, a billion tries a second against a stolen table; of 2^256 secrets no hardware tries a noticeable part. A slow
hash would only let an attacker make the server work by sending wrong keys.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string

from olfactory_transformer.database.models import ID_LENGTH

_PREFIX = "olf"  # by which scanners of published code can find keys that got there
_ALPHABET = (
    string.ascii_lowercase + string.digits
)  # no '-' in front, which a command line would take for an option
_TEXT = re.compile(rb"olf_([a-z0-9]{8})_[A-Za-z0-9_-]{43}")
LONGEST = 200  # bytes of a key of any kind; nothing longer is looked at


def new_id() -> str:
    """Return an id; the store sees to it that there is no second one like it."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH))


def new_text(key_id: str) -> str:
    """Return a new key's text.

    >>> text = new_text("abcd1234")
    >>> text[:13], len(text)
    ('olf_abcd1234_', 56)
    """
    return f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"


def id_of(text: bytes) -> str | None:
    """Return the id in a key's text, or None for what cannot be a key of the database.

    >>> id_of(new_text("abcd1234").encode()), id_of(b"olf_abcd1234_short")
    ('abcd1234', None)
    """
    found = _TEXT.fullmatch(text)
    return found[1].decode() if found else None


def digest(text: bytes) -> bytes:
    """Return what is stored of a key: SHA-256 (FIPS 180-4) of its text, 32 bytes."""
    return hashlib.sha256(text).digest()
