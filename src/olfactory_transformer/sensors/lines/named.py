"""Lines in which every value has its name: JSON objects, and pairs such as `NO2=216 CO=830`."""

from __future__ import annotations

import json
import re
from collections.abc import Container

from olfactory_transformer.core.errors import shown
from olfactory_transformer.sensors.lines.fields import Field, add, field_of, is_name
from olfactory_transformer.sensors.lines.said import BrokenLine
from olfactory_transformer.sensors.lines.text import is_number

_SPACES = re.compile(r"\s*([=:])[ \t]*(?=[^\s,;])")
_PAIRS = re.compile(r"^[^\W\d][^:,;]*:\s*\S")
# Only units that sensors have, so that 83x is a damaged number.
_WITH_UNIT = re.compile(
    r"^([+-]?[0-9.]+)\s*([*°]?(?:deg)?[CF]|%(?:RH)?|pp[mb]|[mkM]?(?:V|Ohms?|Ω)|[hk]?Pa|m|[mu]?s|counts?|[mu]g/m3)$"
)
_NO_NUMBER = re.compile(r"(:\s*)[+-]?(?:nan|inf|infinity|ovf)\b", re.I)  # as Arduino prints them; no JSON


class _Number(str):
    """A number of a JSON object, as it is written."""

    __slots__ = ()


def fields_of_json(text: str, channels: Container[str] = ()) -> dict[Field, str]:
    """Return the fields of a JSON object; the channels may stand in its `values`.

    Parameters
    ----------
    text : str
    channels : container of str
        That had numbers before. A text in quotes under another name is meant to be one, as a board's id.

    Raises
    ------
    BrokenLine
        It is no flat object.

    Examples
    --------
    >>> [(field.name, value) for field, value in fields_of_json('{"CO": 8.0, "VOC": null}').items()]
    [('CO', '8.0'), ('VOC', '')]
    """
    try:
        pairs = json.loads(
            _NO_NUMBER.sub(r"\1null", text),
            object_pairs_hook=tuple,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
    except (ValueError, RecursionError):
        raise BrokenLine(f"broken JSON, {shown(text)}") from None
    nested = next((value for name, value in pairs if name == "values" and isinstance(value, tuple)), None)
    fields: dict[Field, str] = {}
    for name, value in pairs if nested is None else nested:
        add(fields, *_json_field(name, value, channels))
    if nested is not None:
        for name, value in pairs:
            if (field := field_of(name)).role != "channel" and name != "values":
                add(fields, field, "" if value is None else str(value))
    return fields


def _json_field(name: str, value: object, channels: Container[str]) -> tuple[Field, str]:
    if not is_name(name):
        raise BrokenLine(f"a channel that is called {shown(name)}")
    field = field_of(name)
    if value is None:
        return field, ""
    if isinstance(value, bool):
        return field, str(int(value))
    if not isinstance(value, str):
        raise BrokenLine(
            f"{shown(name)} is {'an object' if isinstance(value, tuple) else 'a list'}, expected a number"
        )
    if isinstance(value, _Number) or field.role != "channel" or is_number(value) or field.name in channels:
        return field, value
    return Field(field.name, "", "word"), value


def looks_like_pairs(text: str) -> bool:
    """Say whether a line is rather pairs than values.

    >>> looks_like_pairs("NO2:216, CO:830"), looks_like_pairs("216,830"), looks_like_pairs("12:30:05,830")
    (True, False, False)
    """
    return "=" in text or _PAIRS.match(text) is not None


def fields_of_pairs(text: str) -> dict[Field, str]:
    """Return the fields of pairs; a unit may follow a value.

    Raises
    ------
    BrokenLine
        There is something else.

    Examples
    --------
    >>> list(fields_of_pairs("Temperature: 21.5 C, CO: 8").items())[0]
    (Field(name='Temperature', unit='degC', role='channel', tick=None), '21.5')
    """
    joined = _SPACES.sub(r"\1", " ".join(text.split()))  # of one space, else a long run of them takes long
    parts = re.split(r"[,;]", joined)
    fields: dict[Field, str] = {}
    for pair in (pair for part in parts for pair in _split(part)):
        mark = "=" if "=" in pair else ":"
        name, found, value = pair.partition(mark)
        if not found or not is_name(name.strip()):
            raise BrokenLine(f"{shown(text)}, expected name=value pairs")
        if with_unit := _WITH_UNIT.match(value.strip()):
            value, unit = with_unit[1], with_unit[2].lstrip("*")
            name = f"{name.strip()} ({unit})" if "(" not in name and "[" not in name else name
        add(fields, field_of(name), value)
    return fields


def _split(part: str) -> list[str]:
    """Split `NO2=216 CO=830`, but not `Gas Resistance=70`, and not `Temperature=21.5 C`."""
    part = part.strip()
    if part.count("=") <= 1 and (part.count(":") <= 1 or "=" in part):
        return [part] if part else []
    pairs: list[str] = []
    for piece in part.split():
        if pairs and "=" not in piece and ":" not in piece:
            pairs[-1] += " " + piece  # a unit
        else:
            pairs.append(piece)
    return pairs
