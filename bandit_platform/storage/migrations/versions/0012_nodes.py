"""How far each node's journal is in the database, and why an event is late.

Revision: 0012, after 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_WHY = """
    UPDATE event SET late_because = (
        SELECT CASE
            WHEN event.occurred_at > decision.expires_at THEN 'after_window'
            WHEN event.received_at > decision.expires_at THEN 'reported_late'
            ELSE 'arrived_late'
        END
        FROM decision WHERE decision.decision_id = event.decision_id
    )
    WHERE late
"""
_COUNT = """
    INSERT INTO counter (experiment, name, value)
    SELECT decision.experiment, 'late.' || event.late_because, COUNT(*)
    FROM event JOIN decision ON decision.decision_id = event.decision_id
    WHERE event.late AND event.late_because <> 'after_window' AND decision.reason <> 'draft'
    GROUP BY decision.experiment, event.late_because
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "node",
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("drained_until", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("given_up_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("node_id"),
    )
    op.add_column("event", sa.Column("late_because", sa.String(), nullable=True))
    op.execute(_WHY)
    op.execute(_COUNT)
