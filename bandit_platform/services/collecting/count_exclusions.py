"""Why arms fell out, counted as decisions arrive, in the transaction that stores them.

What is counted is bounded by what teams write: reasons come from the conditions, schedules and
lists of a revision, never from a shopper's values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256

from bandit_platform.domain.decision import POLICY_TRAFFIC, Decision
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import decisions_since
from bandit_platform.storage.exclusions import Place

ELIGIBLE, SHOWN, OUT, DECIDED = "eligible", "shown", "out", "decided"
_LONGEST = 200
_BATCH = 5000

#: experiment, revision, reason, arm, eligible arms, the others with why
_Alike = tuple[str, int, str, str, tuple[str, ...], tuple[tuple[str, str], ...]]


def count_exclusions(decisions: Iterable[Decision]) -> dict[Place, int]:
    """How often each arm was eligible, shown or out, and why.

    Where the decision as a whole could give nothing only (held out, paused), or was page traffic
    over a limit, that is counted once and no arm's fate is.
    """
    alike: Counter[_Alike] = Counter(
        [
            (
                d.experiment,
                d.revision,
                d.counted_as,
                d.arm,
                d.eligible,
                tuple(d.excluded.items()) if d.excluded else (),
            )
            for d in decisions
        ]
    )
    counts: Counter[Place] = Counter()
    for (key, revision, reason, arm, eligible, excluded), number in alike.items():
        counts[Place(key, revision, "", DECIDED, reason)] += number
        if reason not in POLICY_TRAFFIC:
            continue
        counts[Place(key, revision, arm, SHOWN, "")] += number
        for each in eligible:
            counts[Place(key, revision, each, ELIGIBLE, "")] += number
        for each, why in excluded:
            counts[Place(key, revision, each, OUT, _short(why))] += number
    return dict(counts)


def recount_exclusions(database: Database, experiment: str) -> Mapping[Place, int]:
    """The same counts from every stored decision, to check those that were kept."""
    counts: Counter[Place] = Counter()
    after = None
    while True:
        with database.read() as connection:
            batch = decisions_since(connection, experiment, None, after=after, limit=_BATCH)
        if not batch:
            return dict(counts)
        after = (batch[-1].decided_at, batch[-1].decision_id)
        counts.update(count_exclusions(batch))


def _short(why: str) -> str:
    """A reason short enough for an index; what is cut off still tells reasons apart."""
    if len(why) <= _LONGEST:
        return why
    return f"{why[: _LONGEST - 10]}… {sha256(why.encode()).hexdigest()[:8]}"
