"""One fragment, natural isotopes, no atom maps, neutral where possible; stereo is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from olfactory_transformer.molecules.parser import quietly

# Groups 1-12, the lanthanides and actinides, and the metals of groups 13-16.
_METALS = frozenset([3, 4, *range(11, 14), *range(19, 32), *range(37, 51), *range(55, 85), *range(87, 117)])

_TETRAHEDRAL = (
    Chem.ChiralType.CHI_UNSPECIFIED,
    Chem.ChiralType.CHI_TETRAHEDRAL_CW,
    Chem.ChiralType.CHI_TETRAHEDRAL_CCW,
)
_CARBON = Chem.MolFromSmarts("[#6]")


@dataclass(frozen=True, slots=True)
class MoleculeWarning:
    """Something a reader of the prediction should know.

    Parameters
    ----------
    code : str
        Stable, for programs: `fragments-dropped`, `isotopes-removed`, `atom-maps-removed`,
        `stereo-removed`, `charges-neutralised`, `charged`, `radical`, `metal`, `no-carbon`.
    message : str
        For people.
    """

    code: str
    message: str

    def __str__(self) -> str:
        return self.message


@lru_cache(maxsize=1)
def _uncharger() -> rdMolStandardize.Uncharger:
    return rdMolStandardize.Uncharger()


def normalise(mol: Chem.Mol, bracketed: bool = True) -> tuple[Chem.Mol, str, tuple[MoleculeWarning, ...]]:
    """Return the molecule that is predicted, its canonical SMILES, and what was changed.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Sanitised, with all atoms of the text.
    bracketed : bool
        False when no atom was written in brackets: then there is nothing to strip, neutralise or warn of
        but missing carbon.

    Returns
    -------
    tuple
        The molecule with stereo assigned, canonical isomeric SMILES, warnings.
    """
    warnings: list[MoleculeWarning] = []
    with quietly():
        # Labels and written hydrogens go first: they must not decide which of two equal fragments is kept.
        if bracketed:
            _strip_labels(mol, warnings)
            mol = _without_dative_bonds(mol)
            mol = _without_hydrogens(mol)
        mol = _largest_organic(mol, warnings)
        if bracketed:
            mol = _neutral(mol, warnings)
            _unseen(mol, warnings)
        _assign_stereo(mol)
        if bracketed and mol.GetNumAtoms() != (mol := _without_hydrogens(mol)).GetNumAtoms():
            _assign_stereo(mol)  # those that had a bond direction for a double bond without stereo
        canonical = Chem.MolToSmiles(mol)
    if not mol.HasSubstructMatch(_CARBON):
        warnings.append(MoleculeWarning("no-carbon", "has no carbon: the model has hardly seen such"))
    return mol, canonical, tuple(warnings)


def _assign_stereo(mol: Chem.Mol) -> None:
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)


def _without_hydrogens(mol: Chem.Mol) -> Chem.Mol:
    """Return `mol` without hydrogens written as atoms, but for those that define stereo ("[H]/N=C/C")."""
    return mol if mol.GetNumAtoms() == mol.GetNumHeavyAtoms() else Chem.RemoveHs(mol)


def _without_dative_bonds(mol: Chem.Mol) -> Chem.Mol:
    """Return `mol` with the bonds cut that RDKit made dative: ligands of a metal, for which SMILES has no bond."""
    dative = [bond for bond in mol.GetBonds() if bond.GetBondType() == Chem.BondType.DATIVE]
    if not dative:
        return mol
    cut = Chem.RWMol(mol)
    for bond in dative:
        cut.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    Chem.SanitizeMol(cut)
    return cut.GetMol()


def _largest_organic(mol: Chem.Mol, warnings: list[MoleculeWarning]) -> Chem.Mol:
    fragments = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    if len(fragments) == 1:
        return mol
    names = [Chem.MolToSmiles(fragment) for fragment in fragments]

    def rank(index: int) -> tuple[bool, int, str]:
        fragment = fragments[index]
        organic = any(atom.GetAtomicNum() == 6 for atom in fragment.GetAtoms())
        return organic, fragment.GetNumHeavyAtoms(), names[index]

    best = max(range(len(fragments)), key=rank)
    left = [name for index, name in enumerate(names) if index != best]
    if set(left) - {names[best]}:
        message = f"a salt or mixture: kept {names[best]}, left out {', '.join(sorted(set(left)))}"
    else:
        message = f"{len(fragments)} copies of {names[best]}: kept one"
    warnings.append(MoleculeWarning("fragments-dropped", message))
    chosen = Chem.Mol(fragments[best])
    Chem.SanitizeMol(chosen)
    return chosen


def _strip_labels(mol: Chem.Mol, warnings: list[MoleculeWarning]) -> None:
    isotopes = maps = stereo = False
    for atom in mol.GetAtoms():
        if atom.GetChiralTag() not in _TETRAHEDRAL:
            stereo = True
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
        if atom.GetIsotope():
            isotopes = True
            atom.SetIsotope(0)
        if atom.HasProp("molAtomMapNumber"):  # number 0 is written out, too
            maps = True
            atom.SetAtomMapNum(0)
    if isotopes:
        warnings.append(MoleculeWarning("isotopes-removed", "isotope labels were removed"))
    if maps:
        warnings.append(MoleculeWarning("atom-maps-removed", "atom map numbers were removed"))
    if stereo:
        Chem.SetHybridization(mol)  # depends on it
        warnings.append(MoleculeWarning("stereo-removed", "stereo that is not tetrahedral was removed"))


def _neutral(mol: Chem.Mol, warnings: list[MoleculeWarning]) -> Chem.Mol:
    charges = [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    if not any(charges):
        return mol
    # Without aromatic flags: the neutral molecule need not be aromatic (cyclopentadienyl, tropylium).
    kekule = Chem.Mol(mol)
    Chem.Kekulize(kekule, clearAromaticFlags=True)
    neutral = _uncharger().uncharge(kekule)
    Chem.SanitizeMol(neutral)
    if [atom.GetFormalCharge() for atom in neutral.GetAtoms()] != charges:
        warnings.append(MoleculeWarning("charges-neutralised", "charges were neutralised with hydrogen"))
    if net := Chem.GetFormalCharge(neutral):
        warnings.append(MoleculeWarning("charged", f"an ion of charge {net:+d}: ions do not reach the nose"))
    return neutral


def _unseen(mol: Chem.Mol, warnings: list[MoleculeWarning]) -> None:
    numbers = {atom.GetAtomicNum() for atom in mol.GetAtoms()}
    if metals := sorted(numbers & _METALS):
        symbols = ", ".join(Chem.GetPeriodicTable().GetElementSymbol(number) for number in metals)
        warnings.append(MoleculeWarning("metal", f"has a metal ({symbols}): the model has not seen such"))
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        warnings.append(MoleculeWarning("radical", "has unpaired electrons: the model has not seen such"))
