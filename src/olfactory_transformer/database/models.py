"""The tables. `migrations/` makes them; a test holds the two against each other on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Float,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

MAX_NAME = 100  # characters of a key's name
ID_LENGTH = 8  # characters of a key's id
MAX_SENSOR = 100  # characters of a sensor's id


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, which SQLite would return without its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store as UTC."""
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return with the zone."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Of every table."""


class ApiKey(Base):
    """One API key, without its text.

    `digest` is SHA-256 of the whole text. After a rotation the text before it stays valid until `previous_until`.
    `scopes` are words separated by spaces. A key without `limit_per_minute` has the server's.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    previous_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None] = mapped_column(Moment)
    scopes: Mapped[str] = mapped_column(String(200))
    limit_per_minute: Mapped[int | None] = mapped_column(Integer)
    created: Mapped[datetime] = mapped_column(Moment)
    expires: Mapped[datetime | None] = mapped_column(Moment)
    revoked: Mapped[datetime | None] = mapped_column(Moment)
    last_used: Mapped[datetime | None] = mapped_column(Moment)


class AuditEntry(Base):
    """One request, or several refused alike within a moment (`times`).

    No foreign key to `api_keys`: the log outlives keys, and keys of the environment are in no table.
    """

    __tablename__ = "audit"

    # SQLite counts up by itself only in a column of exactly this type.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, index=True)
    key_id: Mapped[str | None] = mapped_column(String(20), index=True)
    name: Mapped[str | None] = mapped_column(String(MAX_NAME))
    address: Mapped[str | None] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(10))
    route: Mapped[str] = mapped_column(String(200))
    status: Mapped[int] = mapped_column(Integer)
    items: Mapped[int | None] = mapped_column(Integer)
    times: Mapped[int] = mapped_column(Integer)
    request_id: Mapped[str] = mapped_column(String(64))
    molecules: Mapped[str | None] = mapped_column(Text)


class SensorCalibration(Base):
    """One calibration of one sensor; the newest counts, and those before it are kept.

    `content` is what `sensors.calibration.Calibration.as_dict` gives, as JSON in ASCII. `drift` is how far the level in
    clean air had moved, in decades, when that was last `checked`.
    """

    __tablename__ = "calibrations"

    # SQLite counts up by itself only in a column of exactly this type.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    sensor_id: Mapped[str] = mapped_column(String(MAX_SENSOR), index=True)
    made: Mapped[datetime] = mapped_column(Moment)
    expires: Mapped[datetime] = mapped_column(Moment)
    content: Mapped[str] = mapped_column(Text)
    drift: Mapped[float | None] = mapped_column(Float)
    drifted: Mapped[bool] = mapped_column(Boolean)
    checked: Mapped[datetime | None] = mapped_column(Moment)


class Enrolment(Base):
    """One smell that a user has taught: its prototypes in the embedding of one version of a model.

    `prototypes` are bytes with a version of their own. A smell of one sensor alone has its `sensor_id`.
    """

    __tablename__ = "enrolments"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME), index=True)
    model_version: Mapped[str] = mapped_column(String(100))
    sensor_id: Mapped[str | None] = mapped_column(String(MAX_SENSOR))
    recordings: Mapped[int] = mapped_column(Integer)
    prototypes: Mapped[bytes] = mapped_column(LargeBinary)
    created: Mapped[datetime] = mapped_column(Moment)
    notes: Mapped[str | None] = mapped_column(Text)
