"""Blends and pairs of mixtures in, profiles and perceptual distances out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from olfactory_transformer.core.config import DEFAULT_DILUTION
from olfactory_transformer.core.errors import DataError, ModelCorrupt, ModelForeign
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.inference.mixture_parts import (
    Components,
    Embed,
    Floats,
    Mixtures,
    gather,
    listed,
    split,
)
from olfactory_transformer.inference.mixtures import MixtureModel
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.model.folder import MIXTURES, resolve
from olfactory_transformer.molecules import read_molecule

Stimulus = Sequence[tuple[str, float]]  # (SMILES, dilution as volume fraction) of each component


class MixturePredictor:
    """Says what blends smell of, and how far apart two mixtures smell.

    Parameters
    ----------
    model : MixtureModel
    embed : callable
        The network's embeddings (U, E) and word probabilities (U, C) of U canonical SMILES: the same network that
        the model was trained with.

    Examples
    --------
    >>> mixtures = MixturePredictor.from_pretrained()
    >>> orange = [("CC1=CCC(CC1)C(C)=C", 0.1), ("CCCCCCCC=O", 0.01)]
    >>> bool(dict(zip(mixtures.columns, mixtures.profiles([orange])[0]))["Citrus"] > 0.3)
    True
    >>> bool(mixtures.distances([["CCO"]], [["CCO"]])[0] < mixtures.distances([["CCO"]], [["CC(=O)O", "CCS"]])[0])
    True
    """

    def __init__(self, model: MixtureModel, embed: Embed) -> None:
        self.model, self._embed = model, embed

    @classmethod
    def from_pretrained(cls, model: str | Path = DEFAULT_MODEL) -> MixturePredictor:
        """Load a model folder, or a bundled model by its name.

        Raises
        ------
        ModelNotFound, ModelForeign, ModelCorrupt
            The folder is not there, not ours or not whole, or has no file for mixtures, or that of another model.
        """
        predictor, path = ScentPredictor.from_pretrained(model), resolve(model) / MIXTURES
        if not path.is_file():
            raise ModelForeign(f"{path}: no such file; this model was trained without mixtures")
        found = MixtureModel.load(path)
        width = (predictor.config.embedding, len(predictor.config.words))
        if found.width != width:
            raise ModelCorrupt(f"{path}: widths {found.width}, those of this model are {width}")
        return cls(found, embedding_by(predictor))

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a profile: 51 words (0-5), intensity and pleasantness (0-10), as in DREAM 2025."""
        return self.model.columns

    def profiles(self, blends: Sequence[Stimulus]) -> Floats:
        """Return the profiles of blends, (S, columns).

        Parameters
        ----------
        blends : sequence of sequences of (str, float)
            SMILES of each component with its volume fraction. None that was rated is below 1e-6: of less, intensity
            goes back to the mean and means nothing.

        Raises
        ------
        MoleculeError, DataError
            A molecule cannot be read, or a dilution is no volume fraction.
        """
        return self.model.blends.predict(*self._gather(blends))

    def distances(
        self,
        first: Sequence[Sequence[str]],
        second: Sequence[Sequence[str]],
        dataset: Sequence[str] | None = None,
    ) -> Floats:
        """Return the perceptual distances of pairs of mixtures, (P,): 0 the same, 1 far.

        People tell the same from itself, too, so that a mixture against itself is at about 0.15 to 0.3.

        Parameters
        ----------
        first, second : sequence of sequences of str
            SMILES of the components, of equal intensity.
        dataset : sequence of str or None
            The study whose scale is wanted, one a pair, such as "Snitz 1"; None: none in particular.

        Raises
        ------
        MoleculeError, DataError
            A molecule cannot be read, a mixture is empty, or the arguments differ in length.
        """
        one, other = _mixtures(first, "first"), _mixtures(second, "second")
        studies = None if dataset is None else listed(dataset, "dataset", "studies")
        if len(one) != len(other) or (studies is not None and len(studies) != len(one)):
            raise DataError("pairs: the two sides (and dataset) differ in length")
        components, mixtures = self._gather([[(smiles, 1.0) for smiles in parts] for parts in one + other])
        return self.model.pairs.predict(components, *split(mixtures), studies)

    def _gather(self, stimuli: Sequence[Stimulus]) -> tuple[Components, Mixtures]:
        components, mixtures = gather(self._embed, stimuli)
        found = (components.embedding.shape[1], components.words.shape[1])
        if found != self.model.width:
            raise DataError(f"embed: got widths {found}, the model was trained with {self.model.width}")
        return components, mixtures


def _mixtures(side: Sequence[Sequence[str]], name: str) -> list[list[str]]:
    found = []
    for pair, parts in enumerate(listed(side, name, "mixtures")):
        found.append(listed(parts, f"pair {pair + 1}, {name}", "SMILES"))
        if not found[-1]:
            raise DataError(f"pair {pair + 1}, {name}: no molecules")
    return found


def embedding_by(predictor: ScentPredictor) -> Embed:
    """Return what maps U SMILES to a network's embeddings (U, E) and word probabilities (U, words)."""

    def embed(smiles: Sequence[str]) -> tuple[Floats, Floats]:
        tokens = [predictor.tokenizer(read_molecule(text, predictor.limits)) for text in smiles]
        at = np.full(len(tokens), math.log10(DEFAULT_DILUTION), np.float32)
        raw = predictor.runtime.run(tokens, at)
        return raw.embedding.astype(np.float64), predictor.probabilities(raw)

    return embed
