"""From the bytes of a line to its text: limits, checksum, encoding."""

from __future__ import annotations

import math
import re
from functools import reduce

from olfactory_transformer.core.errors import shown
from olfactory_transformer.sensors.lines.said import BrokenLine
from olfactory_transformer.sensors.numbers import number

LONGEST = 4096  # bytes of a line
_CHECKSUM = re.compile(rb"^\$?(.*)\*([0-9A-Fa-f]{2})$", re.S)
# What the loaders of ESP32 and ESP8266 print, and words that people let a board say first.
_BOOT = re.compile(
    r"^(ets [A-Z][a-z]{2} |rst:|load:|tail |entry |boot:|mode:|configsip|clk_drv|csum )"
    r"|\b(re)?(boot|start|set-?up|initiali[sz]|ready|reset|hello|firmware|version|Guru Meditation|Brownout)",
    re.I,
)
_WORD = re.compile(r"[^\W\d_]{3,}")


def text_of(line: bytes) -> tuple[str, bool]:
    r"""Return a line's text without its end and its checksum, and whether it had one.

    Raises
    ------
    BrokenLine
        It is too long, no text, or its checksum is wrong.

    Examples
    --------
    >>> text_of(b"CO=8*09\r\n")
    ('CO=8', True)
    """
    line = line.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n ")  # a tab at the end is an empty cell
    if len(line) > LONGEST:
        raise BrokenLine(f"a line of {len(line)} bytes, expected at most {LONGEST}")
    found = _CHECKSUM.match(line)
    if found:
        line, stated = found[1], int(found[2], 16)
        if (got := reduce(lambda a, b: a ^ b, line, 0)) != stated:
            raise BrokenLine(f"a checksum of {got:02X}, expected {stated:02X} as it says")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise BrokenLine(f"bytes that are no text, {line[:40]!r}") from None
    if any(ord(each) < 32 and each != "\t" for each in text):
        raise BrokenLine(f"control characters in {shown(text)}")
    return text.strip(" "), found is not None


def is_boot(text: str) -> bool:
    """Say whether it is what a board says when it starts.

    >>> is_boot("rst:0x1 (POWERON_RESET),boot:0x13"), is_boot("Nose v1.2 ready"), is_boot("216,830")
    (True, True, False)
    """
    return _BOOT.search(text) is not None and not _could_be_a_frame(text)


def is_prose(text: str) -> bool:
    """Say whether it is words for people and no damaged frame: a word, and more letters than digits.

    >>> is_prose("VOC sensor warming up (2 min)"), is_prose("2x6,830"), is_prose("Temp=2x"), is_prose("1,two")
    (True, False, False, False)
    """
    letters, digits = sum(map(str.isalpha, text)), sum(map(str.isdigit, text))
    return bool(_WORD.search(text)) and letters > digits and not _could_be_a_frame(text)


def _could_be_a_frame(text: str) -> bool:
    if not text.isprintable() or set(text) & set("={}"):
        return True
    cells = re.split(r"[,;\t]", text)
    return len(cells) > 1 and any(map(is_number, cells))


def is_number(text: str) -> bool:
    """Say whether it is a number, and not only what stands for none.

    >>> is_number("216"), is_number("nan"), is_number("2x")
    (True, False, False)
    """
    try:
        return not math.isnan(number(text))
    except ValueError:
        return False
