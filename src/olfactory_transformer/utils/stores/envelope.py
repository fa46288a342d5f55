"""Values as they lie in media that may alter or mix them up: a mark, a checksum over key and value, the value.

The checksum finds accidents (flipped bits, a torn write, the answer to another question), not attacks: whoever can
write to the medium can make a valid one, and what comes out is still only data, decoded strictly and never run.
"""

from __future__ import annotations

from hashlib import blake2b

MARK = b"OLF1"
_DIGEST = 8  # bytes
_HEAD = len(MARK) + _DIGEST


def seal(key: str, value: bytes) -> bytes:
    """Return `value` in its envelope.

    >>> unseal("a", seal("a", b"value")), unseal("b", seal("a", b"value")), unseal("a", b"value")
    (b'value', None, None)
    """
    return b"".join((MARK, _digest(key, value), value))


def unseal(key: str, data: object) -> bytes | None:
    """Return the value, or None for anything that is not the whole and unaltered envelope of this key's value."""
    if not isinstance(data, bytes) or len(data) < _HEAD or not data.startswith(MARK):
        return None
    value = data[_HEAD:]
    return value if data[len(MARK) : _HEAD] == _digest(key, value) else None


def _digest(key: str, value: bytes) -> bytes:
    digest = blake2b(key.encode(), digest_size=_DIGEST)
    digest.update(b"\0")
    digest.update(value)
    return digest.digest()
