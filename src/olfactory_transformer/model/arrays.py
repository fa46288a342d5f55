"""Reads safetensors files into NumPy arrays, whatever their bytes are; needs no torch.

The safetensors package holds the header against the file: its length and JSON, and each array's offsets against its
type and shape. What it leaves open is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from olfactory_transformer.core.errors import ModelCorrupt, ModelNotFound, shown

Array = npt.NDArray[Any]
# Type and shape of an array by its name; a size is a number, or a word that stands for the same number everywhere.
Expected = Mapping[str, tuple[type[np.generic], tuple[int | str, ...]]]
_TYPES = ("BOOL", "I8", "U8", "I16", "I32", "I64", "F32")  # what this package writes


def read_arrays(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays of a safetensors file by their names, and its metadata.

    Raises
    ------
    ModelNotFound
        No such file.
    ModelCorrupt
        Not a whole safetensors file, or one with types that this package does not write.
    """
    arrays: dict[str, Array] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                kind = file.get_slice(name).get_dtype()
                if kind not in _TYPES:
                    raise ModelCorrupt(
                        f"{path}: {shown(name)} is {kind}, expected one of {', '.join(_TYPES)}"
                    )
                arrays[name] = file.get_tensor(name)
                if kind == "BOOL" and (arrays[name].view(np.uint8) > 1).any():
                    raise ModelCorrupt(f"{path}: {shown(name)} has other bytes than 0 and 1, expected BOOL")
            return arrays, dict(file.metadata() or {})
    except FileNotFoundError:
        raise ModelNotFound(f"{path}: no such file") from None
    except (SafetensorError, ValueError) as error:  # ValueError: more dimensions or elements than NumPy has
        raise ModelCorrupt(f"{path}: not a whole safetensors file ({error!s:.200})") from None


def check_arrays(path: Path, arrays: Mapping[str, Array], expected: Expected) -> None:
    """Hold arrays against what is expected: all of the names and no others, types, shapes, and finite numbers.

    Raises
    ------
    ModelCorrupt
        With the first difference.

    Examples
    --------
    >>> pair = {"a": np.ones((2, 3), np.float32), "b": np.zeros(2, np.int64)}
    >>> check_arrays(Path("x"), pair, {"a": (np.float32, ("R", 3)), "b": (np.int64, ("R",))})
    >>> check_arrays(Path("x"), pair, {"a": (np.float32, ("R", "R")), "b": (np.int64, ("R",))})
    Traceback (most recent call last):
    ...
    olfactory_transformer.core.errors.ModelCorrupt: x: 'a' is float32 (2, 3), expected float32 (2, 2)
    """
    if arrays.keys() != expected.keys():
        missing, foreign = sorted(expected.keys() - arrays.keys()), sorted(arrays.keys() - expected.keys())
        said = f"'{missing[0]}' is missing" if missing else f"{shown(foreign[0])} is not expected"
        raise ModelCorrupt(f"{path}: array {said}")
    sizes: dict[str, int] = {}
    for name, (kind, shape) in expected.items():
        array = arrays[name]
        if array.ndim == len(shape):
            for word, size in zip(shape, array.shape, strict=True):
                if isinstance(word, str):
                    sizes.setdefault(word, size)
        wanted = tuple(sizes.get(size, size) if isinstance(size, str) else size for size in shape)
        if array.dtype != kind or array.shape != wanted:
            of = f"{np.dtype(kind)} ({', '.join(map(str, wanted))}{',' * (len(wanted) == 1)})"
            raise ModelCorrupt(f"{path}: '{name}' is {array.dtype} {array.shape}, expected {of}")
        if not np.isfinite(array).all():
            raise ModelCorrupt(f"{path}: '{name}' has NaN or infinity, expected finite numbers")
