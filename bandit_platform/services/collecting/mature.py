"""When a reward window ends: a decision and its events become an interaction.

Never earlier, however early an outcome is known, because letting rewarded decisions in before
unrewarded ones of the same moment would bias every estimate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from bandit_platform.domain.decision import POLICY_TRAFFIC, Decision
from bandit_platform.domain.event import Event
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.reward import AmountWeight, Reward, reward_of
from bandit_platform.services.collecting.arm_names import ArmNames, names_of_sums
from bandit_platform.services.collecting.count_page_sources import count_page_outcomes
from bandit_platform.services.collecting.request_events import find_decisions_of_events
from bandit_platform.services.learning.outcomes import PURCHASE, RETURN
from bandit_platform.storage.counters import add
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.decisions import activated, due, remove_immature
from bandit_platform.storage.disputes import disputed
from bandit_platform.storage.events import events_of
from bandit_platform.storage.experiments import (
    StoredExperiment,
    get_experiment,
    revision_spec,
    set_currency,
)
from bandit_platform.storage.interactions import (
    RewardRules,
    insert_interactions,
    put_unit_totals,
    unit_totals,
)
from bandit_platform.storage.lease import demand_lease, take_turns

_BATCH = 2000
_log = structlog.get_logger(__name__)
Counts = dict[tuple[str, str], float]


@dataclass(frozen=True, kw_only=True)
class Maturing:
    """What one batch did."""

    #: decisions that left the queue
    decisions: int = 0
    #: experiments that have new interactions to learn from
    experiments: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class _Matured:
    decision: Decision
    reward: Reward
    rules: RewardRules
    #: whether the reward is above the default
    rewarded: bool

    @property
    def policy_traffic(self) -> bool:
        return self.decision.reason in POLICY_TRAFFIC


def mature(
    database: Database, holder: str, until: datetime, without: Collection[str] = ()
) -> Maturing:
    """Turn decisions whose window ended by ``until`` into interactions, at most one batch.

    Args:
        database: where they are.
        holder: the worker that leads.
        until: the moment up to which everything has been ingested.
        without: experiments whose decisions wait, because their specs cannot be read.

    Raises:
        UnavailableError: another worker leads.
        StorageError: the database did not answer; nothing changed.
    """
    with database.write() as connection:
        demand_lease(connection, holder)
        take_turns(connection)
        unreadable: dict[str, str] = {}
        decisions = due(connection, until, _BATCH, without, unreadable=unreadable)
        _give_up(connection, unreadable)
        requests = {d.request_key for d in decisions if d.request_key is not None}
        find_decisions_of_events(connection, until, requests, without)
        if not decisions:
            return Maturing(decisions=len(unreadable))
        ids = [decision.decision_id for decision in decisions]
        shown = activated(connection, [d.decision_id for d in decisions if d.deferred])
        doubtful = disputed(connection, [d.decision_id for d in decisions if d.request_key])
        counted = [d for d in decisions if _was_shown(d, shown) and d.decision_id not in doubtful]
        matured = _rewarded(connection, counted)
        insert_interactions(
            connection,
            [(m.decision, m.reward.value, m.reward.clipped, m.policy_traffic) for m in matured],
            {m.decision.decision_id: m.rules for m in matured},
        )
        counts: Counts = defaultdict(float)
        for decision in decisions:
            if decision.decision_id in doubtful:
                counts[decision.experiment, "disputed"] += 1
            elif not _was_shown(decision, shown):
                counts[decision.experiment, "not_activated"] += 1
        _count(matured, counts, names_of_sums(connection, counted))
        _add_unit_totals(connection, matured, counts)
        count_page_outcomes(
            connection, [(m.decision, m.rewarded) for m in matured if m.policy_traffic]
        )
        add(connection, counts)
        remove_immature(connection, ids)
    return Maturing(
        decisions=len(ids) + len(unreadable),
        experiments=frozenset(m.decision.experiment for m in matured if m.policy_traffic),
    )


def _give_up(connection: Connection, unreadable: Mapping[str, str]) -> None:
    """Let decisions that were damaged become no interactions; the audit tells of each."""
    for decision_id, why in unreadable.items():
        _log.error("decision left out", decision=decision_id, error=why)
    remove_immature(connection, unreadable)


def _was_shown(decision: Decision, shown: dict[str, datetime]) -> bool:
    if not decision.deferred:
        return True
    moment = shown.get(decision.decision_id)
    return moment is not None and moment <= decision.expires_at


def _rewarded(connection: Connection, decisions: Sequence[Decision]) -> list[_Matured]:
    events = events_of(connection, [decision.decision_id for decision in decisions])
    experiments: dict[str, StoredExperiment] = {}
    currencies: dict[str, str | None] = {}
    deciding: dict[tuple[str, int], ExperimentSpec] = {}
    matured = []
    for decision in decisions:
        key = decision.experiment
        if key not in experiments:
            experiments[key] = get_experiment(connection, key)
            currencies[key] = experiments[key].spec.reward.currency or experiments[key].currency
        rules_of_events = experiments[key].spec.events
        counted = [
            event
            for event, late in events.get(decision.decision_id, ())
            if rules_of_events.may_count(event, late)
        ]
        if currencies[key] is None:
            currencies[key] = _trusted_currency(experiments[key], counted)
            if currencies[key] is not None:
                set_currency(connection, key, str(currencies[key]))
        made_by = (key, decision.revision)
        if made_by not in deciding:
            deciding[made_by] = _deciding_spec(connection, experiments[key], decision.revision)
        worth = deciding[made_by].worth_of(decision.arm)
        reward = reward_of(counted, worth, experiments[key].spec.reward_range, currencies[key])
        rules = RewardRules(experiments[key].revision, currencies[key])
        rewarded = reward.value > experiments[key].spec.reward.default
        matured.append(_Matured(decision=decision, reward=reward, rules=rules, rewarded=rewarded))
    return matured


def _deciding_spec(
    connection: Connection, experiment: StoredExperiment, revision: int
) -> ExperimentSpec:
    """The spec that made decisions, which says what its arms are worth."""
    if revision == experiment.revision:
        return experiment.spec
    return revision_spec(connection, experiment.spec.key, revision) or experiment.spec


def _trusted_currency(experiment: StoredExperiment, events: Sequence[Event]) -> str | None:
    """The currency that a server named first for an amount that counts.

    Where no amount is worth anything, purchases and returns name that of the revenue. What a page
    names settles nothing.
    """
    named = {
        kind
        for worth in experiment.spec.worths.values()
        for table in (worth.weights, worth.costs)
        for kind, weight in table.items()
        if isinstance(weight, AmountWeight)
    }
    counting = named or {PURCHASE, RETURN}
    for event in events:
        if event.trusted and event.type in counting and None not in {event.amount, event.currency}:
            return event.currency
    return None


def _count(matured: Sequence[_Matured], counts: Counts, names: Mapping[str, ArmNames]) -> None:
    for each in matured:
        key, arm = each.decision.experiment, each.decision.arm
        if each.policy_traffic and key in names:
            arm = names[key].name_of(arm)
        if each.policy_traffic:
            counts[key, "interactions.policy"] += 1
            counts[key, f"arm.{arm}.count"] += 1
            counts[key, f"arm.{arm}.reward"] += each.reward.value
            counts[key, f"arm.{arm}.gross"] += each.reward.gross
            counts[key, f"arm.{arm}.taken_back"] += each.reward.taken_back
            counts[key, f"arm.{arm}.costs"] += each.reward.costs
        else:
            counts[key, "interactions.holdout"] += 1
        counts[key, "clipped"] += each.reward.clipped
        counts[key, "other_currency"] += each.reward.other_currency
        counts[key, "unknown_currency"] += each.reward.unknown_currency


def _add_unit_totals(connection: Connection, matured: Sequence[_Matured], counts: Counts) -> None:
    """Units are what the holdout randomises, so they are what its contrast sums over."""
    by_experiment: dict[str, dict[str, list[_Matured]]] = defaultdict(lambda: defaultdict(list))
    for each in matured:
        by_experiment[each.decision.experiment][each.decision.unit].append(each)
    for key, by_unit in by_experiment.items():
        known = unit_totals(connection, key, list(by_unit))
        changed: dict[str, tuple[bool, float]] = {}
        for unit, interactions in by_unit.items():
            holdout = not interactions[0].policy_traffic
            before = known.get(unit, (holdout, 0.0))[1]
            total = before
            for each in interactions:
                total += each.reward.value
            changed[unit] = (holdout, total)
            group = f"units.{'holdout' if holdout else 'policy'}"
            counts[key, f"{group}.count"] += unit not in known
            counts[key, f"{group}.total"] += total - before
            counts[key, f"{group}.squares"] += total * total - before * before
        put_unit_totals(connection, key, changed)
