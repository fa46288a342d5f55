"""Logging of the server: one line a record, nothing a client wrote, the id of the request on all that it caused.

logging.getLogger, structlog.get_logger ─▶ ProcessorFormatter ─▶ text (a terminal) or JSON ─▶ standard output
                                                            └──▶ JSON ─▶ LOG_FILE, replaced at 10 MiB
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Literal, TextIO

import structlog

from olfactory_transformer.observe.handlers import LineHandler, LogFileHandler
from olfactory_transformer.observe.lines import formatter
from olfactory_transformer.observe.tracing import trace_of_record

Form = Literal["auto", "text", "json"]
_ROOTS = ("olfactory_transformer", "uvicorn")


def configure_logging(
    level: str, stream: TextIO | None = None, *, form: Form = "auto", file: Path | None = None
) -> None:
    """Log this package, the server, and the warnings of other libraries.

    Whatever `structlog.contextvars` has bound (the request's id) is on every record. A file that cannot be written
    is told of once on standard error, and otherwise does without; a second call replaces what the first set up.

    Parameters
    ----------
    level : str
        DEBUG, INFO, WARNING, ERROR or CRITICAL.
    stream : text file or None
        None: standard output, as in the guide.
    form : str
        `text`: the guide's "time - logger - level - message"; `json`: an object a line, with `timestamp` (RFC 3339,
        UTC), `level`, `logger`, `message` and what is bound; `auto`: text on a terminal, JSON otherwise.
    file : Path or None
        A file that gets JSON as well.

    Examples
    --------
    >>> import io
    >>> configure_logging("INFO", log := io.StringIO(), form="text")
    >>> with structlog.contextvars.bound_contextvars(request_id="abc"):
    ...     logging.getLogger("olfactory_transformer.x").info("done")
    >>> log.getvalue()
    '... - olfactory_transformer.x - INFO - done request_id=abc\\n'
    """
    stream = stream or sys.stdout
    messages = level == "DEBUG"
    text = form == "text" or (form == "auto" and stream.isatty())
    context = (structlog.contextvars.merge_contextvars, trace_of_record)
    handlers: list[logging.Handler] = [LineHandler(stream)]
    handlers[0].setFormatter(formatter("text" if text else "json", context, messages=messages))
    if file is not None:
        handlers.append(LogFileHandler(file))
        handlers[1].setFormatter(formatter("json", context, messages=messages))
    root = logging.getLogger()
    for old in root.handlers:
        if isinstance(old, LogFileHandler):
            old.close()
    root.handlers = handlers
    root.setLevel(max(logging.getLevelNamesMapping()[level], logging.WARNING))
    for name in _ROOTS:
        logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *context,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
