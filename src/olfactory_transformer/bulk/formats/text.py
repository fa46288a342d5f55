"""What the text formats share: lines of UTF-8 whose broken bytes are kept, and values as text."""

from __future__ import annotations

import datetime
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from olfactory_transformer.bulk.contract import ABSENT

_BYTE = re.compile("[\udc80-\udcff]")


def open_lines(file: BinaryIO) -> io.TextIOWrapper:
    r"""Return the lines of a UTF-8 file, ends kept, a byte order mark removed.

    A byte that is not UTF-8 becomes a lone surrogate (PEP 383), and the same byte again when written.
    """
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def utf8_error(text: str) -> str:
    r"""Say which byte of a line was not UTF-8, or return "".

    >>> utf8_error(b"na\xefve".decode(errors="surrogateescape"))
    'invalid UTF-8: the byte 0xef at character 3; expected UTF-8 text'
    """
    if text.isascii() or not (found := _BYTE.search(text)):
        return ""
    byte = ord(found.group()) - 0xDC00
    return f"invalid UTF-8: the byte 0x{byte:02x} at character {found.start() + 1}; expected UTF-8 text"


def to_bytes(text: str) -> bytes:
    r"""Encode as UTF-8, giving bytes that came in broken back as they were.

    >>> to_bytes("\udcff"), to_bytes("\ud800")
    (b'\xff', b'\\ud800')
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, from a JSON escape
        return text.encode("utf-8", "backslashreplace")


def without_last_blanks(lines: Iterable[str]) -> Iterator[str]:
    """Drop the blank lines at the end of a file; those between rows stay, as rows.

    >>> list(without_last_blanks(["a", "", "b", "", ""]))
    ['a', '', 'b']
    """
    blanks: int = 0
    for line in lines:
        if not line.strip(" \t\r\n"):
            blanks += 1
            continue
        for _ in range(blanks):
            yield ""
        blanks = 0
        yield line


def as_text(value: object) -> str | None:
    """Return a value as the text of a cell; None if there is none.

    >>> as_text("007"), as_text(True), as_text(0.5), as_text(["a"]), as_text(None)
    ('007', 'true', '0.5', '["a"]', None)
    """
    if isinstance(value, str):
        return value
    if value is None or value is ABSENT:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return json.dumps(plain(value), ensure_ascii=False)
    return str(value)


def plain(value: object) -> object:
    """Return a value as JSON has it: no NaN, no bytes, no dates.

    >>> plain({"a": float("nan"), "b": (1, b"x")})
    {'a': None, 'b': [1, 'x']}
    """
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(as_text(key)): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return as_text(value)


def quoted(text: object) -> str:
    r"""Quote text in full inside an error, on one line.

    >>> print(quoted("a\nb"))
    "a\nb"
    """
    return json.dumps(text, ensure_ascii=False)
