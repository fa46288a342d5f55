import pytest


@pytest.fixture(scope="session")
def labelled(data_folder):
    from olfactory_transformer.train.read import read_training_set

    return read_training_set(data_folder)
