"""How migrations run: inside one transaction, on the engine they are given."""

from alembic import context
from sqlmodel import SQLModel

from bandit_platform.storage import tables  # noqa: F401 - fills SQLModel.metadata

engine = context.config.attributes["engine"]
with engine.connect() as plain:
    connection = plain.execution_options(writes=True)
    context.configure(connection=connection, target_metadata=SQLModel.metadata)
    with context.begin_transaction():
        context.run_migrations()
