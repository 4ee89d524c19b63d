"""Which revisions decisions show, and so every chart marks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from bandit_platform.domain.revision import changes, is_felt
from bandit_platform.storage.experiments import StoredRevision


def charted(
    stored: Sequence[StoredRevision], started_at: datetime | None
) -> tuple[StoredRevision, ...]:
    """The revision in force at the start, and later ones that changed what is decided.

    Args:
        stored: every revision, the first one first.
        started_at: when the experiment was started; None before that, when nothing is decided.
    """
    drafts = drafted(stored, started_at)
    later = stored[len(drafts) :]
    felt = [
        after
        for before, after in pairwise([*drafts[-1:], *later])
        if any(map(is_felt, changes(before.spec, after.spec)))
    ]
    return (*drafts[-1:], *felt) if started_at is not None else ()


def drafted(
    stored: Sequence[StoredRevision], started_at: datetime | None
) -> Sequence[StoredRevision]:
    """The revisions from before the start; the last of them was in force then."""
    if started_at is None:
        return stored
    return [each for each in stored if each.created_at < started_at] or stored[:1]
