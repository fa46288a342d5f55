"""Teaching a smell from a few recordings: where they lie on the model's map, and nothing is trained.

A recording is one point, the mean direction of its windows: windows of one recording are so much alike that more of
them are no more evidence. A smell is as many points as it has recordings (`taught` names new ones by them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.errors import CalibrationError, FileFormatError, RecordingError, shown
from olfactory_transformer.core.smells import UNKNOWN
from olfactory_transformer.inference.nose.contract import NoseModel
from olfactory_transformer.sensors.identity import check_sensor_id
from olfactory_transformer.sensors.recording import Recording

MAX_NAME = 100  # characters, as the database has room for
MAX_RECORDINGS = 200  # of one smell
FORMAT_VERSION = 1
_SAME = 1e-6  # of a direction's numbers: no two recordings are as alike

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """A smell that a user has taught.

    Parameters
    ----------
    name : str
        1 to 100 printable characters.
    prototypes : array (recordings, embedding), float32
        Where each recording lies on the map of `model_version`; of length 1.
    model_version : str
        As in `smellnet-base-v1@1.0.0`. What another version says lies on another map.
    channels : tuple of str
        Those that were used in all recordings.
    sensor_id : str or None
        Of the board that they were made with.
    counts : array (recordings, channels), float32, or None
        Mean counts of each recording in `channels`, which tell of the session (`inference.nose.session`). None: not
        kept.

    Raises
    ------
    FileFormatError
        The name, the prototypes or the counts cannot be what they are said to be.
    CalibrationError
        The sensor's id is none.
    """

    name: str
    prototypes: Floats
    model_version: str
    channels: tuple[str, ...] = ()
    sensor_id: str | None = None
    counts: Floats | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        rows = self.prototypes
        if rows.ndim != 2 or not rows.size or len(rows) > MAX_RECORDINGS:
            raise FileFormatError(
                f"{shown(self.name)}: prototypes of shape {rows.shape}, expected (1 to {MAX_RECORDINGS}, embedding)"
            )
        if not np.allclose(np.linalg.norm(rows.astype(np.float64), axis=1), 1, atol=1e-3):
            raise FileFormatError(f"{shown(self.name)}: a prototype that is not of length 1")
        if self.sensor_id is not None:
            check_sensor_id(self.sensor_id)
        counts, shape = self.counts, (len(rows), len(self.channels))
        if counts is not None and counts.shape != shape:
            raise FileFormatError(f"{shown(self.name)}: counts of shape {counts.shape}, expected {shape}")
        if counts is not None and not (np.isfinite(counts) & (counts >= 0)).all():
            raise FileFormatError(f"{shown(self.name)}: counts that are no numbers or below 0")

    @property
    def recordings(self) -> int:
        """Return how many recordings it was taught from."""
        return len(self.prototypes)

    @property
    def spread(self) -> float | None:
        """Return the mean squared distance of each recording from the nearest other; None of a single one."""
        apart = left_out(self.prototypes)
        return float(apart.mean()) if len(apart) else None

    def with_more(self, other: Enrolled) -> Enrolled:
        """Return the smell with another's recordings added; the model and the board have to be the same.

        Raises
        ------
        FileFormatError
            They are of other models.
        RecordingError
            One is the same as one that was taught before, which would make the smell look surer than it is.
        """
        if other.model_version != self.model_version:
            raise FileFormatError(
                f"{shown(self.name)}: recordings on the map of {other.model_version}, "
                f"expected that of {self.model_version}; forget those first, or take another name"
            )
        if (np.abs(self.prototypes[:, None] - other.prototypes[None]).max(2) < _SAME).any():
            raise RecordingError(f"a recording that {shown(self.name)} was taught from before", "another one")
        used = tuple(name for name in self.channels if name in other.channels)
        rows = np.concatenate([self.prototypes, other.prototypes])
        same = self.sensor_id if self.sensor_id == other.sensor_id else None
        parts = [
            one.counts[:, [one.channels.index(name) for name in used]]
            for one in (self, other)
            if one.counts is not None
        ]
        counts = np.concatenate(parts) if len(parts) == 2 else None
        return Enrolled(self.name, rows, self.model_version, used, same, counts)


def enrol(
    model: NoseModel, name: str, recordings: Sequence[Recording], sensor_id: str | None = None
) -> Enrolled:
    """Teach a smell.

    Parameters
    ----------
    model : NoseModel
    name : str
        1 to 100 printable characters; not `unknown`.
    recordings : sequence of Recording
        One is enough; three or more, of several days, are what makes it sure.
    sensor_id : str or None

    Raises
    ------
    RecordingError
        There is no recording, or the model can make nothing of one.
    ValueError
        The name is not allowed.

    Examples
    --------
    >>> from olfactory_transformer.inference.nose.fake import FakeNose
    >>> from olfactory_transformer.sensors.frame import Frame
    >>> frames = [Frame(float(t), {"CO": 800.0 + t, "NO2": 200.0 - 2 * t}) for t in range(40)]
    >>> coffee = enrol(FakeNose(), "coffee", [Recording.of(frames)])
    >>> coffee.name, coffee.prototypes.shape, coffee.spread
    ('coffee', (1, 16), None)
    """
    check_name(name)
    if not recordings:
        raise RecordingError("no recording", "one or more")
    if len(recordings) > MAX_RECORDINGS:
        raise RecordingError(f"{len(recordings)} recordings", f"at most {MAX_RECORDINGS}")
    read = [model.read(recording) for recording in recordings]
    used = tuple(each for each in read[0].channels if all(each in one.channels for one in read))
    rows = np.stack([place(one.embeddings) for one in read])
    counts = np.stack([_mean_counts(recording, used) for recording in recordings])
    return Enrolled(name, rows, model.version, used, sensor_id, counts)


def _mean_counts(recording: Recording, channels: Sequence[str]) -> Floats:
    values = recording.values[:, [recording.names.index(name) for name in channels]].astype(np.float64)
    return np.asarray(np.nanmean(np.maximum(values, 0), axis=0), np.float32)  # as the network takes them


def check_name(name: str) -> None:
    """Raise FileFormatError, a ValueError, unless a smell may be called so."""
    printable = 0 < len(name) <= MAX_NAME and name.isprintable() and name.strip() == name
    if not printable or "/" in name or name == UNKNOWN:  # it is a part of addresses
        raise FileFormatError(
            f"name: got {shown(name)}, expected 1 to {MAX_NAME} printable characters without '/', "
            f"none of them a space at an end, and not {UNKNOWN!r}"
        )


def place(embeddings: Floats) -> Floats:
    """Return the mean direction (embedding,) of windows (windows, embedding)."""
    mean = embeddings.astype(np.float64).mean(axis=0)
    length = float(np.linalg.norm(mean))
    # Windows that cancel out have no direction of their own: any of theirs is as good.
    return (mean / length if length > 1e-9 else embeddings[-1]).astype(np.float32)  # type: ignore[no-any-return]


def left_out(prototypes: Floats) -> NDArray[np.float64]:
    """Return each recording's squared distance from the nearest of the others, (recordings,); empty for one."""
    if len(prototypes) < 2:
        return np.empty(0)
    apart = squared_distances(prototypes, prototypes)
    np.fill_diagonal(apart, np.inf)
    return apart.min(axis=1)  # type: ignore[no-any-return]


