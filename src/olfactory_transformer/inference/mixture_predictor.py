"""Blends and pairs of mixtures in, profiles and perceptual distances out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from olfactory_transformer.core.config import DEFAULT_DILUTION
from olfactory_transformer.core.errors import ModelForeign
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.inference.mixture_parts import Embed, Floats
from olfactory_transformer.inference.mixtures import MixtureModel, Stimulus
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.model.folder import MIXTURES, resolve
from olfactory_transformer.molecules import read_molecule


class MixturePredictor:
    """Says what blends smell of, and how far apart two mixtures smell.

    Examples
    --------
    >>> mixtures = MixturePredictor.from_pretrained()
    >>> orange = [("CC1=CCC(CC1)C(C)=C", 0.1), ("CCCCCCCC=O", 0.01)]
    >>> bool(dict(zip(mixtures.columns, mixtures.profiles([orange])[0]))["Citrus"] > 0.3)
    True
    >>> bool(mixtures.distances([["CCO"]], [["CCO"]])[0] < mixtures.distances([["CCO"]], [["CC(=O)O", "CCS"]])[0])
    True
    """

    def __init__(self, predictor: ScentPredictor, model: MixtureModel) -> None:
        self.model, self._embed = model, embedding_by(predictor)

    @classmethod
    def from_pretrained(cls, model: str | Path = DEFAULT_MODEL) -> MixturePredictor:
        """Load a model folder, or a bundled model by its name.

        Raises
        ------
        ModelNotFound, ModelForeign, ModelCorrupt
            The folder is not there, not ours or not whole, or has no file for mixtures.
        """
        predictor, path = ScentPredictor.from_pretrained(model), resolve(model) / MIXTURES
        if not path.is_file():
            raise ModelForeign(f"{path}: no such file; this model was trained without mixtures")
        return cls(predictor, MixtureModel.load(path))

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a profile: 51 words (0-5), intensity and pleasantness (0-10), as in DREAM 2025."""
        return self.model.columns

    def profiles(self, blends: Sequence[Stimulus]) -> Floats:
        """Return the profiles of blends, (S, columns).

        Parameters
        ----------
        blends : sequence of sequences of (str, float)
            SMILES of each component with its volume fraction.

        Raises
        ------
        MoleculeError, DataError
            A molecule cannot be read, or a dilution is no volume fraction.
        """
        return self.model.predict_blends(self._embed, blends)

    def distances(
        self,
        first: Sequence[Sequence[str]],
        second: Sequence[Sequence[str]],
        dataset: Sequence[str] | None = None,
    ) -> Floats:
        """Return the perceptual distances of pairs of mixtures, (P,): 0 the same, 1 far.

        Parameters
        ----------
        first, second : sequence of sequences of str
            SMILES of the components, of equal intensity.
        dataset : sequence of str or None
            The study whose scale is wanted, one a pair, such as "Snitz 1"; None: none in particular.
        """
        return self.model.predict_pairs(self._embed, first, second, dataset)


def embedding_by(predictor: ScentPredictor) -> Embed:
    """Return what maps U SMILES to a network's embeddings (U, E) and word probabilities (U, words)."""

    def embed(smiles: Sequence[str]) -> tuple[Floats, Floats]:
        tokens = [predictor.tokenizer(read_molecule(text, predictor.limits)) for text in smiles]
        at = np.full(len(tokens), math.log10(DEFAULT_DILUTION), np.float32)
        raw = predictor.runtime.run(tokens, at)
        return raw.embedding.astype(np.float64), predictor.probabilities(raw)

    return embed
