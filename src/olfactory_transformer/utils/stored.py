"""What a cache keeps of a prediction: what is true of the molecule, however it was spelt."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from olfactory_transformer.core.config import ScentPrediction


def prediction_key(model_hash: str, molecule_key: str, dilution: float) -> str:
    """Return the key of a prediction: one model, one molecule, one dilution.

    Parameters
    ----------
    model_hash : str
        SHA-256 of the model's manifest.
    molecule_key : str
        `Molecule.key`, which is equal for all spellings.
    dilution : float
        Volume fraction.

    Returns
    -------
    str
        65 characters: a letter and a SHA-256 in hexadecimal, as a canonical SMILES may be long and is people's own.

    Examples
    --------
    >>> prediction_key("0" * 64, "m1:2025.9:CCO", 0.001)[:9]
    'p24f2f902'
    """
    text = f"{model_hash}\n{float(dilution)!r}\n{molecule_key}"
    return "p" + hashlib.sha256(text.encode()).hexdigest()


def as_stored(prediction: ScentPrediction, spelling: Sequence[object]) -> ScentPrediction:
    """Return the prediction without what is only true of one spelling: the text, and its first warnings.

    >>> as_stored(ScentPrediction(smiles="OCC", canonical_smiles="CCO", warnings=("a", "b")), ("a",)).warnings
    ('b',)
    """
    return replace(
        prediction, smiles=prediction.canonical_smiles, warnings=prediction.warnings[len(spelling) :]
    )


def as_asked(stored: ScentPrediction, text: str, spelling: Sequence[str]) -> ScentPrediction:
    """Undo `as_stored` for the spelling that was asked about.

    >>> as_asked(ScentPrediction(smiles="CCO", warnings=("b",)), "OCC", ("a",)).warnings
    ('a', 'b')
    """
    return replace(stored, smiles=text, warnings=(*spelling, *stored.warnings))