def squared_distances(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Return the squared distances (m, n), 0 to 4, of directions (m, E) and (n, E)."""
    return np.clip(2 - 2 * (a.astype(np.float64) @ b.astype(np.float64).T), 0, 4)


# -- as bytes ------------------------------------------------------------------------------------------------


class _Stored(msgspec.Struct, tag="olfactory-smell", forbid_unknown_fields=True):
    version: int
    name: str
    model_version: str
    width: int
    prototypes: bytes  # little-endian float32, row after row
    channels: list[str] = []
    sensor_id: str | None = None
    counts: bytes = b""  # as the prototypes, a row of as many numbers as there are channels; empty: not kept


def to_bytes(smell: Enrolled) -> bytes:
    """Return a smell as JSON, with its prototypes in base64.

    >>> one = Enrolled("coffee", np.eye(2, dtype=np.float32), "m@1", ("CO",))
    >>> from_bytes(to_bytes(one)).prototypes.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    rows = np.ascontiguousarray(smell.prototypes, "<f4")
    return msgspec.json.encode(
        _Stored(
            FORMAT_VERSION,
            smell.name,
            smell.model_version,
            rows.shape[1],
            rows.tobytes(),
            list(smell.channels),
            smell.sensor_id,
            b"" if smell.counts is None else np.ascontiguousarray(smell.counts, "<f4").tobytes(),
        )
    )


def from_bytes(data: bytes, source: object = "enrolment") -> Enrolled:
    """Read what `to_bytes` wrote.

    Raises
    ------
    FileFormatError
        It is something else, of another format version, or broken.
    """
    try:
        stored = msgspec.json.decode(data, type=_Stored)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FileFormatError(f"{source}: not a smell that was taught ({error})") from None
    if stored.version != FORMAT_VERSION:
        raise FileFormatError(f"{source}: format version {stored.version}, expected {FORMAT_VERSION}")
    if stored.width < 1 or not stored.prototypes or len(stored.prototypes) % (4 * stored.width):
        raise FileFormatError(
            f"{source}: {len(stored.prototypes)} bytes of prototypes, expected rows of {stored.width} numbers"
        )
    rows = np.frombuffer(stored.prototypes, "<f4").reshape(-1, stored.width).astype(np.float32)
    if stored.counts and len(stored.counts) != 4 * len(rows) * len(stored.channels):
        raise FileFormatError(
            f"{source}: {len(stored.counts)} bytes of counts, expected {len(rows)} rows of {len(stored.channels)}"
        )
    counts = np.frombuffer(stored.counts, "<f4").reshape(len(rows), -1) if stored.counts else None
    try:
        return Enrolled(
            stored.name, rows, stored.model_version, tuple(stored.channels), stored.sensor_id, counts
        )
    except (FileFormatError, CalibrationError) as error:
        raise FileFormatError(f"{source}: {error}") from None


class _Many(msgspec.Struct, tag="olfactory-smells", forbid_unknown_fields=True):
    version: int
    smells: list[msgspec.Raw]


MAX_FILE = 64 << 20  # bytes of a file of smells


def many_to_bytes(smells: Sequence[Enrolled]) -> bytes:
    """Return smells as one JSON file."""
    return msgspec.json.encode(_Many(FORMAT_VERSION, [msgspec.Raw(to_bytes(each)) for each in smells]))


def many_from_bytes(data: bytes, source: object = "smells") -> list[Enrolled]:
    """Read what `many_to_bytes` wrote.

    Raises
    ------
    FileFormatError
        It is something else, of another format version, or broken, or a name is there twice.
    """
    try:
        stored = msgspec.json.decode(data, type=_Many)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FileFormatError(f"{source}: not a file of smells ({error})") from None
    if stored.version != FORMAT_VERSION:
        raise FileFormatError(f"{source}: format version {stored.version}, expected {FORMAT_VERSION}")
    found = [from_bytes(bytes(raw), f"{source}, smell {i + 1}") for i, raw in enumerate(stored.smells)]
    if len({each.name for each in found}) < len(found):
        raise FileFormatError(f"{source}: a name is there twice")
    return found
