"""What the texts of single settings have to look like. Each function returns the text in its usual form."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from pydantic_core import PydanticCustomError

from olfactory_transformer.core.errors import shown

WRONG = "setting"  # type of the errors made here
MIN_KEY_LENGTH = 20
_ORIGIN = re.compile(
    r"([a-z][a-z0-9+.-]*)://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(\d{1,5}))?"
)
_STANDARD_PORT = {"http": "80", "https": "443"}
_API_KEY = re.compile(
    rf"[!-+\--~]{{{MIN_KEY_LENGTH},}}"
)  # printable ASCII, as a header carries it, without commas


def wrong(got: str, expected: str = "") -> PydanticCustomError:
    """Return the error for a value of which `got` is at fault; `expected` if it is not what the field allows."""
    return PydanticCustomError(WRONG, "got {got}", {"got": got, "expected": expected})


def items(value: object) -> object:
    """Return a list of texts, or a text of several lines, as one text with commas; anything else as it is.

    >>> items(["10.0.0.0/8", "::1"]), items(" a, b,\\n c\\n")
    ('10.0.0.0/8,::1', 'a,b,c')
    """
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        value = ",".join(value)
    if not isinstance(value, str):
        return value
    return ",".join(item for part in re.split(r"[,\n]", value) if (item := part.strip()))


def host(text: str) -> str:
    """Check an address; of a name that is not one, only the system can tell whether it is of this machine.

    >>> host("127.0.0.1"), host("localhost")
    ('127.0.0.1', 'localhost')
    """
    try:
        if ":" in text:
            ipaddress.IPv6Address(text)
        elif re.fullmatch(r"(.*\.)?\d+", text):  # no name ends in a number
            socket.inet_aton(text)  # as the system reads it: 127.1 is one, too
    except (OSError, ValueError):
        raise wrong(f"{shown(text)} (which is no address)") from None
    return text


def networks(text: str) -> str:
    """Check addresses or networks separated by commas.

    >>> networks("10.0.0.0/8,127.0.0.1")
    '10.0.0.0/8,127.0.0.1'
    """
    for item in _split(text):
        try:
            everyone = ipaddress.ip_network(item).prefixlen == 0
        except ValueError as error:
            hint = " (which has bits set beyond its mask)" if "host bits" in str(error) else ""
            raise wrong(shown(item) + hint) from None
        if everyone:
            raise wrong(f"{shown(item)} (which is everybody: any client could name itself any address)")
    return text


def origins(text: str) -> str:
    """Check origins separated by commas, in the form in which browsers send them.

    >>> origins("https://example.com,http://localhost:3000")
    'https://example.com,http://localhost:3000'
    """
    for item in _split(text):
        found = _ORIGIN.fullmatch(item)
        if not found or (found[2] and (found[2] == _STANDARD_PORT.get(found[1]) or int(found[2]) > 65535)):
            raise wrong(shown(item))
    return text


def api_keys(text: str) -> str:
    """Check keys separated by commas; what is wrong names the key by its place only."""
    for number, item in enumerate(_split(text), 1):
        if not _API_KEY.fullmatch(item):
            raise wrong(f"a value that is not shown, of which key {number} is not such")
    return text


def http_url(text: str) -> str:
    """Check the URL of a service; a name and password in it would be shown, so it may have none.

    >>> http_url("http://localhost:4318")
    'http://localhost:4318'
    """
    url = _url(text)
    if url is None or url.scheme not in ("http", "https") or not url.hostname or url.username is not None:
        raise wrong("a URL with a name in it, not shown" if "@" in text else shown(text))
    return text


def redis_url(text: str) -> str:
    """Check the URL of a Redis server. What is wrong does not show it."""
    url = _url(text)
    ok = url is not None and (
        (url.scheme in ("redis", "rediss") and url.hostname and re.fullmatch(r"(/\d*)?", url.path))
        or (url.scheme == "unix" and url.path)
    )
    if not ok:
        raise wrong("a value that is not shown")
    return text


def database_url(text: str) -> str:
    """Check the URL of a database as SQLAlchemy writes it. What is wrong does not show it."""
    url = _url(text)
    ok = url is not None and (
        (url.scheme == "sqlite" and not url.netloc and _is_file(url.path[1:]))
        or (url.scheme == "postgresql+psycopg" and len(url.path) > 1)
    )
    if not ok:
        raise wrong("a value that is not shown")
    return text


def sensor_port(text: str) -> str:
    """Check where frames come from, as far as that can be told without a look at it; a password would be shown.

    >>> sensor_port("/dev/ttyUSB0")
    '/dev/ttyUSB0'
    """
    if "@" in text and (url := _url(text)) is not None and url.password is not None:
        raise wrong("a URL with a password in it, not shown")
    if not text.isprintable() or text != text.strip():
        raise wrong(shown(text))
    return text


def channels(text: str) -> str:
    """Check the names of a board's channels, separated by commas.

    >>> channels("NO2,C2H5OH,VOC")
    'NO2,C2H5OH,VOC'
    """
    seen: set[str] = set()
    for item in _split(text):
        if not item.isprintable() or len(item) > 64 or item.lower() in seen:
            raise wrong(shown(item))
        seen.add(item.lower())
    return text


def sensor_id(text: str) -> str:
    """Check a board's name, which stands in a path and in a label.

    >>> sensor_id("bench-1")
    'bench-1'
    """
    if not re.fullmatch(r"[!-~]{1,100}", text) or re.search(r"[#?\\\"%]", text):
        raise wrong(shown(text))
    return text


def _is_file(name: str) -> bool:
    return bool(name) and name != ":memory:" and not name.startswith("file:")


def _split(text: str) -> Iterable[str]:
    return text.split(",") if text else ()


def _url(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        _ = url.port  # raises on what is no port
    except ValueError:
        return None
    return url if text.isprintable() and " " not in text else None
