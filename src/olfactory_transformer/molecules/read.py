"""One function from text to a checked molecule.

The steps are ordered by cost: characters, then the bare graph, then perception (rings, aromaticity, stereo), so
that hostile input is refused before it can hold the interpreter lock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rdkit import Chem, rdBase
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from olfactory_transformer.core import errors as err
from olfactory_transformer.core.errors import shown
from olfactory_transformer.molecules.limits import DEFAULT_LIMITS, MoleculeLimits
from olfactory_transformer.molecules.normalise import MoleculeWarning, normalise
from olfactory_transformer.molecules.parser import check_numbers, parse_syntax, sanitise

_SPACE = " \t\r\n"
_AROUND = (
    _SPACE + "\xa0\u200b\ufeff"
)  # no-break and zero-width spaces, as spreadsheets and web pages leave them
# Every character of OpenSMILES, and '#' and '$' as bonds. All the deployment guide forbids, control characters,
# lone surrogates, CXSMILES bars and reaction arrows are outside of it.
_NOT_SMILES = re.compile(r"[^A-Za-z0-9@+\-\[\]()=:#$/\\.%*]")
_ANY_ATOM = re.compile(r"(\*)|\[\d*(#0(?!\d)|R\d*(?=[\]:]))")
# Above the first, rings are counted as RDKit tries them for aromaticity: a symmetric cage of 21 independent rings
# can have 150 smallest ones. It leaves out those of more than 24 atoms (a cyclodextrin has 128 of them).
_FEW_RINGS, _AROMATIC_RING = 4, 24
_ELEMENT = re.compile("[A-Z][a-z]?")
KEY_SCHEME = "m1"


@dataclass(frozen=True, slots=True, eq=False)
class Molecule:
    """A checked, normalised molecule.

    Parameters
    ----------
    text : str
        The SMILES as it was given.
    smiles : str
        Canonical isomeric SMILES of what is predicted: one fragment, no isotopes, no atom maps, charges
        neutralised where possible.
    rdmol : rdkit.Chem.Mol
        The same, sanitised, with stereo assigned.
    warnings : tuple of MoleculeWarning
        What was changed on the way, and what the model has not seen.
    """

    text: str
    smiles: str
    rdmol: Chem.Mol
    warnings: tuple[MoleculeWarning, ...] = ()

    @property
    def key(self) -> str:
        """The canonical key for caches: equal for all spellings of one molecule.

        >>> read_molecule("OCC").key == read_molecule("C(C)O").key
        True
        """
        return f"{KEY_SCHEME}:{rdBase.rdkitVersion}:{self.smiles}"

    @property
    def heavy_atoms(self) -> int:
        """Number of atoms other than hydrogen."""
        return int(self.rdmol.GetNumHeavyAtoms())

    @property
    def elements(self) -> frozenset[str]:
        """Symbols of its elements, hydrogen included.

        >>> sorted(read_molecule("ClCCO").elements)
        ['C', 'Cl', 'H', 'O']
        """
        return frozenset(_ELEMENT.findall(CalcMolFormula(self.rdmol)))


def read_molecule(text: str, limits: MoleculeLimits = DEFAULT_LIMITS) -> Molecule:
    r"""Read a SMILES into a checked, normalised molecule.

    Parameters
    ----------
    text : str
        One SMILES (OpenSMILES). White space around it is ignored.
    limits : MoleculeLimits
        Refused above these, before anything expensive is done.

    Returns
    -------
    Molecule
        With a warning for each thing that was normalised or that the model has not seen.

    Raises
    ------
    MoleculeError
        One subclass a reason; each says what was got, what was expected and, where it can be told, at which
        character.

    Examples
    --------
    >>> read_molecule("OC(=O)c1ccccc1").smiles
    'O=C(O)c1ccccc1'
    >>> read_molecule("[Na+].[O-]C(=O)c1ccccc1").warnings[0].code
    'fragments-dropped'
    >>> read_molecule("CCO ethanol")
    Traceback (most recent call last):
    ...
    olfactory_transformer.core.errors.TrailingText: text after the SMILES, 'ethanol', at character 5; expected ...
    """
    smiles = _check_characters(text, limits)
    # Isotopes, maps, charges, radicals, metals, hydrogens and stereo centres can only be written in brackets.
    # Most molecules have none, and walking the atoms from Python costs as much as canonicalising.
    bracketed = "[" in smiles
    if bracketed:
        check_numbers(smiles)
    mol = parse_syntax(smiles)
    _check_graph(mol, limits, bracketed)
    sanitise(mol, smiles)
    mol, canonical, warnings = normalise(mol, bracketed)
    return Molecule(text=text, smiles=canonical, rdmol=mol, warnings=warnings)


def _check_characters(text: str, limits: MoleculeLimits) -> str:
    """Return the SMILES without white space around it, or raise for what can be seen in the characters."""
    if not isinstance(text, str):
        raise err.NotText(f"a value of type {type(text).__name__}", "a SMILES as text")
    smiles = text.strip(_AROUND)
    if not smiles:
        raise err.EmptyMolecule("an empty SMILES", "a SMILES such as 'CCO'")
    if len(smiles) > limits.length:
        raise err.MoleculeTooLong(f"a SMILES of {len(smiles)} characters", f"at most {limits.length}")
    offset = text.index(smiles[0])
    parts = re.split(f"[{_SPACE}]+", smiles, maxsplit=1)
    if found := _NOT_SMILES.search(parts[0]):
        raise err.ForbiddenCharacter(
            f"the character {found.group()!a}",
            "only letters, digits and @ + - [ ] ( ) = : # $ / \\ . % *",
            offset + found.start(),
        )
    if found := _ANY_ATOM.search(parts[0]):
        raise _wildcard(found[found.lastindex or 0], offset + found.start(found.lastindex or 0))
    if len(parts) > 1:
        start = text.index(parts[1], offset + len(parts[0]))
        raise err.TrailingText(
            f"text after the SMILES, {shown(parts[1])},", "one SMILES and nothing else", start
        )
    return smiles


def _check_graph(mol: Chem.Mol, limits: MoleculeLimits, bracketed: bool) -> None:
    """Raise for a graph that is empty, has wildcards, or is too large to perceive."""
    atoms = heavy = mol.GetNumAtoms()
    if bracketed:
        numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
        heavy = sum(number != 1 for number in numbers)
        if 0 in numbers:
            raise _wildcard("*")
    if heavy == 0:
        raise err.NoAtoms("no atom other than hydrogen", "at least one heavy atom")
    if heavy > limits.heavy_atoms:
        raise err.TooManyAtoms(f"{heavy} heavy atoms", f"at most {limits.heavy_atoms}")
    rings = mol.GetNumBonds() - atoms + len(Chem.GetMolFrags(mol))
    if _FEW_RINGS < rings <= limits.rings:
        rings = max(rings, sum(len(ring) <= _AROMATIC_RING for ring in Chem.GetSymmSSSR(mol)))
    if rings > limits.rings:
        raise err.TooManyRings(f"{rings} rings", f"at most {limits.rings}")


def _wildcard(name: str, position: int | None = None) -> err.WildcardAtom:
    got = f"an atom that stands for any atom, {shown(name)},"
    return err.WildcardAtom(got, "a complete structure", position)
