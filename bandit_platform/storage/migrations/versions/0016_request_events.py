"""Outcomes that were reported for a request key.

Revision: 0016, after 0015.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "request_event",
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("request_key", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("amount", sa.Float(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decision_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("experiment", "request_key", "unit", "event_id", "trusted"),
    )
    waiting = sa.text("state = 'waiting'")
    is_open = sa.text("state IN ('unknown', 'not_shown', 'ambiguous')")
    for name, columns, where in (
        ("request_event_waiting", ["received_at"], waiting),
        ("request_event_waiting_by_request", ["request_key"], waiting),
        ("request_event_open", ["experiment", "received_at"], is_open),
    ):
        op.create_index(name, "request_event", columns, sqlite_where=where, postgresql_where=where)
    op.create_index("request_event_by_decision", "request_event", ["decision_id"])
    op.create_index("request_event_by_unit", "request_event", ["unit"])
