"""What the mixtures' file of a model says of blends and pairs; needs NumPy and an embedding, no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.errors import DataError, ModelCorrupt, ModelForeign, ModelNotFound
from olfactory_transformer.inference.blends import BlendModel
from olfactory_transformer.inference.mixture_parts import Embed, Floats, Mixtures, gather
from olfactory_transformer.inference.pairs import PairModel

FORMAT = "olfactory-mixtures-1"
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "BOOL": "?"}
Stimulus = Sequence[tuple[str, float]]  # (SMILES, dilution as volume fraction) of each component


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

    def predict_blends(self, embed: Embed, stimuli: Sequence[Stimulus]) -> Floats:
        """Return profiles (S, columns) of blends, each of one component or more.

        Parameters
        ----------
        embed : callable
            The network's embeddings (U, E) and word probabilities (U, C) of U canonical SMILES: the same network
            that the file was trained with.
        stimuli : sequence

        Raises
        ------
        DataError, MoleculeError
            See `mixture_parts.gather`.
        """
        components, mixtures = gather(self._checked(embed), stimuli)
        return self.blends.predict(components, mixtures)

    def predict_pairs(
        self,
        embed: Embed,
        first: Sequence[Sequence[str]],
        second: Sequence[Sequence[str]],
        dataset: Sequence[str] | None = None,
    ) -> Floats:
        """Return perceptual distances (P,), 0 = the same, 1 = far, of mixtures given as lists of SMILES.

        Parameters
        ----------
        embed : callable
            As in `predict_blends`.
        first, second : sequence of sequences of str
        dataset : sequence of str or None
            The study of each pair ("Bushdid", "Snitz 1", ...), if its scale is wanted.
        """
        if len(first) != len(second) or (dataset is not None and len(dataset) != len(first)):
            raise DataError("pairs: the two sides (and dataset) differ in length")
        sides = [[(smiles, 1.0) for smiles in parts] for parts in (*first, *second)]
        components, mixtures = gather(self._checked(embed), sides)
        a, b = split(mixtures)
        return self.pairs.predict(components, a, b, dataset)

    def _checked(self, embed: Embed) -> Embed:
        def checked(
            smiles: Sequence[str],
        ) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
            embedding, words = embed(smiles)
            if (embedding.shape[-1], words.shape[-1]) != self.width:
                found = f"{embedding.shape[-1]} and {words.shape[-1]}"
                raise DataError(
                    f"embed: got widths {found}, trained with {self.width[0]} and {self.width[1]}"
                )
            return embedding, words

        return checked

    @classmethod
    def load(cls, path: Path) -> MixtureModel:
        """Read what `train.mixtures` wrote.

        Raises
        ------
        ModelNotFound, ModelCorrupt, ModelForeign
        """
        arrays, values = read_safetensors(path)
        try:
            if values["format"] != FORMAT:
                raise ModelForeign(f"{path}: format {values['format']!r}, expected {FORMAT!r}")
            groups: dict[str, dict[str, Any]] = {"blends": {}, "pairs": {}}
            for name, array in arrays.items():
                group, field = name.split("/", 1)
                wide = array.dtype.kind == "f"
                groups[group][field] = array.astype(np.float64) if wide else array
            width = (int(values["width"][0]), int(values["width"][1]))
            pairs = PairModel(groups["pairs"], tuple(values["studies"]))
            return cls(BlendModel(**groups["blends"]), pairs, tuple(values["columns"]), width)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelForeign(f"{path}: not a file of mixtures ({error})") from None


def split(mixtures: Mixtures) -> tuple[Mixtures, Mixtures]:
    """Return the first and the second half of the stimuli."""
    half = np.arange(len(mixtures) // 2)
    return mixtures.rows(half), mixtures.rows(half + len(half))


def read_safetensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return the arrays of a safetensors file and the JSON in its `values`, without the package of that name."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelNotFound(f"{path}: no such file") from None
    try:
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        values = json.loads(header.pop("__metadata__")["values"])
        arrays = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            flat = np.frombuffer(content[start + begin : start + end], _TYPES[entry["dtype"]])
            arrays[name] = flat.reshape(entry["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelCorrupt(f"{path}: not a whole safetensors file ({error})") from None
    return arrays, values
