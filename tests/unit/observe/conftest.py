import io
import logging

import pytest
import structlog

from olfactory_transformer.observe.logs import configure_logging


@pytest.fixture
def log():
    """Return a function that sets logging up as the server does, and gives what was logged."""
    root = logging.getLogger()
    kept = root.handlers, root.level
    stream = io.StringIO()

    def start(level="INFO", **how):
        configure_logging(level, stream, **how)
        return stream

    yield start
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = kept
    structlog.reset_defaults()
    for name in ("olfactory_transformer", "uvicorn"):
        logging.getLogger(name).setLevel(logging.NOTSET)
