import math
from dataclasses import asdict

import pytest

from olfactory_transformer.core.errors import ModelForeign
from olfactory_transformer.core.nose import NoseConfig

CONFIG = NoseConfig(
    ("CO", "VOC"),
    ("clove", "mint"),
    unknown=(-2.0, 1.0, -2.0, 1.0),
    levels=(800.0, 40.0, 700.0, 90.0),
    level_spread=(0.1, 0.1),
    session_gain=(0.1, 0.1),
    session_offset=(5.0, 5.0),
)


def changed(**fields):
    return {"model": "nose", **asdict(CONFIG), **fields}


def test_what_is_written_is_read():
    assert NoseConfig.from_dict(CONFIG.as_dict()) == CONFIG


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("floors", [1.0]),
        ("sharpness", [1.0, 0.1]),  # of a model before there were forests
        ("sharpness", [1.0, 0.1, math.nan, 0.0]),
        ("unknown", [-2.0, 1.0]),
        ("unknown", [-2.0, 1.0, -2.0, math.inf]),
        ("levels", [800.0, 40.0]),
        ("level_spread", [0.1]),
        ("session_gain", [0.1, 0.1, 0.1]),
        ("session_offset", []),
        ("window", 0.0),
        ("hop", math.nan),
        ("smells", ["clove"]),  # too few for the levels
    ],
)
def test_numbers_that_would_fail_later_are_refused_and_where(field, value):
    with pytest.raises(ModelForeign, match=r"^nose/config\.json: "):
        NoseConfig.from_dict(changed(**{field: value}), "nose/config.json")
