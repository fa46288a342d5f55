from __future__ import annotations

from html.parser import HTMLParser

import pytest

from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.render import bar, words_shown

VANILLIN = ScentPrediction(
    primary_notes=("vanilla", "sweet"),
    intensity=5.1,
    smiles="COc1cc(C=O)ccc1O",
    canonical_smiles="COc1cc(C=O)ccc1O",
    words={"smoky": 0.2, "vanilla": 0.9, "sweet": 0.8, **{f"word{i}": 0.01 * i for i in range(12)}},
    pleasantness=7.5,
    log_inverse_threshold=3.0,
    odorless_probability=0.02,
    confidence=0.85,
    warnings=("a salt or mixture: kept one",),
    model_version="m@1",
)


def test_text_says_everything() -> None:
    text = str(VANILLIN)
    for part in ["COc1cc(C=O)ccc1O", "5.1 of 10", "0.001", "7.5 of 10", "0.001 ppm", "2 %", "85 %", "a salt"]:
        assert part in text
    lines = text.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [["●", "vanilla"], ["●", "sweet"], ["smoky", "20"]]
    assert lines[1].count("█") > lines[3].count("█")


def test_the_most_probable_words_and_all_notes_are_shown() -> None:
    shown = words_shown(VANILLIN, 4)
    assert [word for word, _, _ in shown] == ["vanilla", "sweet", "smoky", "word11"]
    assert [note for _, _, note in shown] == [True, True, False, False]
    assert [word for word, _, _ in words_shown(VANILLIN, 0)] == ["vanilla", "sweet"]


def test_little_is_known() -> None:
    assert str(ScentPrediction()) == "(no molecule)"
    assert "vanilla" in str(ScentPrediction(primary_notes=("vanilla",), intensity=5.0))
    assert "no word reaches" in str(ScentPrediction(words={"a": 0.1}))


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.001, 0.5, 0.999, 1.0, 2.0])
def test_bars_fit(share: float) -> None:
    assert len(bar(share, 10)) <= 10
    assert len(bar(share, 10, ascii_only=True)) <= 10


def test_bars_grow() -> None:
    def length(drawn: str) -> float:
        return sum((" ▏▎▍▌▋▊▉█".index(c)) for c in drawn)

    lengths = [length(bar(i / 192, 24)) for i in range(193)]
    assert lengths == list(range(193))
    assert bar(float("nan")) == ""


def test_nothing_reaches_the_terminal_raw() -> None:
    assert "\x1b" not in str(ScentPrediction(smiles="C\x1b[2J", warnings=("\x07",)))


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_well_formed_escaped_and_without_scripts() -> None:
    evil = '<script>alert("1")</script>&'
    seen = _Seen()
    seen.feed(
        ScentPrediction(
            primary_notes=(evil,), smiles=evil, words={evil: 0.5}, warnings=(evil,), model_version=evil
        )._repr_html_()
    )
    assert seen.open == []
    assert seen.tags == {"div", "code", "table", "tr", "td", "b"} and seen.attributes == {"style"}
    assert seen.text.count(evil) == 4


def test_html_takes_its_colours_from_the_theme() -> None:
    page = VANILLIN._repr_html_()
    assert "currentColor" in page and "color:inherit" in page
    assert "#" not in page and "white" not in page and "black" not in page
    for part in ["vanilla", "5.1 of 10", "a salt"]:
        assert part in page
