"""What a model has learned of blends and of pairs, as `mixtures.safetensors` has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from olfactory_transformer.inference.blends import BlendModel
from olfactory_transformer.inference.mixture_file import read_mixture_file
from olfactory_transformer.inference.pairs import PairModel


@dataclass(frozen=True, slots=True, eq=False)
class MixtureModel:
    """Profiles of blends and distances of mixtures.

    Parameters
    ----------
    blends : BlendModel
    pairs : PairModel
    columns : tuple of str
        Of a profile: words (0-5), then Intensity and Pleasantness, as in dream2025_single.csv.
    width : (int, int)
        Of the embeddings and of the words that it was trained with.
    """

    blends: BlendModel
    pairs: PairModel
    columns: tuple[str, ...]
    width: tuple[int, int]

    @classmethod
    def load(cls, path: Path) -> MixtureModel:
        """Read what `train.mixtures` wrote.

        Raises
        ------
        ModelNotFound, ModelCorrupt, ModelForeign
        """
        file = read_mixture_file(path)
        pairs = PairModel(file.pairs, file.studies)
        return cls(BlendModel(**file.blends), pairs, file.columns, file.width)
