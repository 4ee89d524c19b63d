"""Walking an experiment's interactions again from the first, to check or to explain.

The same steps as learning takes, on fresh models: what comes out must equal what the worker
stored, and gives every tracked policy's PMF at every moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bandit_platform.domain.context import ContextValue
from bandit_platform.services.learning.model_lines import ModelLines
from bandit_platform.services.learning.revision_text import revision_texts
from bandit_platform.services.learning.tracked import (
    TrackedPolicy,
    lesson_of,
    policy_named,
    tracked_now,
)
from bandit_platform.services.learning.walk import fresh_standing
from bandit_platform.storage.database import Database
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.interactions import policy_interactions

_BATCH = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class RecomputedRow:
    """One interaction of the policy traffic with what every tracked policy would have done."""

    decision_id: str
    unit: str
    context: dict[str, ContextValue]
    eligible: tuple[str, ...]
    #: logged distribution over ``eligible``
    pmf: tuple[float, ...]
    arm: str
    reward: float
    #: policy → its distribution over ``eligible`` before it learned from this interaction
    policies: dict[str, tuple[float, ...]]


def recompute(
    database: Database, experiment: str, only: Collection[str] | None = None
) -> Iterator[RecomputedRow]:
    """The interactions in order, with each policy's PMF at that moment.

    Args:
        database: the deployment.
        experiment: key.
        only: names of the tracked policies wanted; None for all but pinned versions, whose
            probabilities do not depend on the moment.

    Raises:
        NotFoundError: there is no such experiment.
    """
    with database.read() as connection:
        spec = get_experiment(connection, experiment).spec
        specs = revision_texts(connection, experiment)
        models = ModelLines(connection, experiment, {})
        runners = [
            (name, fresh_standing(policy, spec, models.of(policy, 0)).runner)
            for name, policy in _wanted(tracked_now(connection, spec), only).items()
        ]
    cursor = 0
    while True:
        with database.read() as connection:
            batch = policy_interactions(connection, experiment, cursor, limit=_BATCH)
        if not batch:
            return
        cursor = batch[-1].number
        for interaction in batch:
            decision = interaction.decision
            revision = specs[decision.revision]
            lines = revision.text.lines(decision.context, decision.eligible, decision.request_arms)
            lesson = lesson_of(interaction, revision)
            yield RecomputedRow(
                decision_id=decision.decision_id,
                unit=decision.unit,
                context=decision.context,
                eligible=decision.eligible,
                pmf=decision.pmf,
                arm=decision.arm,
                reward=interaction.reward,
                policies={
                    name: runner.step(interaction, lines, revision, lesson)
                    for name, runner in runners
                },
            )


def _wanted(
    tracked: Sequence[TrackedPolicy], only: Collection[str] | None
) -> dict[str, TrackedPolicy]:
    """The policies under the names by which they are wanted."""
    if only is None:
        return {each.name: each for each in tracked if each.pinned is None}
    found = {name: policy_named(tracked, name) for name in only}
    return {name: policy for name, policy in found.items() if policy is not None}
