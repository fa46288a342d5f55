"""A recording out of a request's body: JSON or CSV, bounded in bytes, rows and channels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from olfactory_transformer.api.body import JSON, as_model, check_declared, described, read_bytes, strict_json
from olfactory_transformer.api.openapi import json_body
from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.sensors.listening import MOST_CHANNELS
from olfactory_transformer.api.sensors.schemas import RecordingIn
from olfactory_transformer.core.errors import RecordingError, shown
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.files import Limits, read_recording
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.settings import Settings

CSV = "text/csv"
MOST_ROWS = 36_000  # ten hours at a frame a second
LARGEST = 1e15  # of a value and a time, either way: beyond, differences lose all their digits
SHORT = [[216, 830], [215, 831], [217, 829], [216, 831]]
CLEAN_AIR = 30 * SHORT  # two minutes of levels that stand still
_CSV_SCHEMA = {"type": "string", "format": "recording", "description": "A header, and a row for each moment."}
_EXPECTED = f"a number from -{LARGEST:g} to {LARGEST:g}"
_CELLS = frozenset({int, float, type(None)})


def recording_body(rows: list[list[int]]) -> dict[str, Any]:
    """Return the `openapi_extra` of a route whose body is a recording, with these rows for an example."""
    summary = f"Two channels, {len(rows)} moments a second apart"
    value = {"channels": ["NO2", "CO"], "rows": rows}
    extra = json_body(RecordingIn, {"recording": {"summary": summary, "value": value}})
    lines = ["t,NO2,CO", *(f"{t},{no2},{co}" for t, (no2, co) in enumerate(rows)), ""]
    csv = {"summary": "The same as CSV", "value": "\n".join(lines)}
    extra["requestBody"]["content"][CSV] = {"schema": _CSV_SCHEMA, "examples": {"recording": csv}}
    return extra


async def read_recording_body(request: Request, settings: Settings) -> Recording:
    """Read a body that is a recording.

    Raises
    ------
    ApiError
        As `body.read_model` raises, and too-many-rows.
    RecordingError
        Naming the row at fault.
    """
    check_declared(request, (*JSON, CSV))
    body = await read_bytes(request, settings.max_body_bytes, settings.inference_timeout)
    csv = request.headers["content-type"].partition(";")[0].strip().lower() == CSV
    # In a thread, so that others get their turns while a long one is taken apart.
    return await asyncio.to_thread(of_csv if csv else _of_json_text, body)


def of_json(given: RecordingIn) -> Recording:
    """Return the recording that a JSON object describes.

    >>> of_json(RecordingIn(channels=["CO", "VOC"], rows=[[1, 2], [3, None]], rate=2)).times.tolist()
    [0.0, 0.5]
    """
    names, rows = given.channels, given.rows
    if len(rows) > MOST_ROWS:
        raise ApiError(
            "too-many-rows", f"got {len(rows)} rows, expected at most {MOST_ROWS}", limit=MOST_ROWS
        )
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            got = f"a list of {len(row)}" if isinstance(row, list) else described(row)
            raise RecordingError(got, f"a list of {len(names)} numbers or nulls", index)
        if not _CELLS.issuperset(map(type, row)):
            place = next(place for place, value in enumerate(row) if type(value) not in _CELLS)
            raise RecordingError(f"{shown(names[place])}: {described(row[place])}", "a number or null", index)
    try:
        values = np.array(rows, np.float64)
    except OverflowError:
        raise RecordingError("an integer of hundreds of digits", _EXPECTED) from None
    _check(names, values)
    return Recording(tuple(channel(name) for name in names), _times(given), values.astype(np.float32))


def of_csv(body: bytes) -> Recording:
    r"""Return the recording in a CSV file.

    >>> of_csv(b"t,CO\n0,800\n1,801\n").names
    ('CO',)
    """
    recording = read_recording(BytesIO(body), Limits(rows=MOST_ROWS, columns=MOST_CHANNELS))
    _check(recording.names, recording.values)
    return recording


def _of_json_text(body: bytes) -> Recording:
    return of_json(as_model(strict_json(body), RecordingIn))


def _times(given: RecordingIn) -> NDArray[np.float64]:
    if given.times is None:
        return np.arange(len(given.rows)) / given.rate
    if len(given.times) != len(given.rows):
        raise RecordingError(f"{len(given.times)} times", f"one for each of the {len(given.rows)} rows")
    for index, time in enumerate(given.times):
        if type(time) not in (int, float) or not -LARGEST <= time <= LARGEST:
            raise RecordingError(f"time: {described(time)}", _EXPECTED, index)
    return np.array(given.times, np.float64)


def _check(names: Sequence[str], values: NDArray[Any]) -> None:
    """Raise RecordingError at the first number of which no difference can be told."""
    if (bad := np.argwhere(np.abs(values) > LARGEST)).size:
        row, column = map(int, bad[0])
        raise RecordingError(f"{shown(names[column])}: {values[row, column]:g}", _EXPECTED, row)
