"""What the routes of sensors take and give, as pydantic models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from olfactory_transformer.api.body import described
from olfactory_transformer.api.schemas import Asked
from olfactory_transformer.api.sensors.listening import MOST_CHANNELS

MOST_NAME = 100
_NUMBER = {"type": "number", "minimum": -1e15, "maximum": 1e15}
_ROW = {"type": "array", "items": {"anyOf": [_NUMBER, {"type": "null"}]}}


def _channels(value: object) -> object:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_CHANNELS:
        got = f"{len(value)} names" if isinstance(value, list) else described(value)
        raise PydanticCustomError(
            "smiles", "got {got}, expected 1 to {most} names", {"got": got, "most": MOST_CHANNELS}
        )
    for index, name in enumerate(value):
        if not isinstance(name, str) or not 0 < len(name) <= MOST_NAME or not name.isprintable():
            context = {"got": described(name), "path": (index,)}
            raise PydanticCustomError("smiles", "got {got}, expected a name of 1 to 100 characters", context)
    if len(set(value)) < len(value):
        raise PydanticCustomError("smiles", "got a name twice, expected each once", {})
    return value


def _list(value: object) -> object:
    if not isinstance(value, list) or not value:
        got = "an empty list" if isinstance(value, list) else described(value)
        raise PydanticCustomError("smiles", "got {got}, expected a list with something in it", {"got": got})
    return value


ChannelNames = Annotated[
    list[str],
    PlainValidator(_channels),
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_CHANNELS,
            "uniqueItems": True,
            "items": {"type": "string", "minLength": 1, "maxLength": MOST_NAME},
        }
    ),
]
# Of numbers, and not looked at one by one by pydantic, which would make an error of each.
Rows = Annotated[
    list[Any], PlainValidator(_list), WithJsonSchema({"type": "array", "items": _ROW, "minItems": 1})
]
Times = Annotated[
    list[Any], PlainValidator(_list), WithJsonSchema({"type": "array", "items": _NUMBER, "minItems": 1})
]
SENSOR_ID = r"^[!$&->@-\[\]-~]+$"  # what `sensors.identity.check_sensor_id` takes
SensorId = Annotated[str, Field(min_length=1, max_length=MOST_NAME, pattern=SENSOR_ID)]


SmellName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MOST_NAME,
        pattern=r"^[^\x00-\x20/\x7f-\xa0]([^\x00-\x1f/\x7f-\xa0]*[^\x00-\x20/\x7f-\xa0])?$",
    ),
]


class RecordingIn(Asked):
    """A recording, or a window of one."""

    channels: ChannelNames = Field(description="Names of the columns.", examples=[["NO2", "CO"]])
    rows: Rows = Field(description="A list of numbers for each moment, null where there is none.")
    times: Times | None = Field(
        None, description="Seconds, not falling, one for each row. Without: by `rate`."
    )
    rate: Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)] = Field(
        1.0, description="Rows a second, where there are no `times`."
    )


class Smell(BaseModel):
    """A smell and how probable it is."""

    name: str
    probability: float = Field(ge=0, le=1)


class Identification(BaseModel):
    """What a recording, or what was heard so far, smells of."""

    name: str = Field(description="The most probable smell, or `unknown`.")
    ranked: list[Smell] = Field(description="Most probable first; with `unknown` they sum to 1.")
    unknown: float = Field(ge=0, le=1, description="Probability that it is none of them.")
    seconds: float = Field(description="How much was listened to.")
    windows: int = Field(description="How many windows that was.")
    settled: bool = Field(description="Whether more of the same would hardly change the answer.")
    channels: list[str] = Field(description="Those that were used.")
    warnings: list[str] = Field(description="Codes, such as `uncalibrated`, `short` or `stuck:CO`.")
    model_version: str


class Window(BaseModel):
    """What one window alone smells of."""

    end: float = Field(description="Seconds from the first row to the window's end.")
    name: str
    ranked: list[Smell]
    unknown: float = Field(ge=0, le=1)


class IdentificationReply(Identification):
    """The answer to a recording."""

    per_window: list[Window] | None = Field(None, description="Only with `?windows=true`.")


class Sensor(BaseModel):
    """The server's own board, in short."""

    id: str
    source: str = Field(description="Where its frames come from.")
    kind: Literal["serial", "replay", "mqtt", "simulated"]
    connected: bool = Field(description="Whether it is there and sends.")
    simulated: bool = Field(description="Whether its numbers are made up.")
    channels: list[str]
    frames: int = Field(description="Taken since the server started.")
    last_frame: float | None = Field(description="When the last one came, seconds since 1970.")
    rate: float | None = Field(description="Frames a second, lately.")
    troubles: dict[str, int] = Field(description="What went wrong since the start, by kind.")
    calibration: str = Field(description="`none`, `ok`, `expired` or `drifted`.")
    identification: Identification | None = Field(description="What it smells now.")


