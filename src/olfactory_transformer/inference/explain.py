"""Which atoms speak for a word: what its log odds lose when an atom is taken out of the input."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from olfactory_transformer.core.config import DEFAULT_DILUTION
from olfactory_transformer.core.errors import UnknownWord, shown
from olfactory_transformer.inference.statements import log_odds
from olfactory_transformer.model import vocabulary as voc
from olfactory_transformer.model.tokenizer import MoleculeTokens
from olfactory_transformer.molecules import Molecule

if TYPE_CHECKING:
    from olfactory_transformer.inference.predictor import ScentPredictor

_FAR = 255
_BONDS_APART = np.array([_FAR if (d := voc.bonds_apart(name)) is None else d for name in voc.RELATIONS])

METHOD = (
    "An atom's contribution is what the word's log odds lose when the atom, with the substructures it is part of, is "
    "taken out of the input, all else as it was. Contributions do not add up, and of two atoms of which one would do, "
    "neither gets much."
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each heavy atom of a molecule contributes to one word.

    Parameters
    ----------
    smiles, canonical_smiles : str
        As given, and what was predicted.
    word : str
    probability : float
        Of the word, 0-1, as in the prediction.
    symbols : tuple of str, (heavy atoms,)
        Elements, in the order in which the canonical SMILES names its heavy atoms.
    contributions : tuple of float, (heavy atoms,)
        In the same order, in log odds of the word: positive speaks for it, negative against it.
    warnings : tuple of str
        What was changed in the input and what the model has not seen.
    model_version : str
        Name and version of the model that was explained.
    method : str
        How contributions were computed, in a sentence.
    """

    smiles: str
    canonical_smiles: str
    word: str
    probability: float
    symbols: tuple[str, ...]
    contributions: tuple[float, ...]
    warnings: tuple[str, ...] = ()
    model_version: str = ""
    method: str = METHOD

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    def __str__(self) -> str:
        """Return a table of the atoms, counted from 0.

        >>> print(Explanation("OC", "CO", "ethereal", 0.5, ("C", "O"), (-0.5, 1.25)))
        CO
        ethereal 50 %
          atom    log odds
             0 C     -0.50
             1 O     +1.25
        """
        lines = [self.canonical_smiles, f"{self.word} {100 * self.probability:.0f} %", "  atom    log odds"]
        pairs = zip(self.symbols, self.contributions, strict=True)
        lines += [f"  {i:4d} {symbol:<2} {value:+z8.2f}" for i, (symbol, value) in enumerate(pairs)]
        lines += [f"  ! {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _repr_svg_(self) -> str:
        """Show itself in a notebook."""
        from olfactory_transformer.inference.draw import svg

        return svg(self)


def explain(predictor: ScentPredictor, molecule: Molecule, word: str | None = None) -> Explanation:
    """Explain one word of a molecule that was read already; see `ScentPredictor.explain`."""
    words = predictor.config.words
    if word is not None and word not in words:
        near = [repr(name) for name in difflib.get_close_matches(str(word).lower(), words, cutoff=0.7)]
        expected = f"{', '.join(near)} or another of" if near else "one of"
        raise UnknownWord(
            f"{shown(word)} is no word of this model; expected {expected} its {len(words)} words"
        )
    order = smiles_order(molecule)
    symbols = [molecule.rdmol.GetAtomWithIdx(atom).GetSymbol() for atom in order]
    heavy = [index for index, symbol in enumerate(symbols) if symbol != "H"]
    tokens = select(predictor.tokenizer(molecule), order)
    variants = [tokens, *(without(tokens, [atom]) for atom in heavy)]
    # The dilution does not concern the words.
    raw = predictor.runtime.run(variants, np.full(len(variants), math.log10(DEFAULT_DILUTION), np.float32))
    chances = predictor.probabilities(raw)  # (1 + heavy atoms, words)
    chosen = int(chances[0].argmax()) if word is None else words.index(word)
    said = log_odds(chances[:, chosen])
    return Explanation(
        smiles=molecule.text,
        canonical_smiles=molecule.smiles,
        word=words[chosen],
        probability=float(chances[0, chosen]),
        symbols=tuple(symbols[atom] for atom in heavy),
        contributions=tuple((said[0] - said[1:]).tolist()),
        warnings=predictor.warnings(molecule, tokens),
        model_version=predictor.version,
    )


def smiles_order(molecule: Molecule) -> list[int]:
    """Return indices of the atoms of `molecule.rdmol`, in the order that its canonical SMILES names them.

    >>> from olfactory_transformer.molecules import read_molecule
    >>> smiles_order(read_molecule("OCC"))
    [2, 1, 0]
    """
    # RDKit leaves the order with the molecule when it writes the SMILES.
    left = molecule.rdmol.GetPropsAsDict(includePrivate=True, includeComputed=True)
    return list(left["_smilesAtomOutputOrder"])


def select(tokens: MoleculeTokens, atoms: Sequence[int]) -> MoleculeTokens:
    """Return the tokens of some atoms, in the order given; they keep what they say of atoms left out.

    Substructures that any atom left out is part of go with it; which hand the molecule is stays.

    >>> from olfactory_transformer.model.tokenizer import MoleculeTokenizer
    >>> from olfactory_transformer.molecules import read_molecule
    >>> some = select(MoleculeTokenizer()(read_molecule("CCO")), [2, 0])
    >>> some.atoms.shape, some.relations.shape
    ((2, 6), (2, 2))
    """
    at = np.array(atoms, np.int64)
    place = np.full(len(tokens), len(tokens))  # where each atom goes; beyond the end: nowhere
    place[at] = np.arange(len(at))
    bits, centre, radius = tokens.environments.astype(np.int64).T
    whole = ~((_BONDS_APART[tokens.relations[centre]] <= radius[:, None]) & (place == len(tokens))).any(1)
    environments = np.stack([bits, place[centre], radius], 1)[whole].astype(np.uint16)
    relations = tokens.relations[np.ix_(at, at)]
    return MoleculeTokens(tokens.atoms[at], relations, environments, tokens.hands, tokens.unknown)


def without(tokens: MoleculeTokens, atoms: Sequence[int]) -> MoleculeTokens:
    """Return the tokens with some atoms taken out; see `select`."""
    return select(tokens, np.delete(np.arange(len(tokens)), atoms).tolist())
