"""Decisions are found by the hash of their request key.

Revision: 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    has_key = sa.text("request_key IS NOT NULL")
    op.create_index(
        "decision_by_request",
        "decision",
        ["request_key", "decided_at"],
        sqlite_where=has_key,
        postgresql_where=has_key,
    )
