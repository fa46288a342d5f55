import os
import sys
from pathlib import Path

import pytest

# The tests' networks are tiny, and there is a process of them a core: threads that wait for each other took most of the
# time. The inference processes do not mind, they have threads of their own.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))
from small_data import write_data_folder, write_small_model


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """A data folder in miniature; see `small_data`."""
    return write_data_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """A model folder of an untrained network, with a reference index; not to be changed."""
    return write_small_model(tmp_path_factory.mktemp("models") / "small")
