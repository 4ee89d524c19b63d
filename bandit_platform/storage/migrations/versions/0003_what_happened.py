"""Metrics, why arms fell out, the running audit, and a way to find a unit's decisions.

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "metric_state",
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "policy"),
    )
    op.create_table(
        "metric_day",
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("sums", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "day"),
    )
    op.create_table(
        "exclusion",
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("fate", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("decisions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "revision", "arm", "fate", "why"),
    )
    op.create_table(
        "audit_state",
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("checked", sa.BigInteger(), nullable=False),
        sa.Column("mismatches", sa.BigInteger(), nullable=False),
        sa.Column("newest", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("experiment"),
    )
    op.create_index("decision_by_unit", "decision", ["unit", "decided_at"])
