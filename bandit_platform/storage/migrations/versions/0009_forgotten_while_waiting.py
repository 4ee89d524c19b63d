"""How many decisions were forgotten before they matured, for databases that did not count them.

Until now they were among those that wait. What was measured, less what matured and what still
waits, is what was forgotten; one statement, so that all figures are of one moment.

Revision: 0009, after 0008.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SEED = """
    INSERT INTO counter (experiment, name, value)
    SELECT balance.experiment, 'forgotten.waiting', SUM(balance.number)
    FROM (
        SELECT experiment, value AS number FROM counter
        WHERE name IN ('decisions.policy', 'decisions.uniform', 'decisions.holdout')
        UNION ALL
        SELECT experiment, -value FROM counter
        WHERE name IN (
            'interactions.policy', 'interactions.holdout', 'not_activated', 'disputed',
            'forgotten.waiting'
        )
        UNION ALL
        SELECT experiment, -COUNT(*) FROM immature GROUP BY experiment
    ) AS balance
    WHERE true
    GROUP BY balance.experiment
    HAVING SUM(balance.number) > 0
    ON CONFLICT (experiment, name) DO UPDATE SET value = counter.value + excluded.value
"""


def upgrade() -> None:
    """Apply."""
    op.execute(_SEED)
