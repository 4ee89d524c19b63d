"""Why arms fell out, counted as decisions arrive, in the transaction that stores them.

What is counted is bounded by what teams write: reasons come from the conditions, schedules and
lists of a revision, never from a shopper's values.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from bandit_platform.domain.decision import POLICY_TRAFFIC, Decision
from bandit_platform.domain.exclusion import Exclusion, from_data, to_data
from bandit_platform.services.collecting.arm_names import ArmNames
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import decisions_since
from bandit_platform.storage.exclusions import Place, excluded_arms

ELIGIBLE, SHOWN, OUT, DECIDED = "eligible", "shown", "out", "decided"
#: bytes of a reason; what is longer is counted without its limit
_LONGEST = 200
_BATCH = 5000
_AS_THEY_ARE: Mapping[str, ArmNames] = MappingProxyType({})

#: experiment, revision, reason, arm, eligible arms, the others with why
_Alike = tuple[str, int, str, str, tuple[str, ...], tuple[tuple[str, Exclusion], ...]]


def count_exclusions(
    decisions: Iterable[Decision], names: Mapping[str, ArmNames] = _AS_THEY_ARE
) -> dict[Place, int]:
    """How often each arm was eligible, shown or out, and why.

    Where the decision as a whole could give nothing only (held out, paused), or was page traffic
    over a limit, that is counted once and no arm's fate is.

    Args:
        decisions: of any experiments.
        names: experiment → the names of its arms, where they may be others than the keys.
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
        name = names[key].name_of if key in names else str
        counts[Place(key, revision, name(arm), SHOWN, "")] += number
        for each in eligible:
            counts[Place(key, revision, name(each), ELIGIBLE, "")] += number
        for each, why in excluded:
            counts[Place(key, revision, name(each), OUT, reason_text(why))] += number
    return dict(counts)


def recount_exclusions(database: Database, experiment: str) -> Mapping[Place, int]:
    """The same counts from every stored decision, to check those that were kept."""
    counts: Counter[Place] = Counter()
    after = None
    while True:
        with database.read() as connection:
            kept = excluded_arms(connection, experiment)
            batch = decisions_since(connection, experiment, None, after=after, limit=_BATCH)
        if not batch:
            return dict(counts)
        after = (batch[-1].decided_at, batch[-1].decision_id)
        brought = any(each.draws[0].arms_hash is not None for each in batch)
        names = {experiment: ArmNames(kept, 0)} if brought else {}
        counts.update(count_exclusions(batch, names))


def reason_text(why: Exclusion) -> str:
    """An exclusion as text short enough for an index.

    A revision's arm has one condition for each field and operator, so a limit that is left out
    still leaves reasons apart.
    """
    text = json.dumps(to_data(why))
    return text if len(text) <= _LONGEST else json.dumps(to_data(replace(why, limit=None)))


def reason_from(text: str) -> Exclusion:
    """The exclusion that :func:`reason_text` wrote."""
    return from_data(json.loads(text))
