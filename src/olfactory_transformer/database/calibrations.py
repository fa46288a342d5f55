"""Calibrations of sensors: each is kept, and a sensor's newest counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from olfactory_transformer.core.errors import CalibrationError, shown
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.models import MAX_SENSOR, SensorCalibration


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """One calibration, as it is kept.

    Parameters
    ----------
    id : int
        Counts up; a larger one is newer.
    sensor_id : str
    made, expires : datetime
        In UTC.
    content : mapping
        What `sensors.calibration.value.Calibration.from_dict` takes.
    drift : float or None
        The largest move of a channel in clean air when that was last looked at, decades.
    drifted : bool
        Whether that was too much.
    checked : datetime or None
        When that was.
    """

    id: int
    sensor_id: str
    made: datetime
    expires: datetime
    content: Mapping[str, Any]
    drift: float | None = None
    drifted: bool = False
    checked: datetime | None = None


class CalibrationStore:
    """The calibrations in a database whose tables are there (see `upgrade`). Thread-safe; its methods block.

    All raise DatabaseError when the database cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from olfactory_transformer.database.upgrade import upgrade
    >>> folder = tempfile.TemporaryDirectory()
    >>> database = Database(f"sqlite:///{folder.name}/keys.db")
    >>> upgrade(database)
    >>> store = CalibrationStore(database)
    >>> content = {"sensor_id": "desk", "made": "2026-05-01T12:00:00Z", "expires": "2026-05-31T12:00:00Z"}
    >>> store.save(content).id
    1
    >>> store.current("desk").expires.isoformat()
    '2026-05-31T12:00:00+00:00'
    >>> folder.cleanup()
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, content: Mapping[str, Any]) -> CalibrationRecord:
        """Keep a calibration, which from now on is the one that counts.

        Parameters
        ----------
        content : mapping
            What `Calibration.as_dict` gives. Of it are read `sensor_id`, `made`, `expires` and `drift`.

        Raises
        ------
        CalibrationError
            One of these is missing or wrong, or JSON cannot say it.
        """
        entry = SensorCalibration(**_columns(content))
        with self._database.writing() as session:
            session.add(entry)
            session.flush()
            return _record(entry)

    def update(self, record_id: int, content: Mapping[str, Any]) -> CalibrationRecord:
        """Put in a calibration's place the same with a new `drift`.

        Raises
        ------
        CalibrationError
            It is gone, of another sensor, or `content` is wrong.
        """
        columns = _columns(content)
        with self._database.writing() as session:
            entry = session.get(SensorCalibration, record_id)
            if entry is None or entry.sensor_id != columns["sensor_id"]:
                raise CalibrationError(
                    f"no calibration {record_id} of the sensor {shown(columns['sensor_id'])} is kept"
                )
            for name, value in columns.items():
                setattr(entry, name, value)
            session.flush()
            return _record(entry)

    def current(self, sensor_id: str) -> CalibrationRecord | None:
        """Return the newest calibration of a sensor, None if it has none."""
        found = self.list(sensor_id, limit=1)
        return found[0] if found else None

    def list(
        self, sensor_id: str | None = None, *, limit: int | None = None
    ) -> tuple[CalibrationRecord, ...]:
        """Return calibrations, the newest first: of one sensor, or of all."""
        if self._database.is_absent:
            return ()
        query = sa.select(SensorCalibration).order_by(SensorCalibration.id.desc()).limit(limit)
        if sensor_id is not None:
            query = query.where(SensorCalibration.sensor_id == sensor_id)
        with self._database.reading() as session:
            return tuple(_record(entry) for entry in session.scalars(query))

    def sensors(self) -> tuple[CalibrationRecord, ...]:
        """Return the newest calibration of every sensor, by the sensor's id."""
        if self._database.is_absent:
            return ()
        newest = sa.select(sa.func.max(SensorCalibration.id)).group_by(SensorCalibration.sensor_id)
        query = (
            sa.select(SensorCalibration)
            .where(SensorCalibration.id.in_(newest))
            .order_by(SensorCalibration.sensor_id)
        )
        with self._database.reading() as session:
            return tuple(_record(entry) for entry in session.scalars(query))

    def forget(self, sensor_id: str) -> int:
        """Delete all calibrations of a sensor; return how many those were."""
        if self._database.is_absent:  # SQLite would make it
            return 0
        with self._database.writing() as session:
            query = sa.select(SensorCalibration.id).where(SensorCalibration.sensor_id == sensor_id)
            ids = session.scalars(query).all()
            session.execute(sa.delete(SensorCalibration).where(SensorCalibration.id.in_(ids)))
            return len(ids)


def _columns(content: Mapping[str, Any]) -> dict[str, Any]:
    sensor_id, drift = content.get("sensor_id"), content.get("drift") or {}
    if not isinstance(sensor_id, str) or not 0 < len(sensor_id) <= MAX_SENSOR or not sensor_id.isprintable():
        got = shown(sensor_id)
        raise CalibrationError(f"sensor_id: got {got}, expected 1 to {MAX_SENSOR} printable characters")
    moved = [abs(each) for each in drift.get("channels", {}).values()]
    return {
        "sensor_id": sensor_id,
        "made": _moment(content, "made"),
        "expires": _moment(content, "expires"),
        "content": _text(content),
        "drift": max(moved) if moved else None,
        "drifted": bool(moved) and max(moved) >= drift["threshold"],
        "checked": _moment(drift, "at") if moved else None,
    }


def _text(content: Mapping[str, Any]) -> str:
    try:
        # ASCII: names of channels may have characters that no database takes, such as U+0000, which JSON escapes.
        return json.dumps(content, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"got a calibration that JSON cannot say ({error}), expected one") from None


def _moment(content: Mapping[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(content[name])
    except (KeyError, TypeError, ValueError):
        got = content.get(name)
        raise CalibrationError(f"{name}: got {shown(got)}, expected a date and time") from None
    if moment.tzinfo is None:
        raise CalibrationError(f"{name}: got {shown(content[name])}, expected one with a time zone")
    return moment


def _record(entry: SensorCalibration) -> CalibrationRecord:
    return CalibrationRecord(
        id=entry.id,
        sensor_id=entry.sensor_id,
        made=entry.made,
        expires=entry.expires,
        content=json.loads(entry.content),
        drift=entry.drift,
        drifted=entry.drifted,
        checked=entry.checked,
    )
