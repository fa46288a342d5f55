"""A line of a stream: what it asks for, or why it cannot be answered."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from olfactory_transformer.api.body import as_model, described, strict_json
from olfactory_transformer.api.lines import TooLong
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.schemas import StreamLine, Words


@dataclass(frozen=True, slots=True)
class Options:
    """How a stream is answered.

    Parameters
    ----------
    words : str
        notes or all.
    dilution : float
        Of lines without their own.
    chunk : int
        Lines handed to the engine at a time.
    line_bytes : int
        Limit of one line.
    idle : float
        Seconds without a line, and nothing left to answer, after which the stream is ended.
    request : int
        Lines that count as one request against the caller's quota.
    """

    words: Words
    dilution: float
    chunk: int
    line_bytes: int
    idle: float
    request: int = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """A line that was read.

    Parameters
    ----------
    smiles : str
    dilution : float
        Volume fraction.
    id : bytes or None
        What the client calls it, as JSON.
    error : ApiError or None
        Why it cannot be answered.
    """

    smiles: str = ""
    dilution: float = 0.0
    id: bytes | None = None
    error: ApiError | None = None


def read_item(line: bytes | TooLong, options: Options) -> Item:
    r"""Read a line; what is wrong with it is in the item, so that the stream goes on.

    >>> options = Options("notes", 1e-3, 32, 1024, 30.0)
    >>> read_item(b'{"smiles": "CCO", "id": 7}', options)
    Item(smiles='CCO', dilution=0.001, id=b'7', error=None)
    >>> read_item(b"CCO", options).error
    ApiError('invalid-json: Expecting value at line 1 column 1')
    """
    if isinstance(line, TooLong):
        detail = f"expected at most {options.line_bytes} bytes"
        return Item(error=ApiError("line-too-long", detail, limit=options.line_bytes))
    name: bytes | None = None
    try:
        value = strict_json(line)
        if isinstance(value, str):
            return Item(value, options.dilution)
        if not isinstance(value, dict):
            got = described(value)
            raise ApiError("invalid-request", f"got {got}, expected a SMILES as text, or an object")
        name = _name(value)
        asked = as_model(value, StreamLine)
        return Item(asked.smiles, asked.dilution or options.dilution, name)
    except ApiError as error:
        return Item(id=name, error=error)


def _name(value: dict[str, Any]) -> bytes | None:
    """Return the line's id, if it has one that can be given back."""
    given = value.get("id")
    if type(given) not in (str, int, float) or (isinstance(given, float) and not math.isfinite(given)):
        return None
    return json.dumps(given).encode("ascii")
