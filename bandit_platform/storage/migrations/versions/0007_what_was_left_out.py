"""Interactions that were left out, and what a policy's state says of itself.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "skipped",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_skipped_experiment", "skipped", ["experiment"])
    for name in ("lesson", "failures"):
        column = sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        op.add_column("policy_state", column)
    op.add_column("policy_state", sa.Column("failure", sa.Text(), nullable=True))
    op.add_column("policy_state", sa.Column("digest", sa.String(), nullable=True))
    op.execute("UPDATE policy_state SET lesson = interactions")