class Trouble(BaseModel):
    """Something that went wrong with a board."""

    kind: str
    detail: str
    time: float
    count: int


class SensorDetail(Sensor):
    """The server's own board, with what it says at present."""

    values: dict[str, float | None] = Field(description="Of the last frame, by channel.")
    warnings: list[str]
    skipped_windows: int = Field(description="Not named, as the model was behind.")
    last_troubles: list[Trouble] = Field(description="The latest, oldest first.")


class SensorList(BaseModel):
    """The boards that the server reads itself."""

    sensors: list[Sensor]


class Calibration(BaseModel):
    """What is kept of a sensor's levels in clean air, in short."""

    id: int = Field(description="A larger one is newer.")
    sensor: str
    made: datetime
    expires: datetime
    status: Literal["none", "ok", "expired", "drifted"] = Field(
        description="`none` if this version cannot read it."
    )
    drift: float | None = Field(
        description="Of the channel that moved most, decades, when that was measured."
    )


class CalibrationDetail(Calibration):
    """A sensor's calibration."""

    content: dict[str, Any] = Field(description="As docs/reference/calibration.md says.")
    history: list[Calibration] = Field(description="Those before it, the newest first.")


class CalibrationList(BaseModel):
    """The newest calibration of every sensor."""

    calibrations: list[Calibration]


class Forgotten(BaseModel):
    """How many were forgotten."""

    forgotten: int


class TaughtSmell(BaseModel):
    """What is kept of a smell that was taught."""

    name: str
    recordings: int = Field(description="From how many it was taught.")
    model_version: str = Field(description="To which model it was taught.")
    usable: bool = Field(description="Whether that is the one that is served; else teach it again.")
    sensor: str | None = Field(description="Id of the board, if all recordings were made with the same.")
    taught: datetime = Field(description="When a recording was last added.")
    notes: str | None


class SmellList(BaseModel):
    """The smells that can be named."""

    model: list[str] = Field(description="Those that the model was trained on.")
    model_version: str
    taught: list[TaughtSmell]


class Confused(BaseModel):
    """Recordings that were taken for another smell."""

    name: str
    taken_for: str
    times: int


class TellingApart(BaseModel):
    """How well the taught smells can be told apart, each recording named by all the others."""

    asked: int = Field(description="Recordings whose smell has others.")
    right: int = Field(description="Of these, how many were named rightly.")
    confused: list[Confused]
    warnings: list[str] = Field(description="For people.")


class Lesson(TaughtSmell):
    """A smell to which a recording was added."""

    report: TellingApart


class SmellFile(BaseModel):
    """A smell as it is kept: where its recordings lie on the map of one model."""

    type: Literal["olfactory-smell"]
    version: int = Field(description="Of this format.")
    name: str
    model_version: str
    width: int = Field(description="Numbers of a prototype.")
    prototypes: str = Field(description="One a recording: little-endian float32, in base64.")
    channels: list[str]
    sensor_id: str | None
