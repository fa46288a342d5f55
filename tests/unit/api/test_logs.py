import io
import logging
import re

import pytest

from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.observe.logs import configure_logging

MOLECULE = "CCCCCCCC=O"


@pytest.fixture
def log():
    """Return a function that sets logging up as the server does, and gives what was logged."""
    root = logging.getLogger()
    kept = root.handlers, root.level
    stream = io.StringIO()

    def start(level="INFO"):
        configure_logging(level, stream, form="text")
        return stream

    yield start
    root.handlers, root.level = kept
    for name in ("olfactory_transformer", "uvicorn"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_one_line_a_request_and_never_the_molecule(client, log):
    stream = log()
    client.post("/v1/predict", json={"smiles": MOLECULE}, headers={"X-Request-ID": "abc"})
    client.post("/v1/predict", json={"smiles": MOLECULE + "("}, headers={"X-Request-ID": "abc"})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    pattern = r"[-\d]+ [\d:,]+ - olfactory_transformer.requests - INFO - POST /v1/predict %d \d+\.\d ms request_id=abc"
    assert re.fullmatch(pattern % 200, lines[0])
    assert re.fullmatch(pattern % 422, lines[1])
    assert MOLECULE not in stream.getvalue()


def test_a_path_is_not_logged(client, log):
    stream = log()
    client.get("/%0a2026-01-01 00:00:00,000 - root - ERROR - forged")
    assert len(stream.getvalue().splitlines()) == 1
    assert "forged" not in stream.getvalue()


def test_no_text_makes_a_second_line(log):
    stream = log()
    logging.getLogger("olfactory_transformer.x").info("a\nb\r\x1b[31m\u2028\ud800c")
    assert stream.getvalue().endswith("a\\nb\\r\\x1b[31m\\u2028\\ud800c\n")
    assert len(stream.getvalue().splitlines()) == 1


def failed(started, stream):
    error = KeyError(f"{MOLECULE}\n2026-01-01 - forged")
    assert started(FakeEngine(raises=error)).post("/v1/predict", json={"smiles": MOLECULE}).status_code == 500
    return stream.getvalue()


def test_a_traceback_tells_type_and_place_but_not_the_molecule(started, log):
    text = failed(started, log())
    assert "KeyError" in text
    assert 'fake.py", line' in text
    assert MOLECULE not in text
    # Whatever is not a record of its own is indented.
    assert all(re.match(r"    |\d{4}-\d\d-\d\d \d\d:", line) for line in text.splitlines())


def test_at_debug_it_tells_the_message_too(started, log):
    assert MOLECULE in failed(started, log("DEBUG"))


@pytest.mark.parametrize(("level", "lines"), [("DEBUG", 1), ("INFO", 1), ("WARNING", 0), ("ERROR", 0)])
def test_the_level_is_obeyed(client, log, level, lines):
    stream = log(level)
    client.get("/health")
    assert len(stream.getvalue().splitlines()) == lines


def test_other_libraries_are_heard_from_warnings_on(log):
    stream = log("DEBUG")
    logging.getLogger("elsewhere").info("chatter")
    logging.getLogger("elsewhere").warning("trouble")
    assert "chatter" not in stream.getvalue()
    assert "trouble" in stream.getvalue()
