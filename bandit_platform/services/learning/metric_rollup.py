"""Metrics beside the reward: summed by the worker in the step that learns.

What happened after each interaction is read once a batch and valued for the policy that served
and for the learned one, against always showing nothing. States, daily sums and the policies'
cursors commit together, so a crash counts nothing twice, and a recomputation from the stored
interactions gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import structlog

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.ope import RewardRange
from bandit_platform.ope.running import totals
from bandit_platform.services.learning.metric_state import MetricState, Weights
from bandit_platform.services.learning.outcomes import Outcomes, outcomes
from bandit_platform.services.learning.revision_text import RevisionText
from bandit_platform.services.learning.support import WaitingValues
from bandit_platform.services.learning.tracked import LOGGING, SERVING
from bandit_platform.storage.database import Connection
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.interactions import Interaction
from bandit_platform.storage.metrics import (
    metric_days,
    metric_states,
    outcomes_of,
    put_metric_days,
    put_metric_states,
    remove_metric_days,
)

if TYPE_CHECKING:
    from bandit_platform.services.learning.walk import Standing

_log = structlog.get_logger(__name__)
_VALUED = (LOGGING, SERVING)


def add_metrics(
    connection: Connection,
    spec: ExperimentSpec,
    batch: Sequence[Interaction],
    standings: Sequence[Standing],
    texts: Mapping[int, RevisionText],
    *,
    before: int,
) -> None:
    """Take what happened after a batch of interactions into the metrics.

    Args:
        connection: the transaction that also moves the policies' cursors.
        spec: the experiment as it is.
        batch: the interactions, in order.
        standings: the policies that took them in, as they stand afterwards.
        texts: revisions by number.
        before: where those policies' cursors stood.
    """
    valued = [standing for standing in standings if standing.name in _VALUED]
    if not valued:
        return
    specs = {number: each.spec for number, each in texts.items()}
    stored = metric_states(connection, spec.key)
    events = list(outcomes_of(connection, [i.decision.decision_id for i in batch]))
    first_currency = spec.reward.currency or get_experiment(connection, spec.key).currency
    put: dict[str, str] = {}
    for standing in valued:
        skipped = standing.interactions - len(batch)
        state = _state(stored.get(standing.identity), spec, before, skipped)
        waiting = WaitingValues(state.waiting)
        happened = outcomes(
            batch,
            events,
            specs,
            kept=tuple(state.events),
            waiting=waiting,
            currency=state.currency,
            first_currency=first_currency,
        )
        weights = Weights(
            policy=standing.weights,
            nothing=standing.nothing,
            largest=standing.largest_weights,
            largest_nothing=standing.largest_nothing,
        )
        put[standing.identity] = state.updated(happened, weights, waiting).to_json()
        if standing.name == LOGGING:
            if before == 0:
                remove_metric_days(connection, spec.key)
            _add_days(connection, spec.key, batch, happened, specs)
    put_metric_states(connection, spec.key, batch[-1].number, put)


def _state(
    stored: tuple[int, str] | None, spec: ExperimentSpec, before: int, skipped: int
) -> MetricState:
    """The state that stood where the policy's cursor did; else one that begins here."""
    if stored is not None and before and stored[0] == before:
        known = MetricState.read(stored[1])
        if known is not None:
            return known
        _log.error("metrics begin anew", experiment=spec.key, error="their state is damaged")
    low, high = spec.reward_range
    return MetricState.empty(RewardRange(low=low, high=high), skipped=skipped)


def _add_days(
    connection: Connection,
    experiment: str,
    batch: Sequence[Interaction],
    happened: Outcomes,
    specs: Mapping[int, ExperimentSpec],
) -> None:
    """Add a batch to the sums of the days on which its decisions were made."""
    zones = {number: ZoneInfo(spec.report.time_zone) for number, spec in specs.items()}
    if happened.revenue_from is not None:
        earlier = metric_days(connection, experiment)
        put_metric_days(
            connection, experiment, {day: {**sums, "revenue": 0.0} for day, sums in earlier.items()}
        )
    days = np.array([_day(i.decision.decided_at, zones[i.decision.revision]) for i in batch])
    names = sorted(set(days.tolist()))
    known = metric_days(connection, experiment, names)
    put_metric_days(
        connection,
        experiment,
        {day: _day_sums(known.get(day, {}), happened, days == day) for day in names},
    )


def _day(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).date().isoformat()


def _day_sums(
    known: Mapping[str, Any], happened: Outcomes, rows: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    carry = (known.get("reward", 0.0), known.get("revenue", 0.0))
    columns = (happened.reward[rows], happened.revenue[rows])
    reward, revenue = totals(carry, columns)
    counts = {name: int(column[rows].sum()) for name, column in happened.happened.items()}
    before = known.get("happened", {})
    return {
        "decisions": known.get("decisions", 0) + int(rows.sum()),
        "shown": known.get("shown", 0) + int(happened.shown[rows].sum()),
        "reward": reward,
        "revenue": revenue,
        "happened": {
            name: before.get(name, 0) + count
            for name, count in {**dict.fromkeys(before, 0), **counts}.items()
            if count or name in before
        },
    }
