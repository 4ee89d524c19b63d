"""Noticing that two nodes decided differently under one request key.

The processes of a node share their request keys; nodes learn of each other's through the database
only. Two requests with one key that reach two nodes within that moment are both answered, and both
answers carry the same id. The first to arrive in the database is the stored one. When the other
showed another arm or drew from another distribution, nobody can tell which of them the shopper
saw, so the decision is kept, marked and counted, and becomes no interaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bandit_platform.domain.decision import Decision
from bandit_platform.storage.database import Connection
from bandit_platform.storage.decisions import find_immature
from bandit_platform.storage.disputes import insert_disputes, stored_among


def mark_disputes(
    connection: Connection,
    read: Sequence[Decision],
    new: Sequence[Decision],
    counts: Counter[tuple[str, str]],
) -> None:
    """Compare decisions that were already stored with what was read now.

    Args:
        connection: the transaction that stored the new ones.
        read: every decision read from the journal.
        new: those of them that were stored.
        counts: takes ``disputes``, and ``disputed_late`` for those that had matured before.
    """
    if len(read) == len(new):
        return
    stored_now = {id(decision) for decision in new}
    repeated = [decision for decision in read if id(decision) not in stored_now]
    stored = stored_among(connection, {decision.decision_id for decision in repeated})
    others = {
        d.decision_id: d
        for d in repeated
        if d.decision_id in stored and _differ(d, stored[d.decision_id])
    }
    marked = insert_disputes(connection, others)
    immature = find_immature(connection, marked)
    for decision_id in marked:
        counts[others[decision_id].experiment, "disputes"] += 1
        if stored[decision_id].measured and decision_id not in immature:
            counts[others[decision_id].experiment, "disputed_late"] += 1


def _differ(one: Decision, other: Decision) -> bool:
    """Whether the shopper would have been shown, or told, something else."""
    return (one.arm, one.eligible, one.pmf, one.body_hash) != (
        other.arm,
        other.eligible,
        other.pmf,
        other.body_hash,
    )
