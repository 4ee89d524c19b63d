"""Predict, accumulate, learn, publish: one walk over the interactions for every tracked policy.

Each policy has a cursor of its own. Its model, its accumulator and its cursor change in one
transaction, so that a crash anywhere teaches nothing twice and skips nothing. Models stay in
memory between batches and are trusted only while they stand exactly at the stored cursor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bandit_platform.domain.actor import PLATFORM
from bandit_platform.domain.deployment import Deployment, DeploymentAction
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.policies.arguments import model_hash
from bandit_platform.services.learning.metric_rollup import add_metrics
from bandit_platform.services.learning.model_lines import Held, ModelLines, Place
from bandit_platform.services.learning.publish import publish
from bandit_platform.services.learning.quality import Quality
from bandit_platform.services.learning.revision_text import RevisionText, revision_texts
from bandit_platform.services.learning.roll_up import roll_up
from bandit_platform.services.learning.standings import restored, state_of
from bandit_platform.services.learning.timeline import add_timeline_point
from bandit_platform.services.learning.tracked import (
    ALWAYS_NOTHING,
    LOGGING,
    TrackedPolicy,
    tracked_now,
)
from bandit_platform.services.learning.usable import why_unusable
from bandit_platform.services.learning.walk import Standing, walk
from bandit_platform.services.learning.weight_bounds import WeightBounds
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.deployments import (
    StoredPolicy,
    add_deployment,
    deployments,
    stored_policies,
)
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.interactions import Interaction, number_of_nth, policy_interactions
from bandit_platform.storage.lease import demand_lease
from bandit_platform.storage.models import furthest_cursor, newest_version, prune_versions
from bandit_platform.storage.policy_states import (
    PolicyState,
    policy_states,
    put_policy_states,
    put_quality_state,
    quality_state,
    remove_policy_states,
)
from bandit_platform.storage.skipped import put_skipped

_BATCH = 4000
#: Models that stay in memory between batches, 1 to 2 MB each. Others are loaded when their
#: experiment has something to learn, which takes 2 ms.
_MODELS_HELD = 64
#: Journals may hold decisions for so long that refer to a version superseded since.
_KEPT = timedelta(hours=1)
_PRUNE_EVERY = timedelta(minutes=10)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What one batch did."""

    #: interactions taken in
    taken: int
    #: when a version waits to be published; None when all is published
    publish_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    """What a step of learning reads of an experiment."""

    spec: ExperimentSpec
    texts: dict[int, RevisionText]
    history: tuple[Deployment, ...]
    policies: dict[str, StoredPolicy]
    bounds: WeightBounds
    models: ModelLines

    @classmethod
    def read(cls, connection: Connection, spec: ExperimentSpec, held: Held) -> _Experiment:
        texts = revision_texts(connection, spec.key)
        history = deployments(connection, spec.key)
        policies = stored_policies(connection, spec.key)
        return cls(
            spec=spec,
            texts=texts,
            history=history,
            policies=policies,
            bounds=WeightBounds(texts, history, policies),
            models=ModelLines(connection, spec.key, held),
        )


class Learner:
    """Brings the tracked policies of experiments up to date."""

    def __init__(self, database: Database, holder: str, *, models_held: int = _MODELS_HELD) -> None:
        self._database = database
        self._models_held = models_held
        self._holder = holder
        #: models as of the last commit
        self._models: Held = {}
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
            if number_of_nth(connection, experiment, 1) is None:
                return Learned(taken=0, publish_at=None)  # of a thousand experiments most are new
            known = _Experiment.read(connection, spec, held)
            tracked = tracked_now(connection, spec)
            states = policy_states(connection, spec.key)
            kept = _kept(known, states)
            remove_policy_states(connection, spec.key, set(states) - _identities(tracked) - kept)
            standings = [
                restored(spec, policy, states.get(policy.identity), known.models)
                for policy in tracked
            ]
            standings, taken = _advance(connection, known, standings)
            lines = _kept_lines(known, states, kept - _identities(tracked))
            models = known.models.store(standings, lines)
            publish_at = _publish(connection, known, standings, now)
            self._prune(connection, experiment, now)
        self._models.update(models)
        for key in list(self._models)[: -self._models_held]:  # used longest ago
            del self._models[key]
        return Learned(taken=taken, publish_at=publish_at)

    def _prune(self, connection: Connection, experiment: str, now: datetime) -> None:
        """Delete model versions that nothing refers to, now and then: it reads every version."""
        if now >= self._prune_at.get(experiment, now):
            prune_versions(connection, experiment, superseded_before=now - _KEPT)
            self._prune_at[experiment] = now + _PRUNE_EVERY


def _identities(tracked: Sequence[TrackedPolicy]) -> set[str]:
    return {policy.identity for policy in tracked}


def _kept(known: _Experiment, states: Mapping[str, PolicyState]) -> set[str]:
    """Policies that ever served keep their progress: a rollback may bring them back."""
    served = {policy for each in known.history for policy, _ in each.roles}
    return served & set(states) & set(known.policies)


def _kept_lines(
    known: _Experiment, states: Mapping[str, PolicyState], kept: set[str]
) -> set[Place]:
    """The lines of models at which the progress of policies that served once is kept."""
    return {
        (model_hash(known.policies[policy].definition), states[policy].cursor) for policy in kept
    }


