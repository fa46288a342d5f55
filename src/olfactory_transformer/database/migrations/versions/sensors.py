"""The tables of electronic noses: calibrations and the smells that users have taught."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "calibrations",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("sensor_id", sa.String(100), nullable=False, index=True),
        sa.Column("made", _MOMENT, nullable=False),
        sa.Column("expires", _MOMENT, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("drift", sa.Float),
        sa.Column("drifted", sa.Boolean, nullable=False),
        sa.Column("checked", _MOMENT),
    )
    op.create_table(
        "enrolments",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, index=True),
        sa.Column("model_version", sa.String(100), nullable=False),
        sa.Column("sensor_id", sa.String(100)),
        sa.Column("recordings", sa.Integer, nullable=False),
        sa.Column("prototypes", sa.LargeBinary, nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("notes", sa.Text),
    )


def downgrade() -> None:
    """Drop them, with all that is in them."""
    op.drop_table("enrolments")
    op.drop_table("calibrations")
