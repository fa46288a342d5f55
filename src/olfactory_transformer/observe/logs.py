"""Logging of the server: the guide's line format, one line a record, nothing a client wrote.

Exceptions are logged as types and places. Their messages often quote what was being worked on, and what
people ask about is theirs: messages appear only at LOG_LEVEL=DEBUG.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from types import TracebackType
from typing import Any, TextIO

FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_ROOTS = ("olfactory_transformer", "uvicorn")
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LineFormatter(logging.Formatter):
    r"""Escapes control characters, and indents tracebacks, so that no text can pass for a record of its own.

    >>> record = logging.LogRecord("x", logging.INFO, "", 0, "a%s", ("\nb",), None)
    >>> LineFormatter("%(message)s").format(record)
    'a\\nb'
    """

    def __init__(self, fmt: str = FORMAT, *, messages: bool = False) -> None:
        super().__init__(fmt)
        self._messages = messages

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Return the line, printable ASCII only."""
        return _printable(super().formatMessage(record))

    def formatException(self, ei: ExceptionInfo | Any) -> str:  # noqa: N802 - the name is logging's
        """Return the chain of exceptions, indented."""
        lines = "".join(_chain(ei[1], self._messages)).splitlines()
        return "\n".join(f"    {_printable(line)}" for line in lines)


def _printable(line: str) -> str:
    return _NOT_PRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), line)


def _chain(error: BaseException | None, messages: bool) -> list[str]:
    if error is None:
        return []
    if messages:
        return traceback.format_exception(error)
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    name = f"{type(error).__module__}.{type(error).__qualname__}\n"
    return [*_chain(earlier, messages), name, *traceback.format_tb(error.__traceback__)]


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Log this package, the server, and the warnings of other libraries.

    Parameters
    ----------
    level : str
        DEBUG, INFO, WARNING, ERROR or CRITICAL.
    stream : text file or None
        None: standard output, as in the guide.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(LineFormatter(messages=level == "DEBUG"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.WARNING))
    for name in _ROOTS:
        logging.getLogger(name).setLevel(level)
