"""Requests as the bytes that go over the wire, made before the clock runs."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from olfactory_transformer import read_molecule
from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.train.pool import like_odorant
from olfactory_transformer.train.structures import listed_compounds

VANILLIN = "COc1cc(C=O)ccc1O"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request.

    Parameters
    ----------
    kind : str
        What it is counted under.
    wire : bytes
        Head and body.
    """

    kind: str
    wire: bytes


def get(path: str, kind: str = "", headers: Mapping[str, str] | None = None) -> Ask:
    """Return a GET of `path`."""
    return Ask(kind or path, _head("GET", path, headers or {}) + b"\r\n")


def post(path: str, body: object, kind: str = "", headers: Mapping[str, str] | None = None) -> Ask:
    """Return a POST of `body` as JSON, or of bytes as they are.

    >>> post("/v1/predict", {"smiles": "C"}).wire.partition(b"\\r\\n\\r\\n")[2]
    b'{"smiles": "C"}'
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(content))}
    return Ask(kind or path, _head("POST", path, given) + b"\r\n" + content)


def _head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items())]
    return "".join(line + "\r\n" for line in lines).encode()


def singles(smiles: Sequence[str]) -> Iterator[Ask]:
    """Yield a request a molecule."""
    return (post("/v1/predict", {"smiles": text}, "single") for text in smiles)


def lists(smiles: Sequence[str], size: int) -> Iterator[Ask]:
    """Yield requests of `size` molecules each; what is left over is left out."""
    starts = range(0, len(smiles) - size + 1, size)
    return (post("/v1/predict", {"smiles": smiles[i : i + size]}, f"list of {size}") for i in starts)


def molecules(count: int, seed: int, data: Path | None = None) -> list[str]:
    """Return `count` distinct molecules in random order, the same for the same seed.

    Parameters
    ----------
    count : int
        At most; fewer where there are no more.
    seed : int
    data : Path or None
        Folder of CSV files with a column `smiles`; None: the real compounds of an odorant's size and elements that the
        `chemicals` package lists.
    """
    texts = sorted(_of_files(data)) if data else list(listed_compounds())
    random.Random(seed).shuffle(texts)
    found: dict[str, str] = {}
    for text in texts:
        with suppress(MoleculeError):
            molecule = read_molecule(text)
            if data or like_odorant(molecule):
                found.setdefault(molecule.smiles, text)
        if len(found) == count:
            break
    return list(found.values())


def _of_files(folder: Path) -> set[str]:
    texts: set[str] = set()
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            texts.update(row["smiles"] for row in csv.DictReader(file) if row.get("smiles"))
    return texts
