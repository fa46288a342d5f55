"""Arrays kept on disk between steps: NumPy archives without pickle, written whole or not at all."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

# What NumPy raises for a file that is not the archive expected.
BROKEN_ARCHIVE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile, zlib.error
)  # fmt: skip


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays by name, making the folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez_compressed(temporary, **arrays)
    temporary.replace(path)
