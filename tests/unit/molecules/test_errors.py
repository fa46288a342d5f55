"""Each text that is not a molecule gives its own error, which says what was got, what was expected, and where."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from olfactory_transformer.core import errors as err
from olfactory_transformer.molecules import Molecule, MoleculeLimits, read_molecule

CASES = [
    # text, error, code, position from 0, in the message
    (None, err.NotText, "not-text", None, "NoneType"),
    (b"CCO", err.NotText, "not-text", None, "bytes"),
    (3.5, err.NotText, "not-text", None, "float"),
    ("", err.EmptyMolecule, "empty", None, "empty SMILES"),
    (" \t\r\n ", err.EmptyMolecule, "empty", None, "such as 'CCO'"),
    ("C" * 1001, err.MoleculeTooLong, "too-long", None, "1001 characters; expected at most 1000"),
    ("CC\x00O", err.ForbiddenCharacter, "forbidden-character", 2, r"'\x00' at character 3"),
    ("C\ud800", err.ForbiddenCharacter, "forbidden-character", 1, r"'\ud800'"),
    ("C\u00a0C", err.ForbiddenCharacter, "forbidden-character", 1, r"'\xa0'"),
    ("С", err.ForbiddenCharacter, "forbidden-character", 0, r"'\u0421'"),  # a Cyrillic letter
    ("CCO\x0bC", err.ForbiddenCharacter, "forbidden-character", 3, r"'\x0b'"),
    ("<b>C</b>", err.ForbiddenCharacter, "forbidden-character", 0, "'<'"),
    ("CC;DROP", err.ForbiddenCharacter, "forbidden-character", 2, "';'"),
    ("CC'", err.ForbiddenCharacter, "forbidden-character", 2, "at character 3"),
    ("N->[Cu]", err.ForbiddenCharacter, "forbidden-character", 2, "'>'"),
    ("C>>C", err.ForbiddenCharacter, "forbidden-character", 1, "'>'"),
    ("C|$R1$|", err.ForbiddenCharacter, "forbidden-character", 1, "'|'"),
    ("  C{}", err.ForbiddenCharacter, "forbidden-character", 3, "'{'"),
    ("CCO name", err.TrailingText, "trailing-text", 4, "'name'"),
    ("CCO\tCCN", err.TrailingText, "trailing-text", 4, "'CCN'"),
    ("\n CCO |$_AV:1$|", err.TrailingText, "trailing-text", 6, "one SMILES and nothing else"),
    ("CCO \x1b[31mred\u202e", err.TrailingText, "trailing-text", 4, r"\x1b[31mred\u202e"),
    ("CC(", err.UnparsableMolecule, "unparsable", 2, "syntax error at character 3"),
    ("CC)", err.UnparsableMolecule, "unparsable", 2, "extra close parentheses"),
    ("CXC", err.UnparsableMolecule, "unparsable", 1, "expected a valid SMILES"),
    ("C==C", err.UnparsableMolecule, "unparsable", 2, "syntax error"),
    ("C[Xx]", err.UnparsableMolecule, "unparsable", 2, "syntax error"),
    ("CC.", err.UnparsableMolecule, "unparsable", 2, "syntax error"),
    ("C1CC", err.UnparsableMolecule, "unparsable", 1, "unclosed ring"),
    ("C1CC1C%12CC2", err.UnparsableMolecule, "unparsable", 6, "unclosed ring"),
    ("[13C]CC%(107)C", err.UnparsableMolecule, "unparsable", 7, "unclosed ring"),
    ("CC11", err.UnparsableMolecule, "unparsable", 1, "to itself"),
    ("CC1C1", err.UnparsableMolecule, "unparsable", 3, "duplicates bond"),
    ("C%(100000)CC%(100000)", err.UnparsableMolecule, "unparsable", 8, "syntax error"),
    ("CC(C)(C)(C)C", err.UnparsableMolecule, "unparsable", 1, "Explicit valence"),
    ("[13CH3]N(C)(C)C", err.UnparsableMolecule, "unparsable", 7, "Explicit valence"),
    ("CCc1cccc1", err.UnparsableMolecule, "unparsable", 2, "kekulize"),
    ("CCcC", err.UnparsableMolecule, "unparsable", 2, "marked aromatic"),
    ("C:C", err.UnparsableMolecule, "unparsable", 0, "not aromatic"),
    ("[C@@@H](C)(N)O", err.UnparsableMolecule, "unparsable", 4, "syntax error"),
    ("[1000C]", err.UnparsableMolecule, "unparsable", 1, "isotope of 1000"),
    ("[99999999999999999999C]", err.UnparsableMolecule, "unparsable", 1, "isotope of 20 digits"),
    ("C[CH99]", err.UnparsableMolecule, "unparsable", 3, "hydrogen count of 99 at character 4"),
    ("[CH260]", err.UnparsableMolecule, "unparsable", 2, "hydrogen count of 260"),  # not methane
    ("[CH999999999]", err.UnparsableMolecule, "unparsable", 2, "hydrogen count"),
    ("[C+99]", err.UnparsableMolecule, "unparsable", 2, "charge of +99"),
    ("[C-128:3]", err.UnparsableMolecule, "unparsable", 2, "charge of -128"),
    ("[C+999999999999]", err.UnparsableMolecule, "unparsable", 2, "charge of"),
    ("[C:99999999999]", err.UnparsableMolecule, "unparsable", 12, "number too large"),
    ("[H][H]", err.NoAtoms, "no-atoms", None, "at least one heavy atom"),
    ("[H+].[H-]", err.NoAtoms, "no-atoms", None, "hydrogen"),
    ("[2H]", err.NoAtoms, "no-atoms", None, "hydrogen"),
    ("CC*", err.WildcardAtom, "wildcard-atom", 2, "'*'"),
    ("C[*:1]", err.WildcardAtom, "wildcard-atom", 2, "complete structure"),
    ("C[R1]", err.WildcardAtom, "wildcard-atom", 2, "'R1'"),
    ("[R]C", err.WildcardAtom, "wildcard-atom", 1, "'R'"),
    ("C[#0]", err.WildcardAtom, "wildcard-atom", 2, "'#0'"),
    ("C" * 201, err.TooManyAtoms, "too-many-atoms", None, "201 heavy atoms; expected at most 200"),
    ("[Na+]." + "C" * 200, err.TooManyAtoms, "too-many-atoms", None, "201"),
    ("C1CC1" * 25, err.TooManyRings, "too-many-rings", None, "25 rings; expected at most 24"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "code", "position", "message"), CASES, ids=lambda v: ascii(v)[:24])
def test_error(text, kind, code, position, message):
    with pytest.raises(err.MoleculeError) as caught:
        read_molecule(text)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.position) == (code, position)
    assert message in str(error)
    assert error.got in str(error) and error.expected in str(error)
    assert isinstance(error, ValueError)
    if position is not None:
        assert f"at character {position + 1};" in str(error)


def test_every_kind_of_error_has_a_case_and_its_own_code():
    kinds = set(err.MoleculeError.__subclasses__())
    assert kinds == {kind for _, kind, *_ in CASES}
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind, code in {(kind, code) for _, kind, code, *_ in CASES}:
        assert kind.code == code


def test_errors_cross_process_borders():
    with pytest.raises(err.TrailingText) as caught:
        read_molecule("CCO name")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is err.TrailingText
    assert (str(again), again.position) == (str(caught.value), 4)


def test_limits_are_those_given_and_inclusive():
    limits = MoleculeLimits(length=12, heavy_atoms=4, rings=1)
    assert read_molecule("C1CC1", limits).heavy_atoms == 3
    assert read_molecule(" " * 50 + "CCC" + " " * 50, limits).smiles == "CCC"
    for text, kind in (
        ("CCCCC", err.TooManyAtoms),
        ("C12CC1C2", err.TooManyRings),
        ("C" * 13, err.MoleculeTooLong),
    ):
        with pytest.raises(kind):
            read_molecule(text, limits)
    assert read_molecule("C" * 200).heavy_atoms == 200
    assert read_molecule("C1CC1" * 24).heavy_atoms == 72


def test_hydrogens_do_not_count_as_heavy_atoms():
    assert read_molecule("[H]C([H])([H])C", MoleculeLimits(heavy_atoms=2)).smiles == "CC"


def checked(text: object) -> Molecule | None:
    """Read `text`; an error must be ours, short and printable."""
    try:
        molecule = read_molecule(text)  # type: ignore[arg-type]
    except err.MoleculeError as error:
        message = str(error)
        assert message.isascii() and message.isprintable()
        assert len(message) < 400
        assert error.position is None or 0 <= error.position <= len(str(text))
        return None
    assert molecule.text == text
    assert molecule.smiles
    return molecule


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=60) | st.text(st.characters(exclude_categories=[]), max_size=20))
@example("C" * 999 + "(")
@example("n1" + "c" * 300 + "1")
@example("[nH]" + "1" * 900)
def test_any_text_is_a_molecule_or_an_error(text):
    checked(text)


TOKENS = [
    "C", "C", "c", "n", "N", "O", "o", "S", "s", "P", "F", "Cl", "B", "I", "(", ")", "(=", "1", "2", "%10", "%(101)",
    "=", "#", "$", "/", "\\", "-", ":", ".", "[nH]", "[C@H]", "[C@@]", "[N+]", "[O-]", "[13CH3]", "[CH2:7]", "[C:0]",
    "[H]", "[2H]", "[Na+]", "[Cu]", "[S@](=O)", "[Fe+2]", "[BH4-]", "[Cl+3]", "[Pt@SP1]", "[Co@OH12]", "[C-2]",
    "[CH3]", "[n+]", "[se]", "[Si]", "[U]", "[C", "]", "[999C]", "[#6]", "*", "@", "H", "0", "%", " ",
]  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=25).map("".join))
def test_any_smiles_like_text_is_a_molecule_or_an_error(text):
    checked(text)


@settings(max_examples=150, deadline=None)
@given(
    st.none()
    | st.integers()
    | st.floats()
    | st.binary(max_size=5)
    | st.lists(st.text(max_size=2), max_size=2)
)
def test_anything_but_text_is_an_error(value):
    with pytest.raises(err.NotText):
        read_molecule(value)
