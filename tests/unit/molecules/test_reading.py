"""The molecule does not depend on how it is spelt; RDKit's own reading is the reference."""

from __future__ import annotations

import pytest
from rdkit import Chem, rdBase

from olfactory_transformer.molecules import read_molecule

CORES = [
    "CCO", "CCCCCCCC=O", "CC(=O)OCC", "CC(C)=CCCC(C)=CC=O", "COc1cc(C=O)ccc1O", "O=Cc1ccccc1", "CC(=O)C(C)=O",
    "CCCCC1CCC(=O)O1", "CC1CCC(C(C)C)C(O)C1", "CC1=CCC(CC1)C(C)=C", "CC1(C)C2CCC1(C)C(=O)C2", "c1ccc2[nH]ccc2c1",
    "Cc1cnccn1", "COc1nccnc1CC(C)C", "CSC", "CSSC", "C=CCSSCC=C", "CC(S)CCO", "N#Cc1ccccc1", "OC(=O)CCCCCCCC=C",
    "O=C1CCCCCCCCCCCCCCC1", "CC1CCCCCCCCCCCCC(=O)C1", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "c1ccoc1", "OCc1ccco1",
    "CC1OCCO1", "CC(=O)Oc1ccccc1C(=O)O", "CCN(CC)CC", "C1CCNCC1", "Oc1ccccc1", "FC(F)(F)c1ccccc1", "ClCCl", "BrCCBr",
    "CI", "C[Si](C)(C)C", "CP(C)C", "OB(O)c1ccccc1", "C[Se]C", "CS(C)=O", "CS(C)(=O)=O", "C1=CC2CCC1C2",
    "C12C3C4C1C5C2C3C45", "C1C2CC3CC1CC(C2)C3", "O=c1ccc2ccccc2o1", "c1ccc(cc1)-c1ccccc1", "CC#CC", "C=C=C", "N=C=S",
    "C=CC=C", "c1cscn1", "c1ccsc1", "CC(N)=O", "NC(=O)N", "OO", "CON=C(C)C", "CN=NC", "O=C=O", "CC(C)(C)c1cc(C)cc(C)c1",
]  # fmt: skip
STEREO = [
    "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "C[C@@H]1CC[C@@H](C(C)C)[C@H](O)C1", "CC(C)=CCC/C(C)=C/CO",
    "CC(C)=CCC/C(C)=C\\CO", "C/C=C/C=O", "C/C=C\\C=O", "CC/C=C\\CCO", "C/C=C/C=C/C", "C/C=C/C=C\\C", "F/C=C/F",
    "CC(=C)[C@@H]1CC=C(C)C(=O)C1", "CC(=C)[C@H]1CC=C(C)C(=O)C1", "C[C@]12CC[C@H](C1)C2(C)C", "O[C@H]1CC[C@@H](O)CC1",
    "O[C@H]1CC[C@H](O)CC1", "C[S@](=O)CC", "C[P@](CC)(CCC)=O", "O[C@@H](F)Cl", "C[C@H](O)[C@@H](O)C", "C/C=N/O",
    "C[C@H]1CO1", "CC1=C[C@H]2[C@@H](CC1)C2(C)C", "C/C(=C\\CO)CCC=C(C)C", "[H]/N=C/C", "[H]/N=C\\C", "C[C@H]1C[C@@H]1C",
    "C[C@@]12CCC[C@H]1CCC2", "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O", "C/C=C/[C@H](C)O", "CC(F)(Cl)Br",
    "C[C@H]1CC[C@@]2(CC1)CC=CCC2", "CC1CC[C@H](C)CC1", "C1C[C@H]2CC[C@@H]1C2", "C/C=C1/CCC[C@@H](C)C1",
]  # fmt: skip
BRACKETS = [
    "C[N+](=O)[O-]", "C[n+]1ccccc1", "[O-][n+]1ccccc1", "CC=[N+]=[N-]", "CN=[N+]=[N-]", "C[N+](C)(C)CC(=O)[O-]",
    "[C-]#[N+]C", "C[S+](C)[O-]", "C=[N+](C)[O-]", "C[As](C)C", "C[Ge](C)(C)C", "c1cc[se]c1", "c1cc[nH]c1", "[SiH4]",
    "CC(=O)[O-].[Na+]", "C[NH3+].[Cl-]", "[13CH3][12CH2]O", "[CH3:1][CH2:2][OH:3]", "[CH3]", "[O-]Cl(=O)(=O)=O",
    "[cH-]1cccc1", "[CH+]1C=CC=CC=C1", "C[Hg]C", "CC[Pb](CC)(CC)CC", "[Cu]", "[Fe+2].[cH-]1cccc1.[cH-]1cccc1",
    "OC[C@H]([NH3+])C(=O)[O-]", "C[Sn](C)(C)c1ccccc1", "[OH-]", "[NH4+]", "NCC.[H]OCC", "O.O.CCO", "C[N-][N+]#N",
]  # fmt: skip
LARGE = [
    # Cholesterol, squalene, a triterpene (lupeol), beta-cyclodextrin: ordinary molecules that must stay within limits.
    "C[C@H](CCCC(C)C)[C@H]1CC[C@@H]2[C@@]1(CC[C@H]3[C@H]2CC=C4[C@@]3(CC[C@@H](C4)O)C)C",
    "CC(C)=CCC/C(C)=C/CC/C(C)=C/CC/C=C(C)/CC/C=C(C)/CCC=C(C)C",
    "CC(=C)[C@@H]1CC[C@]2([C@H]1[C@H]3CC[C@@H]4[C@]5(CC[C@@H](C([C@@H]5CC[C@]4([C@@]3(CC2)C)C)(C)C)O)C)C",
    "OCC1OC2OC3C(CO)OC(OC4C(CO)OC(OC5C(CO)OC(OC6C(CO)OC(OC7C(CO)OC(OC8C(CO)OC(OC1C(O)C2O)C(O)C8O)C(O)C7O)"
    "C(O)C6O)C(O)C5O)C(O)C4O)C(O)C3O",
]
ALL = CORES + STEREO + BRACKETS + LARGE


