from __future__ import annotations

import pytest

from olfactory_transformer.inference.predictor import ScentPredictor


@pytest.fixture(scope="session")
def predictor() -> ScentPredictor:
    return ScentPredictor.from_pretrained(threads=1)
