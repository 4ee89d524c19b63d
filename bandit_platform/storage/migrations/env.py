"""How migrations run: all in one transaction, on the engine they are given.

Several processes may start on a fresh database at once; the first one migrates while the others
wait, and then find nothing left to do.
"""

from alembic import context
from sqlmodel import SQLModel

from bandit_platform.storage import (  # noqa: F401 - fill SQLModel.metadata
    access_tables,
    learning_tables,
    page_sources,
    question_tables,
    tables,
)

engine = context.config.attributes["engine"]
with engine.connect() as plain:
    connection = plain.execution_options(writes=True)
    context.configure(
        connection=connection, target_metadata=SQLModel.metadata, transactional_ddl=True
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7205759403792793)")
        context.run_migrations()
