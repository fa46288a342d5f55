"""What is changed on the way to the molecule that is predicted, and what is said of it."""

from __future__ import annotations

import itertools
import re

import pytest

from olfactory_transformer.molecules import MoleculeWarning, read_molecule

CASES = [
    # text, canonical SMILES, codes of the warnings
    ("CCO", "CCO", []),
    ("[CH3][CH2][OH]", "CCO", []),
    ("[H]C([H])([H])C([H])([H])O[H]", "CCO", []),
    ("[13CH3]CO", "CCO", ["isotopes-removed"]),
    ("[999C]", "[C]", ["isotopes-removed", "radical"]),
    ("[2H]OC", "CO", ["isotopes-removed"]),
    ("[2H]C([2H])([2H])[2H]", "C", ["isotopes-removed"]),
    ("[CH3:1][OH:2]", "CO", ["atom-maps-removed"]),
    ("[CH3:0]O", "CO", ["atom-maps-removed"]),
    ("[CH4:999999]", "C", ["atom-maps-removed"]),
    ("C[C@H](O)[2H]", "CCO", ["isotopes-removed"]),  # chiral by its isotope alone
    ("CC(=O)[O-]", "CC(=O)O", ["charges-neutralised"]),
    ("[NH3+]CC(=O)[O-]", "NCC(=O)O", ["charges-neutralised"]),
    ("C[N+](C)(C)C", "C[N+](C)(C)C", ["charged"]),
    ("c1cc[o+]cc1", "c1cc[o+]cc1", ["charged"]),
    ("C[N+](=O)[O-]", "C[N+](=O)[O-]", []),  # has to be written with charges
    ("CN(=O)=O", "C[N+](=O)[O-]", []),
    ("[C-]#[O+]", "[C-]#[O+]", []),
    ("CC(=O)[O-].[Na+]", "CC(=O)O", ["fragments-dropped", "charges-neutralised"]),
    ("C[N+](C)(C)C.[Cl-]", "C[N+](C)(C)C", ["fragments-dropped", "charged"]),
    ("CCO.O", "CCO", ["fragments-dropped"]),
    ("CCO.CCO", "CCO", ["fragments-dropped"]),
    ("C.[O-]S(=O)(=O)[O-].[Na+].[Na+]", "C", ["fragments-dropped"]),  # organic before large
    ("[Na+].[Cl-]", "[Na+]", ["fragments-dropped", "charged", "metal", "no-carbon"]),
    ("[Cu]", "[Cu]", ["metal", "radical", "no-carbon"]),
    ("[Sc]", "[Sc]", ["metal", "radical", "no-carbon"]),
    ("C[Hg]C", "[CH3][Hg][CH3]", ["metal"]),
    ("[He]", "[He]", ["no-carbon"]),
    ("Cl", "Cl", ["no-carbon"]),
    ("O", "O", ["no-carbon"]),
    ("[H]O[H]", "O", ["no-carbon"]),
    ("S1SSSSSSS1", "S1SSSSSSS1", ["no-carbon"]),
    ("[CH3]", "[CH3]", ["radical"]),
    ("[#6]C", "[C]C", ["radical"]),
    ("CC(C)(C)[O]", "CC(C)(C)[O]", ["radical"]),
    ("C$C", "C$C", []),
    ("C%(123)CC%(123)", "C1CC1", []),
    ("C0CC0", "C1CC1", []),
    ("C#0CCCCCCCC#0", "C1#CCCCCCCC1", []),
    ("c1ccc1", "C1=CC=C1", []),
    ("C:1CC:1", "C1=CC1", []),
    ("[nH]1cccc1", "c1cc[nH]c1", []),
    ("c1cccc[c-]1", None, ["charges-neutralised"]),
    ("[Pt@SP1](Cl)(Cl)(N)N", "[NH2][Pt]([NH2])([Cl])[Cl]", ["stereo-removed", "metal", "no-carbon"]),
    ("C[NH2][Cu]", "CN", ["fragments-dropped"]),  # RDKit makes the bond dative, which it writes "->"
    ("  CCO\r\n", "CCO", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "smiles", "codes"), CASES, ids=[ascii(case[0])[:30] for case in CASES])
def test_normalised(text, smiles, codes):
    molecule = read_molecule(text)
    assert [warning.code for warning in molecule.warnings] == codes
    if smiles is not None:
        assert molecule.smiles == smiles
    assert molecule.text == text
    assert "." not in molecule.smiles and ">" not in molecule.smiles
    for warning in molecule.warnings:
        assert str(warning) == warning.message and warning.message.isprintable()
    # Reading the result again changes nothing, and finds nothing more to warn of.
    again = read_molecule(molecule.smiles)
    assert again.smiles == molecule.smiles and again.key == molecule.key
    assert {w.code for w in again.warnings} <= set(codes)


def test_every_warning_has_a_case():
    named = MoleculeWarning.__doc__ or ""
    codes = {code for _, _, found in CASES for code in found}
    assert len(codes) == 9
    assert all(f"`{code}`" in named for code in codes)


def test_messages_name_what_was_found():
    salt = read_molecule("CC(=O)[O-].[Na+]").warnings
    assert salt[0].message == "a salt or mixture: kept CC(=O)[O-], left out [Na+]"
    assert read_molecule("CCO.CCO.OCC").warnings[0].message == "3 copies of CCO: kept one"
    assert "+1" in read_molecule("C[N+](C)(C)C").warnings[0].message
    assert "(Hg, Pb)" in read_molecule("C[Hg][Pb](C)(C)C").warnings[0].message


def test_the_fragment_kept_depends_on_neither_order_nor_spelling():
    fragments = ["CCO", "NCC", "CCS", "O", "[Na+]", "[Cl-]"]
    kept = {read_molecule(".".join(order)).smiles for order in itertools.permutations(fragments)}
    assert kept == {"CCS"}
    # Equal in size: neither written hydrogens nor labels decide.
    for text in (
        "NCC.CCO",
        "[H]NCC.CCO",
        "NCC.[H]OCC",
        "[13CH3]CN.CCO",
        "[CH3:5]CN.OCC",
        "NCC.[CH3][CH2][OH]",
    ):
        assert read_molecule(text).smiles == "CCO"


def test_metals_are_metals():
    metals = re.findall(
        r"\w+", "Li Be Na Mg Al K Ca Sc Fe Cu Zn Ga Rb Ag Sn Cs Ba La Ce Lu Hf Hg Pb Bi Po Ra U"
    )
    others = re.findall(r"\w+", "He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Te I Xe At Rn")
    for symbol in metals + others:
        codes = {warning.code for warning in read_molecule(f"[{symbol}]").warnings}
        assert ("metal" in codes) == (symbol in metals), symbol
