from __future__ import annotations

import pytest

from olfactory_transformer.core.applicability import FURTHEST, NOT_VOLATILE, Applicability, Domain, assess
from olfactory_transformer.core.config import ScentPrediction

DOMAIN = Domain(20, ("C", "H", "O"))


def test_nothing_to_doubt() -> None:
    found = assess(DOMAIN, 20, {"C", "H"}, 0.1, FURTHEST, NOT_VOLATILE)
    assert found == Applicability(True, 0.1, FURTHEST, ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heavy_atoms": 21}, "21 heavy atoms"),
        ({"elements": {"C", "Zn", "Cu"}}, "Cu, Zn"),
        ({"boiling_point": 401.0}, "hardly volatile: boils at about 401"),
        ({"percentile": 95.6}, "unlike anything it learned from: further than 96 %"),
    ],
)
def test_each_reason_alone(change: dict[str, object], said: str) -> None:
    found = assess(**{"domain": DOMAIN, "heavy_atoms": 3, "elements": {"C"}, **change})  # type: ignore[arg-type]
    assert not found.inside and len(found.reasons) == 1 and said in found.reasons[0]


def test_it_is_shown() -> None:
    place = Applicability(False, 0.4, 99.2, ("21 <heavy> atoms",))
    prediction = ScentPrediction(smiles="C", applicability=place)
    assert "applicability outside, further than 99 % of new molecules" in str(prediction)
    assert "  ! 21 <heavy> atoms" in str(prediction)
    assert "outside" in prediction._repr_html_() and "21 &lt;heavy&gt; atoms" in prediction._repr_html_()
    assert prediction.as_dict()["applicability"] == {
        "inside": False,
        "distance": 0.4,
        "percentile": 99.2,
        "reasons": ["21 <heavy> atoms"],
    }
    assert "applicability" not in str(ScentPrediction(smiles="C"))
    assert ScentPrediction().as_dict()["applicability"] is None
