"""Users, their sessions and one-time links, and the audit log, which only grows.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SQLITE = (
    "CREATE TRIGGER audit_log_keeps_{name} BEFORE {event} ON audit_log {condition}"
    "BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
)
_REFUSE = (
    "CREATE FUNCTION audit_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$"
)
_POSTGRESQL = (
    "CREATE TRIGGER audit_log_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_only_grows()"
)
#: INSERT OR REPLACE deletes without asking the trigger for deletions
_REPLACING = "WHEN EXISTS (SELECT 1 FROM audit_log WHERE number = NEW.number) "


def upgrade() -> None:
    """Apply."""
    _people()
    op.create_table(
        "audit_log",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("difference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    for column in ("at", "name", "subject"):
        op.create_index(f"ix_audit_log_{column}", "audit_log", [column], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSE)
        op.execute(_POSTGRESQL)
        return
    for name, event, condition in (
        ("values", "UPDATE", ""),
        ("rows", "DELETE", ""),
        ("numbers", "INSERT", _REPLACING),
    ):
        op.execute(_SQLITE.format(name=name, event=event, condition=condition))


def _people() -> None:
    op.create_table(
        "console_user",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.Column("signed_in_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "console_session",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    for column in ("name", "seen_at"):
        op.create_index(f"ix_console_session_{column}", "console_session", [column], unique=False)
    op.create_table(
        "one_time_link",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
