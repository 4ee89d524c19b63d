"""Promotion: the promoted policy keeps the model that it learned as a candidate.

Without this, a promoted candidate would learn again from the first interaction: shoppers would get
uniform decisions, then a model that had learned from the oldest interactions only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.policies.arguments import policy_hash, vowpal_arguments
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.services.learning.revision_text import RevisionText
from bandit_platform.services.learning.tracked import TrackedPolicy
from bandit_platform.storage.database import Connection
from bandit_platform.storage.experiments import revisions
from bandit_platform.storage.models import (
    ModelVersion,
    PolicyState,
    newest_version,
    policy_states,
    publish_version,
    put_policy_states,
)


def take_over_states(
    connection: Connection,
    experiment: str,
    tracked: Sequence[TrackedPolicy],
    texts: Mapping[int, RevisionText],
) -> dict[str, PolicyState]:
    """The stored states by name, after policies under new names took over what they had learned.

    Args:
        connection: a transaction that writes.
        experiment: key.
        tracked: the policies of the experiment as it is.
        texts: its revisions.
    """
    states = policy_states(connection, experiment)
    if any(each.spec.policy.mode == "frozen" for each in texts.values()):
        return states
    found = {policy.name: _learned_elsewhere(policy, states, texts) for policy in tracked}
    renamed = {name: state for name, state in found.items() if state is not None}
    if renamed:
        put_policy_states(connection, experiment, list(renamed.values()))
        states |= renamed
    return states


def publish_promoted(connection: Connection, spec: ExperimentSpec, now: datetime) -> None:
    """Publish the model of a policy that is served from this revision on, if it has one already.

    Servers then find it at their next refresh, before the worker's next round.

    Args:
        connection: the transaction that stores the revision.
        spec: the experiment as it will be.
        now: the present moment.
    """
    identity = policy_hash(spec.policy)
    newest = newest_version(connection, spec.key)
    if spec.policy.mode != "learning" or (newest is not None and newest.policy_hash == identity):
        return
    state = _furthest(identity, policy_states(connection, spec.key))
    if state is None or state.blob is None or not state.lesson:
        return
    if _was_frozen(connection, spec.key):
        return
    version = ModelVersion(
        experiment=spec.key,
        version=1 if newest is None else newest.version + 1,
        policy_hash=identity,
        arguments=vowpal_arguments(spec.policy),
        blob_hash=blob_hash(state.blob),
        interactions=state.interactions,
        published_at=now,
    )
    publish_version(connection, version, state.blob)


def _learned_elsewhere(
    policy: TrackedPolicy, states: Mapping[str, PolicyState], texts: Mapping[int, RevisionText]
) -> PolicyState | None:
    """The state that a policy without one of its own has under another name.

    Policies that differ only in floor and minimum value have the same identity. So a state counts
    only where it was valued with those that this policy has in earlier revisions.
    """
    own = states.get(policy.name)
    if policy.exploration is None or (own is not None and own.policy_hash == policy.identity):
        return None
    same = {name: each for name, each in states.items() if each.policy_hash == policy.identity}
    earlier = [text for text in texts.values() if text.later is not None] if same else []
    limits = [_limits(policy, text) for text in earlier]
    alike = {
        name: each
        for name, each in same.items()
        if [_limits(policy.under_name(name), text) for text in earlier] == limits
    }
    state = _furthest(policy.identity, alike)
    if state is None:
        return None
    renamed = replace(state, policy=policy.name)
    return replace(renamed, digest=renamed.own_digest())


def _limits(policy: TrackedPolicy, text: RevisionText) -> tuple[object, ...]:
    """Floor and minimum value that a policy has in a revision."""
    explored = policy.explored_under(text)
    return () if explored is None else (explored.floor, explored.minimum_value)


def _furthest(identity: str, states: Mapping[str, PolicyState]) -> PolicyState | None:
    """The undamaged state of a policy that has taken in most."""
    same = [state for state in states.values() if state.policy_hash == identity]
    whole = [state for state in same if state.is_whole()]
    return max(whole, key=lambda state: state.cursor, default=None)


def _was_frozen(connection: Connection, experiment: str) -> bool:
    """Whether the served policy was ever frozen: then candidates learned from more than it did."""
    return any(each.spec.policy.mode == "frozen" for each in revisions(connection, experiment))