def _advance(
    connection: Connection, known: _Experiment, standings: list[Standing]
) -> tuple[list[Standing], int]:
    """A batch for the policies that are furthest behind, then one for those in front.

    So a policy that is new learns from the first interaction on while the others go on; when it
    has come up to them, they walk together. Only where the comparisons' own policies are behind,
    the others wait for them.
    """
    cursors = sorted({standing.cursor for standing in standings})
    taken = 0
    if len(cursors) > 1:
        standings, taken = _take(connection, known, standings, cursor=cursors[0], up_to=cursors[1])
    front = max(standing.cursor for standing in standings)
    names = {standing.name for standing in standings if standing.cursor == front}
    if {LOGGING, ALWAYS_NOTHING} <= names:
        standings, more = _take(connection, known, standings, cursor=front, up_to=None)
        taken += more
    return standings, taken


def _take(
    connection: Connection,
    known: _Experiment,
    standings: list[Standing],
    *,
    cursor: int,
    up_to: int | None,
) -> tuple[list[Standing], int]:
    """Let the policies that stand at a cursor take in the next batch."""
    spec = known.spec
    batch, left_out = _usable(connection, known, cursor=cursor, up_to=up_to)
    group = [standing for standing in standings if standing.cursor == cursor]
    if batch:
        walked = walk(batch, group, known.texts, known.bounds)
    elif up_to is not None and not left_out:
        walked = [replace(standing, cursor=up_to) for standing in group]
    else:
        return standings, left_out
    known.models.advance(group, walked)
    put_policy_states(connection, spec.key, [state_of(standing) for standing in walked])
    if batch:
        _tell_failures(spec, group, walked)
        add_metrics(connection, spec, batch, walked, known.texts, before=cursor)
        names = {standing.name for standing in group}
        if LOGGING in names:
            quality = _quality(connection, spec) if cursor else Quality.empty()
            put_quality_state(connection, spec.key, quality.updated(batch).to_json())
        if up_to is None and {LOGGING, ALWAYS_NOTHING} <= names:
            roll_up(connection, spec, batch, walked)
            add_timeline_point(connection, spec, walked, batch[-1].decision.decided_at)
    after = {standing.identity: standing for standing in walked}
    return [after.get(each.identity, each) for each in standings], len(batch) + left_out


def _quality(connection: Connection, spec: ExperimentSpec) -> Quality:
    """The data's tests so far; begun anew where their state is damaged, which holds up nothing."""
    stored = quality_state(connection, spec.key)
    known = None if stored is None else Quality.read(stored)
    if stored is not None and known is None:
        _log.error("tests of the data begin anew", experiment=spec.key, error="damaged state")
    return known or Quality.empty()


def _usable(
    connection: Connection, known: _Experiment, *, cursor: int, up_to: int | None
) -> tuple[list[Interaction], int]:
    """The next interactions, without those that no policy can take in; and how many these are.

    They are noted, and nobody who walks the interactions meets them again.
    """
    spec = known.spec
    why: dict[int, str] = {}
    batch = policy_interactions(
        connection, spec.key, cursor, up_to=up_to, limit=_BATCH, unreadable=why
    )
    for interaction in batch:
        reason = why_unusable(interaction, known.texts, spec, known.bounds)
        if reason is not None:
            why[interaction.number] = reason
    put_skipped(connection, spec.key, why)
    for number, reason in why.items():
        _log.error("interaction left out", experiment=spec.key, interaction=number, error=reason)
    return [interaction for interaction in batch if interaction.number not in why], len(why)


def _tell_failures(
    spec: ExperimentSpec, before: Sequence[Standing], after: Sequence[Standing]
) -> None:
    for old, new in zip(before, after, strict=True):
        if new.failures > old.failures:
            _log.error(
                "policy failed",
                experiment=spec.key,
                policy=new.name,
                interactions=new.failures - old.failures,
                newest=new.failure,
            )


def _publish(
    connection: Connection, known: _Experiment, standings: Sequence[Standing], now: datetime
) -> datetime | None:
    """Publish each model that serves if it learned something new and its version is old enough.

    Returns:
        When the next version is due, if there is something to publish but it is too early.
    """
    spec = known.spec
    if not known.history or spec.policy.mode == "uniform":
        return None
    deployment = known.history[-1]
    front = max(standing.cursor for standing in standings)
    due: list[datetime] = []
    for model, definition in _serving_models(known, deployment).items():
        found = known.models.newest(model)
        if found is None or not found[2]:
            continue
        learned, cursor, interactions = found
        newest = newest_version(connection, spec.key, model)
        if newest is not None:
            if cursor <= newest.cursor:  # less, while it learns again after damage
                continue
            moment = newest.published_at + spec.policy.publish_every
            if newest.published_at <= now < moment:  # else the clock was set back
                due.append(moment)
                continue
        if cursor < front and cursor < furthest_cursor(connection, spec.key):
            continue  # no version may know less than an earlier one
        version = publish(
            connection,
            spec.key,
            definition,
            learned.save(),
            interactions=interactions,
            cursor=cursor,
            now=now,
        )
        if spec.policy.mode == "frozen" and model == _model_of(known, deployment.champion):
            add_deployment(connection, _frozen(deployment, version.version, now))
    return min(due, default=None)


def _serving_models(known: _Experiment, deployment: Deployment) -> dict[str, Exploration]:
    """The models whose newest version serves, each with the definition of a policy that uses it."""
    return {
        model_hash(known.policies[policy].definition): known.policies[policy].definition
        for policy, pinned in deployment.roles
        if pinned is None and policy in known.policies
    }


def _model_of(known: _Experiment, policy: str) -> str:
    return model_hash(known.policies[policy].definition)


def _frozen(deployment: Deployment, version: int, now: datetime) -> Deployment:
    """The deployment after it with the champion pinned to its first version."""
    return replace(
        deployment,
        number=deployment.number + 1,
        champion_version=version,
        version_before=None,
        since=now,
        by=PLATFORM,
        action=DeploymentAction.PIN,
        why={"mode": "frozen", "champion_version": version},
    )
