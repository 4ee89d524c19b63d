"""Disputed decisions, and which model versions stored decisions refer to.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "dispute",
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_table(
        "model_use",
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "version"),
    )
    op.execute(
        "INSERT INTO model_use (experiment, version) SELECT DISTINCT experiment, model_version "
        "FROM decision WHERE model_version IS NOT NULL"
    )
