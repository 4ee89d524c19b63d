"""Counts of page traffic by key, unit and address.

Page traffic of before is in no count.

Revision: 0015, after 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "page_source",
        sa.Column("experiment", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("decisions", sa.BigInteger(), nullable=False),
        sa.Column("over_limit", sa.BigInteger(), nullable=False),
        sa.Column("arms", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "kind", "name"),
    )
