import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from small_data import write_data_folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """A data folder in miniature; see `small_data`."""
    return write_data_folder(tmp_path_factory.mktemp("data"))
