"""What a client and the server say to each other over `/v1/sensors/stream`: JSON objects, each with its `type`."""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec

from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.sensors.listening import MOST_CHANNELS
from olfactory_transformer.api.sensors.schemas import SENSOR_ID
from olfactory_transformer.core.errors import shown
from olfactory_transformer.inference.nose.naming import Smells

MOST_IN_MESSAGE = 1000  # frames
LARGEST = 1e15
Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Number = Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
# Here $ would also match before a line break at the end, which it does not where requests in JSON are checked.
SensorId = Annotated[
    str, msgspec.Meta(min_length=1, max_length=100, pattern=SENSOR_ID.removesuffix("$") + r"\Z")
]


class Start(msgspec.Struct, tag="start", forbid_unknown_fields=True, frozen=True):
    """The first message of a connection.

    Parameters
    ----------
    session : str or None
        Of an earlier connection, to go on with.
    sensor : str or None
        Id of the board, by which its calibration is found.
    smells : str
        Which it may be named, as of `inference.nose.naming.Namer`.
    """

    session: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    sensor: SensorId | None = None
    smells: Smells = "auto"


class FrameIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One frame; `sequence` goes up by one from frame to frame, `time` is in seconds and does not fall."""

    sequence: Sequence
    time: Number
    values: Annotated[dict[Name, Number | None], msgspec.Meta(min_length=1, max_length=MOST_CHANNELS)]


class Frames(msgspec.Struct, tag="frames", forbid_unknown_fields=True, frozen=True):
    """Some frames, in their order."""

    frames: Annotated[list[FrameIn], msgspec.Meta(min_length=1, max_length=MOST_IN_MESSAGE)]


class Restart(msgspec.Struct, tag="restart", forbid_unknown_fields=True, frozen=True):
    """Another smell from now on: what was heard is forgotten."""


class End(msgspec.Struct, tag="end", forbid_unknown_fields=True, frozen=True):
    """No more frames; the session is forgotten."""


Said = Start | Frames | Restart | End
_DECODER = msgspec.json.Decoder(Said)


def read_message(text: str | bytes | None) -> Said:
    """Return what a client said.

    Raises
    ------
    ApiError
        invalid-json, invalid-request.

    Examples
    --------
    >>> read_message('{"type": "start", "sensor": "bench-1"}')
    Start(session=None, sensor='bench-1', smells='auto')
    >>> read_message('{"type": "frames", "frames": []}')
    Traceback (most recent call last):
    ...
    olfactory_transformer.api.problems.ApiError: invalid-request: Expected `array` of length >= 1 - at `$.frames`
    """
    if text is None or isinstance(text, bytes):
        raise ApiError("invalid-request", "got a binary message, expected JSON as text")
    try:
        said: Said = _DECODER.decode(text)
        return said
    except msgspec.ValidationError as error:
        raise ApiError("invalid-request", _short(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ApiError("invalid-json", _short(error)) from None


def values_of(frame: FrameIn) -> dict[str, float]:
    """Return a frame's values, NaN for null.

    >>> values_of(FrameIn(0, 0.0, {"CO": 1.0, "VOC": None}))
    {'CO': 1.0, 'VOC': nan}
    """
    return {name: math.nan if value is None else value for name, value in frame.values.items()}


def write_message(kind: str, members: dict[str, Any]) -> str:
    """Return what the server says, as JSON.

    >>> write_message("busy", {"waiting": 1.5})
    '{"type":"busy","waiting":1.5}'
    """
    return msgspec.json.encode({"type": kind, **members}).decode()


def _short(error: Exception) -> str:
    """Return what is wrong; of what the client wrote, which may be in it, only a little and printable."""
    text = str(error)
    return text if text.isascii() and text.isprintable() and len(text) <= 200 else shown(text, 150)
