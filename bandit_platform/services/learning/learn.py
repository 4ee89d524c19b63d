"""Predict, accumulate, learn, publish: one walk over the interactions for every tracked policy.

Each policy has a cursor of its own. Its model, its accumulator and its cursor change in one
transaction, so that a crash anywhere teaches nothing twice and skips nothing. Models stay in
memory between batches and are trusted only while they stand exactly at the stored cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.policies.arguments import vowpal_arguments
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.services.learning.metric_rollup import add_metrics
from bandit_platform.services.learning.promotion import take_over_states
from bandit_platform.services.learning.quality import Quality
from bandit_platform.services.learning.revision_text import RevisionText, revision_texts
from bandit_platform.services.learning.roll_up import roll_up
from bandit_platform.services.learning.shared_models import share_models
from bandit_platform.services.learning.standings import Held, restored, state_of
from bandit_platform.services.learning.timeline import add_timeline_point
from bandit_platform.services.learning.tracked import (
    ALWAYS_NOTHING,
    LOGGING,
    SERVING,
    tracked_policies,
)
from bandit_platform.services.learning.usable import why_unusable
from bandit_platform.services.learning.walk import Standing, walk
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.experiments import get_experiment
from bandit_platform.storage.interactions import Interaction, number_of_nth, policy_interactions
from bandit_platform.storage.lease import demand_lease
from bandit_platform.storage.models import (
    ModelVersion,
    newest_version,
    prune_versions,
    publish_version,
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


class Learner:
    """Brings the tracked policies of experiments up to date."""

    def __init__(self, database: Database, holder: str, *, models_held: int = _MODELS_HELD) -> None:
        self._database = database
        self._models_held = models_held
        self._holder = holder
        #: (experiment, policy) → (what it stands for, cursor, model) as of the last commit
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
            texts = revision_texts(connection, spec.key)
            standings = self._standings(connection, spec, held, texts)
            modes = {each.spec.policy.mode for each in texts.values()}
            share_models(standings, was_frozen="frozen" in modes)
            standings, taken = _advance(connection, spec, standings, texts)
            publish_at = _publish(connection, spec, standings, now)
            self._prune(connection, experiment, now)
        for standing in standings:
            learned = standing.runner.learned
            if learned is not None:
                place = (standing.runner.policy.identity, standing.cursor, learned)
                self._models[experiment, standing.name] = place
        for key in list(self._models)[: -self._models_held]:  # used longest ago
            del self._models[key]
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
        held: Held,
        texts: dict[int, RevisionText],
    ) -> list[Standing]:
        tracked = tracked_policies(spec)
        states = take_over_states(connection, spec.key, tracked, texts)
        names = {policy.name for policy in tracked}
        remove_policy_states(connection, spec.key, set(states) - names)
        return [restored(spec, policy, states.get(policy.name), held) for policy in tracked]


def _advance(
    connection: Connection,
    spec: ExperimentSpec,
    standings: list[Standing],
    texts: dict[int, RevisionText],
) -> tuple[list[Standing], int]:
    """A batch for the policies that are furthest behind, then one for those in front.

    So a policy that is new learns from the first interaction on while the others go on; when it
    has come up to them, they walk together. Only where the comparisons' own policies are behind,
    the others wait for them.
    """
    cursors = sorted({standing.cursor for standing in standings})
    taken = 0
    if len(cursors) > 1:
        standings, taken = _take(
            connection, spec, standings, texts, cursor=cursors[0], up_to=cursors[1]
        )
    front = max(standing.cursor for standing in standings)
    names = {standing.name for standing in standings if standing.cursor == front}
    if {LOGGING, ALWAYS_NOTHING} <= names:
        standings, more = _take(connection, spec, standings, texts, cursor=front, up_to=None)
        taken += more
    return standings, taken


def _take(
    connection: Connection,
    spec: ExperimentSpec,
    standings: list[Standing],
    texts: dict[int, RevisionText],
    *,
    cursor: int,
    up_to: int | None,
) -> tuple[list[Standing], int]:
    """Let the policies that stand at a cursor take in the next batch."""
    batch, left_out = _usable(connection, spec, texts, cursor=cursor, up_to=up_to)
    if not batch:
        return standings, left_out
    group = [standing for standing in standings if standing.cursor == cursor]
    walked = walk(batch, group, texts)
    _tell_failures(spec, group, walked)
    put_policy_states(connection, spec.key, [state_of(standing) for standing in walked])
    specs = {number: revision.spec for number, revision in texts.items()}
    add_metrics(connection, spec, batch, walked, specs, before=cursor)
    names = {standing.name for standing in group}
    if LOGGING in names:
        quality = _quality(connection, spec) if cursor else Quality.empty()  # it starts with them
        put_quality_state(connection, spec.key, quality.updated(batch).to_json())
    if up_to is None and {LOGGING, ALWAYS_NOTHING} <= names:
        roll_up(connection, spec, batch, walked)
        add_timeline_point(connection, spec, walked, batch[-1].decision.decided_at)
    after = {standing.name: standing for standing in walked}
    return [after.get(standing.name, standing) for standing in standings], len(batch) + left_out


def _quality(connection: Connection, spec: ExperimentSpec) -> Quality:
    """The data's tests so far; begun anew where their state is damaged, which holds up nothing."""
    stored = quality_state(connection, spec.key)
    known = None if stored is None else Quality.read(stored)
    if stored is not None and known is None:
        _log.error("tests of the data begin anew", experiment=spec.key, error="damaged state")
    return known or Quality.empty()


def _usable(
    connection: Connection,
    spec: ExperimentSpec,
    texts: dict[int, RevisionText],
    *,
    cursor: int,
    up_to: int | None,
) -> tuple[list[Interaction], int]:
    """The next interactions, without those that no policy can take in; and how many these are.

    They are noted, and nobody who walks the interactions meets them again.
    """
    why: dict[int, str] = {}
    batch = policy_interactions(
        connection, spec.key, cursor, up_to=up_to, limit=_BATCH, unreadable=why
    )
    for interaction in batch:
        reason = why_unusable(interaction, texts, spec)
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
    connection: Connection, spec: ExperimentSpec, standings: Sequence[Standing], now: datetime
) -> datetime | None:
    """Publish the serving policy if it learned something new and the last version is old enough.

    Returns:
        When the next version is due, if there is something to publish but it is too early.
    """
    serving = next((each for each in standings if each.name == SERVING), None)
    if serving is None or serving.runner.learned is None or not serving.lesson:
        return None
    newest = newest_version(connection, spec.key)
    identity = serving.runner.policy.identity
    if newest is not None and newest.policy_hash == identity:
        if serving.lesson <= newest.interactions:  # less, while it learns again after damage
            return None
        due = newest.published_at + spec.policy.publish_every
        if newest.published_at <= now < due:  # else the clock was set back
            return due
    blob = serving.runner.learned.save()
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
