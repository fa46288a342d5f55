"""Reads `mixtures.safetensors` and holds it against what `blends` and `pairs` index, so that they need not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olfactory_transformer.core.errors import ModelCorrupt, ModelForeign, shown
from olfactory_transformer.inference import blends
from olfactory_transformer.model.arrays import Array, Expected, check_arrays, read_arrays

FORMAT = "olfactory-mixtures-3"
_LEAST_LOG = -324  # log10 of the least number that is not 0
_SHARED = 5  # facts of `pairs.shared_components`
_SCALARS = _SHARED + 2 * 4  # and cosine and distance of four tables


@dataclass(frozen=True, slots=True, eq=False)
class MixtureFile:
    """The arrays of a file by the fields of `BlendModel` and the names in `PairModel.arrays`, and its values.

    Parameters
    ----------
    blends, pairs : dict of str to ndarray
    columns, studies : tuple of str
    width : (int, int)
        Of the embeddings and of the words.
    """

    blends: dict[str, Array]
    pairs: dict[str, Array]
    columns: tuple[str, ...]
    studies: tuple[str, ...]
    width: tuple[int, int]


def read_mixture_file(path: Path) -> MixtureFile:
    """Read what `train.mixtures` wrote.

    Raises
    ------
    ModelNotFound
        No such file.
    ModelForeign
        Not a file of mixtures, or one of another format.
    ModelCorrupt
        Not whole, or with arrays that are missing, foreign, of other types or shapes, or out of range.
    """
    arrays, metadata = read_arrays(path)
    columns, studies, width = _values(path, metadata.get("values", ""))
    networks = any(name.startswith("pairs/net.") for name in arrays)
    check_arrays(path, arrays, _expected(len(columns), len(studies), *width, networks=networks))
    if empty := [name for name, array in arrays.items() if not array.size]:
        raise ModelCorrupt(f"{path}: '{empty[0]}' is empty")
    _check_ranges(path, arrays, len(studies))
    wide = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in arrays.items()}
    of_blends, of_pairs = (
        {name.removeprefix(group): array for name, array in wide.items() if name.startswith(group)}
        for group in ("blends/", "pairs/")
    )
    return MixtureFile(of_blends, of_pairs, columns, studies, width)


def _values(path: Path, text: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, int]]:
    """Return the names of columns and of studies, and the widths, from the JSON beside the arrays."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelForeign(f"{path}: not a file of mixtures (its values: {error!s:.100})") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        got = shown(values.get("format")) if isinstance(values, dict) else type(values).__name__
        raise ModelForeign(f"{path}: format {got}, expected {FORMAT!r}")
    for name, kind in (("columns", str), ("studies", str), ("width", int)):
        found = values.get(name)
        if not isinstance(found, list) or not found or not all(type(item) is kind for item in found):
            got = f"{found!r:.60}"
            raise ModelCorrupt(f"{path}: '{name}' is {got}, expected a list of {kind.__name__}")
        if kind is str and len(set(found)) < len(found):
            twice = next(item for item in found if found.count(item) > 1)
            raise ModelCorrupt(f"{path}: '{name}' has {shown(twice)} twice")
    if len(values["width"]) != 2:
        raise ModelCorrupt(f"{path}: {len(values['width'])} widths, expected those of embedding and words")
    embedding, words = values["width"]
    return tuple(values["columns"]), tuple(values["studies"]), (embedding, words)


def _expected(columns: int, studies: int, embedding: int, words: int, networks: bool) -> Expected:
    """Return types and shapes; `BlendModel` and `PairModel` say what they are."""
    real, whole = np.float32, np.int64
    blend: Expected = {
        "key": (whole, ("molecules",)),
        "embedding": (real, ("molecules", embedding)),
        "words": (real, ("molecules", words)),
        "molecule": (whole, ("blends", "components")),
        "log_dilution": (real, ("blends", "components")),
        "present": (np.bool_, ("blends", "components")),
        "centre": (real, (embedding,)),
        "spread": (real, (embedding,)),
        "words_centre": (real, (words,)),
        "words_spread": (real, (words,)),
        "potency": (real, ("kernels", embedding)),
        "kernels": (real, ("kernels", len(blends.KERNEL))),
        "by_words": (real, (2,)),
        "coefficients": (real, ("blends", columns)),
        "mean": (real, (columns,)),
    }
    features: dict[str, int | str] = {
        "scalars": _SCALARS,
        "apart": embedding,
        "product": 2 * embedding,
        "molecules": "known",
    }
    standard = {**features, "embedding": embedding, "logits": words, "shared": _SHARED}
    pair: dict[str, tuple[type[np.generic], tuple[int | str, ...]]] = {
        "key": (whole, ("known",)),
        "study": (whole, ("pairs",)),
        "coefficients": (real, ("pairs", 2)),
        "mean": (real, (1,)),
        **{f"{what}.{name}": (real, (n,)) for name, n in standard.items() for what in ("centre", "spread")},
        **{f"anchor.{name}": (real, ("pairs", n)) for name, n in features.items()},
        **{f"median.{name}": (real, (1,)) for name in features},
    }
    if networks:
        layers: dict[str, tuple[int | str, int | str]] = {
            "inputs": ("hidden", embedding + words),
            "value": ("hidden", "hidden"),
            "attention": ("heads", "hidden"),
            "output": ("hidden", "hidden"),
            "known": (1, _SHARED + studies),
            "slope": (1, _SHARED + studies),
        }
        for name, (out, into) in layers.items():
            pair[f"net.{name}.weight"] = (real, ("networks", out, into))
            pair[f"net.{name}.bias"] = (real, ("networks", out))
        pair["net.scale"] = (real, ("networks",))
    groups = {"blends": blend, "pairs": pair}
    return {f"{group}/{name}": of for group, found in groups.items() for name, of in found.items()}


def _check_ranges(path: Path, arrays: dict[str, Array], studies: int) -> None:
    ranges = {
        "blends/molecule": (0, len(arrays["blends/key"]) - 1),
        "blends/log_dilution": (_LEAST_LOG, 0),
        "blends/words": (0, 1),
        "pairs/study": (-1, studies - 1),
    }
    for name, (least, most) in ranges.items():
        low, high = arrays[name].min(), arrays[name].max()
        if low < least or high > most:
            raise ModelCorrupt(f"{path}: '{name}' is {low} to {high}, expected {least} to {most}")
    for name, array in arrays.items():
        divides = name.removeprefix("blends/").removeprefix("pairs/").split(".")[0]
        if divides in ("spread", "words_spread", "median") and array.min() <= 0:
            raise ModelCorrupt(f"{path}: '{name}' has {array.min()}, expected numbers above 0")
    decays = {"blends/kernels": arrays["blends/kernels"][:, 1:], "blends/by_words": arrays["blends/by_words"]}
    for name, array in decays.items():  # beside the power, which may be any
        if array.min() < 0:
            raise ModelCorrupt(f"{path}: '{name}' has {array.min()}, expected decays and weights from 0")
    if not arrays["blends/present"].any(1).all():
        raise ModelCorrupt(f"{path}: 'blends/present' has a blend without components")
    if "pairs/net.attention.bias" in arrays:
        hidden, heads = (arrays[f"pairs/net.{name}.bias"].shape[1] for name in ("inputs", "attention"))
        if hidden % heads:
            raise ModelCorrupt(f"{path}: {heads} heads for {hidden} hidden units, expected a divisor")
