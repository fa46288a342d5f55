"""A molecule as a picture, with RDKit; of an explanation, with its atoms coloured by their contribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from rdkit import Chem

from olfactory_transformer.core.errors import CannotDraw

if TYPE_CHECKING:
    from olfactory_transformer.inference.explain import Explanation

SIZE = (480, 400)  # pixels
# Two colours of Okabe and Ito, which people with any colour vision tell apart, also from white between them.
FOR, AGAINST = (0xE6 / 255, 0x9F / 255, 0.0), (0x56 / 255, 0xB4 / 255, 0xE9 / 255)
_LEAST_FULL = 1.0  # log odds; where all contributions are smaller, colours stay pale


@dataclass(frozen=True, slots=True)
class Plain:
    """A molecule to be drawn as it is, by its canonical SMILES."""

    canonical_smiles: str


def svg(picture_of: Explanation | Plain, size: tuple[int, int] = SIZE) -> str:
    """Return the picture as SVG, with the molecule (and the word) as its title.

    Raises
    ------
    CannotDraw
        RDKit's drawing code does not load on this machine.
    """
    picture = str(_drawn("MolDraw2DSVG", picture_of, size))
    picture = picture[picture.index("<svg") :]  # without RDKit's XML declaration, it is UTF-8
    start = picture.index(">") + 1
    headline = "" if isinstance(picture_of, Plain) else f"{_headline(picture_of)}: "
    title = escape(headline + picture_of.canonical_smiles)
    return f"{picture[:start]}\n<title>{title}</title>{picture[start:]}"


def png(picture_of: Explanation | Plain, size: tuple[int, int] = SIZE) -> bytes:
    """Return the picture as PNG.

    Raises
    ------
    CannotDraw
        RDKit's drawing code does not load on this machine.
    """
    return bytes(_drawn("MolDraw2DCairo", picture_of, size))


def colours(explanation: Explanation) -> list[tuple[float, float, float]]:
    """Return a colour an atom: white for nothing, `FOR` or `AGAINST` for the largest contribution."""
    full = _full(explanation)
    return [_mixed(FOR if value > 0 else AGAINST, abs(value) / full) for value in explanation.contributions]


def _mixed(colour: tuple[float, float, float], share: float) -> tuple[float, float, float]:
    red, green, blue = (1 + (part - 1) * share for part in colour)
    return red, green, blue


def _full(explanation: Explanation) -> float:
    return max(_LEAST_FULL, *map(abs, explanation.contributions))


def _headline(explanation: Explanation) -> str:
    return f"{explanation.word} {100 * explanation.probability:.0f} %"


def _drawn(drawer: str, picture_of: Explanation | Plain, size: tuple[int, int]) -> Any:
    try:
        from rdkit.Chem import rdDepictor
        from rdkit.Chem.Draw import rdMolDraw2D
    except ImportError as error:  # of its wheels' libraries, those of X are left to the system
        raise CannotDraw(
            f"RDKit cannot draw here: {error}; on Debian, install libxrender1 and libxext6"
        ) from None
    # Read again from its canonical SMILES and laid out in its order, a molecule is always drawn alike.
    mol = Chem.MolFromSmiles(picture_of.canonical_smiles)
    rdDepictor.SetPreferCoordGen(False)
    rdDepictor.Compute2DCoords(mol, canonOrient=True)
    canvas = getattr(rdMolDraw2D, drawer)(*size)
    options = canvas.drawOptions()
    options.fixedBondLength = 60  # a small molecule does not fill the page
    options.legendFontSize = 16
    if isinstance(picture_of, Plain):
        rdMolDraw2D.PrepareAndDrawMolecule(canvas, mol)
    else:
        options.useBWAtomPalette()  # colours are for contributions alone
        rdMolDraw2D.PrepareAndDrawMolecule(canvas, mol, highlightBonds=[], **_shading(picture_of, mol))
    canvas.FinishDrawing()
    return canvas.GetDrawingText()


def _shading(explanation: Explanation, mol: Chem.Mol) -> dict[str, Any]:
    heavy = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() != 1]
    key = f"orange for, blue against, full colour {_full(explanation):.1f} log odds"
    return {
        "legend": f"{_headline(explanation)}: {key}",
        "highlightAtoms": heavy,
        "highlightAtomColors": dict(zip(heavy, colours(explanation), strict=True)),
    }