@pytest.fixture(autouse=True)
def _quiet():
    with rdBase.BlockLogs():
        yield


@pytest.mark.parametrize("smiles", ALL)
def test_the_key_is_one_for_all_spellings(smiles):
    molecule = read_molecule(smiles)
    parsed = Chem.MolFromSmiles(smiles)
    spellings = [
        *Chem.MolToRandomSmilesVect(parsed, 6, randomSeed=11),
        *Chem.MolToRandomSmilesVect(parsed, 3, randomSeed=12, kekuleSmiles=True),
        *Chem.MolToRandomSmilesVect(parsed, 3, randomSeed=13, allBondsExplicit=True),
        *Chem.MolToRandomSmilesVect(Chem.AddHs(parsed), 3, randomSeed=14),
        Chem.MolToSmiles(parsed, allHsExplicit=True),
    ]
    assert {read_molecule(spelling).key for spelling in spellings} == {molecule.key}
    assert read_molecule(molecule.smiles).smiles == molecule.smiles
    assert molecule.heavy_atoms == Chem.MolFromSmiles(molecule.smiles).GetNumHeavyAtoms()


@pytest.mark.parametrize("smiles", CORES + STEREO + LARGE)
def test_canonical_as_rdkit_has_it(smiles):
    molecule = read_molecule(smiles)
    if not {warning.code for warning in molecule.warnings} - {"no-carbon"}:
        assert molecule.smiles == Chem.CanonSmiles(smiles)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
        ("C/C=C/C", "C/C=C\\C"),
        ("C/C=C/C", "CC=CC"),
        ("O[C@H]1CC[C@@H](O)CC1", "O[C@H]1CC[C@H](O)CC1"),
        ("C[S@](=O)CC", "C[S@@](=O)CC"),
        ("[H]/N=C/C", "[H]/N=C\\C"),
        ("CCO", "COC"),
    ],
)
def test_stereo_and_structure_are_told_apart(one, other):
    assert read_molecule(one).key != read_molecule(other).key


def test_cip_labels_are_assigned():
    labels = {
        text: [
            atom.GetProp("_CIPCode")
            for atom in read_molecule(text).rdmol.GetAtoms()
            if atom.HasProp("_CIPCode")
        ]
        for text in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "[H][C@](C)(N)C(=O)O", "CC(N)C(=O)O")
    }
    assert list(labels.values()) == [["S"], ["R"], ["R"], []]  # L-alanine is S


def test_the_molecule_read_is_not_shared():
    one, other = read_molecule("CCO"), read_molecule("CCO")
    one.rdmol.GetAtomWithIdx(0).SetAtomicNum(7)
    assert other.rdmol.GetAtomWithIdx(0).GetAtomicNum() == 6


def test_the_key_names_its_scheme_and_rdkit():
    scheme, version, smiles = read_molecule("OCC").key.split(":", 2)
    assert (scheme, version, smiles) == ("m1", rdBase.rdkitVersion, "CCO")


@pytest.mark.parametrize("around", ["\u00a0", "\ufeff", "\u200b", " \t\r\n"])
def test_space_that_spreadsheets_leave_is_ignored(around):
    assert read_molecule(f"{around}CCO{around}").smiles == "CCO"
