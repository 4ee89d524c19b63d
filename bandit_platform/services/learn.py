"""Predict, accumulate, learn, publish: one walk over the interactions for every tracked policy.

Each policy has a cursor of its own. Its model, its accumulator and its cursor change in one
transaction, so that a crash anywhere teaches nothing twice and skips nothing. Models stay in
memory between batches and are trusted only while they stand exactly at the stored cursor.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.ope import PolicyAccumulator, RewardRange
from bandit_platform.policies.arguments import vowpal_arguments
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.services.metric_rollup import add_metrics
from bandit_platform.services.quality import Quality
from bandit_platform.services.roll_up import roll_up
from bandit_platform.services.timeline import add_timeline_point
from bandit_platform.services.tracked import (
    ALWAYS_NOTHING,
    LOGGING,
    SERVING,
    Runner,
    TrackedPolicy,
    largest_weight,
    tracked_policies,
)
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.experiments import get_experiment, revisions
from bandit_platform.storage.interactions import Interaction, policy_interactions
from bandit_platform.storage.lease import demand_lease
from bandit_platform.storage.models import (
    ModelVersion,
    PolicyState,
    model_blob,
    newest_version,
    policy_states,
    prune_versions,
    publish_version,
    put_policy_states,
    put_quality_state,
    quality_state,
    remove_policy_states,
)

_BATCH = 1000
#: Journals may hold decisions for so long that refer to a version superseded since.
_KEPT = timedelta(hours=1)
_PRUNE_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A tracked policy at its cursor, ready for the next interactions."""

    runner: Runner
    cursor: int
    interactions: int
    accumulator: PolicyAccumulator
    #: importance weights of the interactions it took in last, and the greatest there could be
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    largest_weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.runner.policy.name


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What one batch did."""

    #: interactions taken in
    taken: int
    #: when a version waits to be published; None when all is published
    publish_at: datetime | None


class Learner:
    """Brings the tracked policies of experiments up to date."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder
        #: (experiment, policy) → (what it stands for, cursor, model) as of the last commit
        self._models: dict[tuple[str, str], tuple[str, int, LearnedPolicy]] = {}
        self._prune_at: dict[str, datetime] = {}

    def learn(self, experiment: str, now: datetime) -> Learned:
        """Take in the next batch of interactions; publish a model version when one is due.

        Raises:
            UnavailableError: another worker leads.
            StorageError: the database did not answer; nothing changed.
        """
        held = {key: model for key, model in self._models.items() if key[0] == experiment}
        for key in held:
            del self._models[key]  # until this batch has committed, memory is ahead of the table
        with self._database.write() as connection:
            demand_lease(connection, self._holder)
            spec = get_experiment(connection, experiment).spec
            standings = self._standings(connection, spec, held)
            standings, taken = _advance(connection, spec, standings)
            publish_at = _publish(connection, spec, standings, now)
            self._prune(connection, experiment, now)
        for standing in standings:
            learned = standing.runner.learned
            if learned is not None:
                place = (_stands_for(standing.runner.policy), standing.cursor, learned)
                self._models[experiment, standing.name] = place
        return Learned(taken=taken, publish_at=publish_at)

    def _prune(self, connection: Connection, experiment: str, now: datetime) -> None:
        """Delete model versions that nothing refers to, now and then: it reads every version."""
        if now >= self._prune_at.get(experiment, now):
            prune_versions(connection, experiment, superseded_before=now - _KEPT)
            self._prune_at[experiment] = now + _PRUNE_EVERY

    def _standings(
        self,
        connection: Connection,
        spec: ExperimentSpec,
        held: dict[tuple[str, str], tuple[str, int, LearnedPolicy]],
    ) -> list[Standing]:
        states = policy_states(connection, spec.key)
        tracked = tracked_policies(spec)
        names = {policy.name for policy in tracked}
        remove_policy_states(connection, spec.key, set(states) - names)
        return [
            _standing(connection, spec, policy, states.get(policy.name), held) for policy in tracked
        ]


def _advance(
    connection: Connection, spec: ExperimentSpec, standings: list[Standing]
) -> tuple[list[Standing], int]:
    """Let the policies that are furthest behind take in the next batch."""
    cursors = sorted({standing.cursor for standing in standings})
    group = [standing for standing in standings if standing.cursor == cursors[0]]
    others = [standing for standing in standings if standing.cursor != cursors[0]]
    up_to = cursors[1] if others else None
    batch = policy_interactions(connection, spec.key, cursors[0], up_to=up_to, limit=_BATCH)
    if not batch:
        return standings, 0
    texts = _specs(connection, spec.key)
    walked = walk(batch, group, texts)
    put_policy_states(connection, spec.key, [_state(standing) for standing in walked])
    specs = {number: revision.spec for number, revision in texts.items()}
    add_metrics(connection, spec, batch, walked, specs, before=cursors[0])
    if any(standing.name == LOGGING for standing in group):
        stored = quality_state(connection, spec.key)
        quality = Quality.from_json(stored) if stored else Quality.empty()
        put_quality_state(connection, spec.key, quality.updated(batch).to_json())
    if not others:
        roll_up(connection, spec, batch, walked)
        add_timeline_point(connection, spec, walked, batch[-1].decision.decided_at)
    return walked + others, len(batch)


