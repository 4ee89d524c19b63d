"""The API key and the network address that each decision came from.

Decisions made before have no key and count as trusted, as they did.

Revision: 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("decision", sa.Column("key_id", sa.String(), nullable=True))
    op.add_column(
        "decision", sa.Column("trusted", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.add_column("decision", sa.Column("address", sa.String(), nullable=True))
    op.add_column(
        "decision", sa.Column("over_limit", sa.Boolean(), nullable=False, server_default=sa.false())
    )
