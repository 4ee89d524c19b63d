"""Which revision and currency counted in each reward; and event types that wait for a counter.

Rewards of before name no revision: their decision's counted.

Revision: 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("interaction", sa.Column("reward_revision", sa.Integer(), nullable=True))
    op.add_column("interaction", sa.Column("currency", sa.String(), nullable=True))
    op.create_table(
        "event_type_state",
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("experiment"),
    )
