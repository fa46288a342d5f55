import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from small_data import write_data_folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    return write_data_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def labelled(data_folder):
    from olfactory_transformer.train.read import read_training_set

    return read_training_set(data_folder)
