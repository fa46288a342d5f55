"""What Alembic runs to migrate; the connection is given by `database.upgrade`."""

from __future__ import annotations

from alembic import context

from olfactory_transformer.database.models import Base


def run() -> None:
    """Run the migrations inside the transaction that the caller has begun."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # as Alembic calls it; whoever else imports this file wants no migration
    run()
