"""Pictures of explanations, without a model."""

from __future__ import annotations

import builtins
from xml.etree import ElementTree

import pytest

from olfactory_transformer.core.errors import CannotDraw
from olfactory_transformer.inference.draw import AGAINST, FOR, Plain, colours, png, svg
from olfactory_transformer.inference.explain import Explanation


def explanation(smiles="CCO", symbols="CCO", contributions=(2.0, -1.0, 0.0), word="sweet"):
    return Explanation(smiles, smiles, word, 0.5, tuple(symbols), tuple(contributions))


def test_colours_are_white_for_nothing_and_full_for_the_most():
    first, second, third = colours(explanation())
    assert first == pytest.approx(FOR) and third == (1, 1, 1)
    assert second == pytest.approx([(1 + part) / 2 for part in AGAINST])


def test_small_contributions_stay_pale():
    assert all(min(colour) > 0.8 for colour in colours(explanation(contributions=(0.1, -0.1, 0.0))))


def test_an_svg_is_xml_with_its_title_and_its_colours():
    drawn = svg(explanation(), (300, 200))
    root = ElementTree.fromstring(drawn)
    assert root.tag.endswith("svg") and root.get("width") == "300px"
    title = next(child for child in root if child.tag.endswith("title"))
    assert title.text == "sweet 50 %: CCO"
    assert "#E69F00" in drawn  # FOR


def test_a_png_is_one():
    drawn = png(explanation(), (300, 200))
    assert drawn.startswith(b"\x89PNG\r\n\x1a\n")
    assert [int.from_bytes(drawn[at : at + 4], "big") for at in (16, 20)] == [300, 200]


def test_the_same_is_drawn_alike():
    assert svg(explanation()) == svg(explanation()) and png(explanation()) == png(explanation())
    assert svg(explanation()) != svg(explanation(contributions=(2.0, 0.0, 0.0)))


@pytest.mark.parametrize(
    ("smiles", "symbols"),
    [("C", "C"), ("[H]/N=C/C", "NCC"), ("C" * 200, "C" * 200), ("O=C(O)c1ccccc1", "OCOCCCCCC")],
)
def test_any_molecule(smiles, symbols):
    ElementTree.fromstring(svg(explanation(smiles, symbols, [-1.0] * len(symbols), word="<b>&")))


def test_no_library_to_draw_with_is_an_error_of_ours(monkeypatch):
    real = builtins.__import__

    def without_drawing(name, *rest):
        if name == "rdkit.Chem.Draw":
            raise ImportError("libXrender.so.1: cannot open shared object file")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_drawing)
    with pytest.raises(CannotDraw, match=r"libXrender.*libxrender1"):
        svg(explanation())


def test_a_molecule_without_an_explanation_is_drawn_plain():
    drawn = svg(Plain("CCO"))
    root = ElementTree.fromstring(drawn)
    assert next(child for child in root if child.tag.endswith("title")).text == "CCO"
    assert "#E69F00" not in drawn and "log odds" not in drawn
    assert png(Plain("CCO")).startswith(b"\x89PNG")
