"""From a log record to its line.

Exceptions are written as types and places. Their messages often quote what was being worked on, and what people ask
about is theirs: messages appear only at LOG_LEVEL=DEBUG.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_fast = msgspec.json.Encoder()
_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode
# redis://:secret@host, as libraries like to quote it when they cannot connect.
_PASSWORD = re.compile(r"(://[^\s/:@\"']*:)[^\s/@\"']+@")


def formatter(
    form: Literal["text", "json"], context: Sequence[Processor] = (), *, messages: bool = False
) -> ProcessorFormatter:
    r"""Return a formatter for `logging` that takes records of structlog as well.

    No text can pass for a record of its own: control characters are escaped, and in text what is not the first line
    of a record is indented.

    Parameters
    ----------
    form : str
        text or json.
    context : sequence of processors
        Add to records of `logging` what structlog's own have already.
    messages : bool
        Whether exceptions are written with their messages.

    Examples
    --------
    >>> record = logging.LogRecord("x", logging.INFO, "", 0, "a%s", ("\nb",), None)
    >>> formatter("text").format(record)
    '... - x - INFO - a\\nb'
    >>> json.loads(formatter("json").format(record))["message"]
    'a\nb'
    """

    return _Formatter(form, context, messages)


class _Formatter(ProcessorFormatter):
    """Writes records of `logging` without the copies and steps that structlog makes of them: most are a request's."""

    def __init__(self, form: Literal["text", "json"], context: Sequence[Processor], messages: bool) -> None:
        super().__init__(processors=[self._of_structlog])
        self._write = _text if form == "text" else _json
        self._context, self._messages = context, messages

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line."""
        if hasattr(record, "_logger"):
            return super().format(record)
        event: EventDict = {}
        for add in self._context:
            add(None, "", event)
        return self._line(record, record.getMessage(), event, record.exc_info, record.stack_info)

    def _of_structlog(self, _: Any, __: str, event: EventDict) -> str:
        record: logging.LogRecord = event.pop("_record")
        event.pop("_from_structlog")
        message, error = str(event.pop("event", "")), event.pop("exc_info", None)
        return self._line(record, message, event, error, event.pop("stack_info", None))

    def _line(self, record: logging.LogRecord, message: str, event: EventDict, error: Any, stack: Any) -> str:
        if record.name == "asyncio" and not self._messages:
            message = message.partition("\n")[0]  # then come a task and its exception, with the message
        raised = _error(error)
        lines = list(_exception(raised, self._messages)) if raised else []
        if stack:
            lines += str(stack).splitlines()
        line = self._write(record, message, event, lines)
        return _PASSWORD.sub(r"\1***@", line) if "://" in line else line


def _text(record: logging.LogRecord, message: str, event: EventDict, exception: list[str]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
    head = f"{when},{int(record.msecs):03d} - {record.name} - {record.levelname} - {message}"
    head += "".join(f" {name}={value}" for name, value in event.items())
    return "\n    ".join(map(_printable, (head, *exception)))


def _json(record: logging.LogRecord, message: str, event: EventDict, exception: list[str]) -> str:
    members: dict[str, Any] = {
        "timestamp": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
        "level": record.levelname,
        "logger": record.name,
        "message": message,
    }
    for name, value in event.items():
        members.setdefault(str(name), _plain(value))
    if exception:
        members["exception"] = "\n".join(exception)
    # ASCII, so that neither a lone surrogate nor a separator of lines gets out; DEL is the one that JSON lets pass.
    return _ascii(members).replace("\x7f", "\\u007f")


@lru_cache(maxsize=2)
def _second(moment: int) -> str:
    """Return a second of UTC as RFC 3339 has it, without its end.

    >>> _second(0)
    '1970-01-01T00:00:00'
    """
    return datetime.fromtimestamp(moment, UTC).isoformat()[:19]


def _ascii(members: dict[str, Any]) -> str:
    r"""Encode; nearly always there is nothing to escape, and that in a quarter of the time.

    >>> _ascii({"a": "b"}), _ascii({"a": "\xe9\ud800"})
    ('{"a":"b"}', '{"a":"\\u00e9\\ud800"}')
    """
    try:
        data = _fast.encode(members)
    except (ValueError, TypeError):  # a lone surrogate, or a kind of str
        return _encode(members)
    return data.decode("ascii") if data.isascii() else _encode(members)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    return value if value is None or isinstance(value, str | int) else repr(value)


def _printable(line: str) -> str:
    if line.isascii() and line.isprintable():
        return line
    return _NOT_PRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), line)


def _error(given: Any) -> BaseException | None:
    """Return the exception of what loggers take as exc_info."""
    if isinstance(given, BaseException):
        return given
    found = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given else None
    return found if isinstance(found, BaseException) else None


def _exception(error: BaseException, messages: bool) -> Iterator[str]:
    chain = traceback.format_exception(error) if messages else _types_and_places(error, set())
    for part in chain:
        yield from part.splitlines()


def _types_and_places(error: BaseException, seen: set[int]) -> Iterator[str]:
    """Yield what happened earlier first, then the error, then the parts of a group."""
    if id(error) in seen:
        return
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        yield from _types_and_places(earlier, seen)
    yield f"{type(error).__module__}.{type(error).__qualname__}"
    yield from traceback.format_tb(error.__traceback__)
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _types_and_places(part, seen)
