import faulthandler
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

# The tests' networks are tiny, and there is a process of them a core: threads that wait for each other took most of the
# time. The inference processes do not mind, they have threads of their own.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))
from small_data import write_data_folder, write_small_model


def pytest_collection_modifyitems(session, items):
    """Refuse tests of the same name, of which xdist would run the first alone."""
    twice = [name for name, count in Counter(item.nodeid for item in items).items() if count > 1]
    if twice:
        session.shouldfail = f"several tests are called {twice[0]}"
        raise session.Failed(session.shouldfail)


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node):
    """Watch for a hang again, which pytest no longer does when a test has failed and its fixtures have yet to end."""
    seconds = float(node.config.getini("faulthandler_timeout"))
    if isinstance(node, pytest.Item) and seconds:
        # Where pytest's own watch writes; standard error is captured.
        stderr = node.config.stash[fault_handler_stderr_fd_key]
        faulthandler.dump_traceback_later(seconds, exit=True, file=stderr)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """A data folder in miniature; see `small_data`."""
    return write_data_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """A model folder of an untrained network, with a reference index; not to be changed."""
    return write_small_model(tmp_path_factory.mktemp("models") / "small")
