"""From text to a checked molecule."""

from olfactory_transformer.molecules.limits import DEFAULT_LIMITS, MoleculeLimits
from olfactory_transformer.molecules.normalise import MoleculeWarning
from olfactory_transformer.molecules.read import Molecule, read_molecule

__all__ = ["DEFAULT_LIMITS", "Molecule", "MoleculeLimits", "MoleculeWarning", "read_molecule"]
