"""Holding a deployment to its word: what was acknowledged is stored once, what was learned is true.

Both checks return what is wrong, as sentences; nothing wrong is an empty list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from bandit_platform.domain.decision import Decision
from bandit_platform.services.learning.model_lines import ModelLines
from bandit_platform.services.learning.recompute_rollups import recompute_rollups
from bandit_platform.services.learning.revision_text import revision_texts
from bandit_platform.services.learning.rollup_state import encoded
from bandit_platform.services.learning.tracked import tracked_now
from bandit_platform.services.learning.walk import Standing, fresh_standing, walk
from bandit_platform.services.learning.weight_bounds import WeightBounds
from bandit_platform.simulation.ledger import Ledger
from bandit_platform.storage.counters import counters
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.decisions import count_immature, decisions_since
from bandit_platform.storage.disputes import disputed
from bandit_platform.storage.events import count_orphans, events_of
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.interactions import interaction_of, policy_interactions
from bandit_platform.storage.models import model_blob, model_states, newest_version
from bandit_platform.storage.policy_states import policy_states

_BATCH = 5000


@dataclass(frozen=True, kw_only=True)
class Totals:
    """How much a proof was about."""

    decisions: int
    events: int
    interactions: int


def stored_decisions(connection: Connection, experiment: str) -> Iterator[Decision]:
    """Every stored decision in the order they were made."""
    after = None
    while batch := decisions_since(connection, experiment, None, after=after, limit=_BATCH):
        yield from batch
        after = (batch[-1].decided_at, batch[-1].decision_id)


def is_settled(database: Database, experiment: str) -> bool:
    """Whether every stored decision has matured and every policy has learned from all of them."""
    with database.read() as connection:
        if count_immature(connection, experiment):
            return False
        states = policy_states(connection, experiment)
        tracked = tracked_now(connection, get_experiment(connection, experiment).spec)
        cursors = [states[each.identity].cursor for each in tracked if each.identity in states]
        cursor = min(cursors, default=0)
        return not policy_interactions(connection, experiment, cursor, limit=1)


def check_stored(database: Database, experiment: str, ledger: Ledger) -> tuple[list[str], Totals]:
    """Every acknowledged decision and event is stored as it was told, and counted once."""
    wrong: list[str] = []
    with database.read() as connection:
        stored = {d.decision_id: d for d in stored_decisions(connection, experiment)}
        events = {
            (decision_id, event.event_id)
            for decision_id, found in events_of(connection, list(stored)).items()
            for event, _ in found
        }
        counted = counters(connection, experiment)
        orphans = count_orphans(connection)
        doubtful = disputed(connection, list(stored))
        interactions = 0
        for decision in stored.values():
            matured = interaction_of(connection, decision.decision_id) is not None
            interactions += matured
            counts = decision.measured and decision.decision_id not in doubtful
            if matured != counts:
                wrong.append(f"{decision.decision_id} ({decision.reason}) matured: {matured}")
    for decision_id, told in ledger.decisions.items():
        found = stored.get(decision_id)
        if found is None:
            wrong.append(f"decision {decision_id} was acknowledged and is not stored")
        elif (found.arm, dict(zip(found.eligible, found.pmf, strict=True))) != (told.arm, told.pmf):
            wrong.append(f"decision {decision_id}: told {told}, stored {found}")
    missing = ledger.events - events
    wrong += [f"event {key} was acknowledged and is not stored" for key in sorted(missing)]
    wrong += ledger.contradictions + ledger.refusals
    sums = {
        kind: sum(int(count) for name, count in counted.items() if name.startswith(f"{kind}."))
        for kind in ("decisions", "events", "interactions")
    }
    for kind, rows in (
        ("decisions", len(stored)),
        ("events", len(events)),
        ("interactions", interactions),
    ):
        if sums[kind] != rows:
            wrong.append(f"{sums[kind]} {kind} were counted, {rows} are stored")
    if orphans:
        wrong.append(f"{orphans} events have no decision")
    return wrong, Totals(decisions=len(stored), events=len(events), interactions=interactions)


def check_learned(database: Database, experiment: str) -> list[str]:
    """Accumulators and models equal, bit for bit, those learned from scratch."""
    wrong: list[str] = []
    with database.read() as connection:
        states = policy_states(connection, experiment)
        standings = _from_scratch(connection, experiment, None)
        rollups, again = recompute_rollups(connection, experiment)
        if encoded(rollups) != encoded(again):
            wrong.append("the sums of segments and pairs are not the recomputed ones")
        newest = newest_version(connection, experiment)
        published = newest and model_blob(connection, experiment, newest.version)
        if newest and published:
            learned = [
                standing.runner.learned.model
                for standing in _from_scratch(connection, experiment, newest.interactions)
                if standing.runner.learned and standing.runner.policy.model == newest.model_hash
            ]
            if learned and published[0] != learned[0].save():
                wrong.append("the published model is not the recomputed one")
        models = {
            (each.model_hash, each.cursor): each.blob
            for each in model_states(connection, experiment)
        }
    for standing in standings:
        state = states.get(standing.identity)
        if state is None or state.interactions != standing.interactions:
            wrong.append(f"{standing.name} stands at {state and state.interactions} interactions")
            continue
        if state.accumulator != json.dumps(standing.accumulator.to_state()):
            wrong.append(f"the accumulator of {standing.name} is not the recomputed one")
        policy, kept = standing.runner.policy, standing.runner.learned
        stored = models.get((policy.model or "", standing.cursor))
        if policy.model and (kept is None or stored != kept.model.save()):
            wrong.append(f"the model of {standing.name} is not the recomputed one")
    return wrong


def _from_scratch(connection: Connection, experiment: str, limit: int | None) -> list[Standing]:
    """Every tracked policy after the first ``limit`` interactions."""
    spec = get_experiment(connection, experiment).spec
    specs = revision_texts(connection, experiment)
    bounds = WeightBounds.stored(connection, experiment, specs)
    models = ModelLines(connection, experiment, {})
    tracked = [each for each in tracked_now(connection, spec) if each.pinned is None]
    standings = [fresh_standing(policy, spec, models.of(policy, 0)) for policy in tracked]
    while True:
        done = standings[0].interactions
        size = _BATCH if limit is None else min(_BATCH, limit - done)
        if size <= 0:
            return standings
        batch = policy_interactions(connection, experiment, standings[0].cursor, limit=size)
        if not batch:
            return standings
        standings = walk(batch, standings, specs, bounds)