def _standing(
    connection: Connection,
    spec: ExperimentSpec,
    policy: TrackedPolicy,
    state: PolicyState | None,
    held: dict[tuple[str, str], tuple[str, int, LearnedPolicy]],
) -> Standing:
    if state is None or state.policy_hash != policy.identity:
        return fresh_standing(policy, spec)
    learned = None
    if policy.exploration is not None:
        known = held.get((spec.key, policy.name))
        if known is not None and known[:2] == (_stands_for(policy), state.cursor):
            learned = known[2]
        elif state.blob is not None:
            learned = LearnedPolicy.load(_frozen_blob(connection, spec, policy) or state.blob)
    return Standing(
        runner=Runner(policy, learned),
        cursor=state.cursor,
        interactions=state.interactions,
        accumulator=PolicyAccumulator.from_state(json.loads(state.accumulator)),
    )


def _stands_for(policy: TrackedPolicy) -> str:
    """A model that went on learning is not the one that was frozen."""
    return f"{policy.identity} frozen" if policy.frozen else policy.identity


def _frozen_blob(
    connection: Connection, spec: ExperimentSpec, policy: TrackedPolicy
) -> bytes | None:
    """A frozen policy is valued as it is served: as the version published last."""
    if not policy.frozen:
        return None
    version = newest_version(connection, spec.key)
    stored = version and model_blob(connection, spec.key, version.version)
    return stored[0] if stored else None


def fresh_standing(policy: TrackedPolicy, spec: ExperimentSpec) -> Standing:
    """A tracked policy before the first interaction."""
    learned = None if policy.exploration is None else LearnedPolicy.fresh(policy.exploration)
    low, high = spec.reward.range
    return Standing(
        runner=Runner(policy, learned),
        cursor=0,
        interactions=0,
        accumulator=PolicyAccumulator.empty(
            reward_range=RewardRange(low=low, high=high),
            same_policy=policy.name == ALWAYS_NOTHING,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class RevisionText:
    """A revision's spec with its prepared VW text."""

    spec: ExperimentSpec
    text: FeatureText


def _specs(connection: Connection, experiment: str) -> dict[int, RevisionText]:
    return {
        stored.number: RevisionText(spec=stored.spec, text=FeatureText(stored.spec))
        for stored in revisions(connection, experiment)
    }


def walk(
    batch: Sequence[Interaction],
    standings: Sequence[Standing],
    specs: dict[int, RevisionText],
) -> list[Standing]:
    """Every policy's standing after a batch of interactions."""
    weights = np.empty((len(standings), len(batch)))
    nothing = np.empty(len(batch))
    learns = any(standing.runner.learned is not None for standing in standings)
    for row, interaction in enumerate(batch):
        decision = interaction.decision
        revision = specs[decision.revision]
        lines = revision.text.lines(decision.context, decision.eligible) if learns else []
        drawn = decision.eligible.index(decision.arm)
        for column, standing in enumerate(standings):
            pmf = standing.runner.step(interaction, lines, revision.spec)
            weights[column, row] = pmf[drawn] / decision.propensity
        nothing[row] = 1.0 / decision.propensity if drawn == 0 else 0.0
    rewards = np.array([interaction.reward for interaction in batch])
    return [
        _after(
            standing,
            batch,
            specs,
            weight=weights[column],
            nothing=nothing,
            rewards=rewards,
        )
        for column, standing in enumerate(standings)
    ]


def _after(
    standing: Standing,
    batch: Sequence[Interaction],
    specs: dict[int, RevisionText],
    *,
    weight: npt.NDArray[np.float64],
    nothing: npt.NDArray[np.float64],
    rewards: npt.NDArray[np.float64],
) -> Standing:
    policy = standing.runner.policy
    bounds = {number: largest_weight(policy, each.spec) for number, each in specs.items()}
    baseline = {number: each.spec.largest_weight for number, each in specs.items()}
    largest = np.array([bounds[i.decision.revision] for i in batch])
    return Standing(
        runner=standing.runner,
        cursor=batch[-1].number,
        interactions=standing.interactions + len(batch),
        accumulator=standing.accumulator.updated(
            weight=weight,
            baseline_weight=nothing,
            reward=rewards,
            max_weight=largest,
            baseline_max_weight=np.array([baseline[i.decision.revision] for i in batch]),
        ),
        weights=weight,
        largest_weights=largest,
    )


def _state(standing: Standing) -> PolicyState:
    learned = standing.runner.learned
    return PolicyState(
        policy=standing.name,
        policy_hash=standing.runner.policy.identity,
        cursor=standing.cursor,
        interactions=standing.interactions,
        accumulator=json.dumps(standing.accumulator.to_state()),
        blob=None if learned is None else learned.model.save(),
    )


def _publish(
    connection: Connection, spec: ExperimentSpec, standings: Sequence[Standing], now: datetime
) -> datetime | None:
    """Publish the serving policy if it learned something new and the last version is old enough.

    Returns:
        When the next version is due, if there is something to publish but it is too early.
    """
    serving = next((each for each in standings if each.name == SERVING), None)
    if serving is None or serving.runner.learned is None or not serving.interactions:
        return None
    newest = newest_version(connection, spec.key)
    identity = serving.runner.policy.identity
    if newest is not None and newest.policy_hash == identity:
        if spec.policy.mode == "frozen" or newest.interactions == serving.interactions:
            return None
        due = newest.published_at + spec.policy.publish_every
        if newest.published_at <= now < due:  # else the clock was set back
            return due
    blob = serving.runner.learned.model.save()
    version = ModelVersion(
        experiment=spec.key,
        version=1 if newest is None else newest.version + 1,
        policy_hash=identity,
        arguments=vowpal_arguments(spec.policy),
        blob_hash=blob_hash(blob),
        interactions=serving.interactions,
        published_at=now,
    )
    publish_version(connection, version, blob)
    return None
