"""Deployments that follow from a new revision of the experiment file."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.deployment import Deployment, DeploymentAction
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.policies.arguments import model_hash, policy_hash
from bandit_platform.services.deployments.policies import store_policies
from bandit_platform.services.learning.publish import publish_newest
from bandit_platform.storage.database import Connection
from bandit_platform.storage.deployments import (
    add_deployment,
    newest_deployment,
    stored_policies,
)
from bandit_platform.storage.models import newest_version


def deploy_revision(
    connection: Connection,
    spec: ExperimentSpec,
    before: ExperimentSpec | None,
    by: Actor,
    now: datetime,
) -> None:
    """Append a deployment where a revision asks for one.

    A first revision, and one whose ``[policy]`` is another policy, makes the file's policy the
    champion and ends a ramp. ``mode = "frozen"`` pins the champion to its newest version (to the
    next one that is published if there is none), and another mode releases it. Any other change
    leaves the deployment as it is.

    Args:
        connection: the transaction that stores the revision.
        spec: the experiment as it will be.
        before: as it was; None for a new experiment.
        by: who applies it.
        now: the present moment.
    """
    store_policies(connection, spec)
    current = newest_deployment(connection, spec.key)
    own = policy_hash(spec.policy)
    made: Deployment | None = None
    if current is None or before is None or policy_hash(before.policy) != own:
        made = Deployment(
            experiment=spec.key,
            number=1 if current is None else current.number + 1,
            champion=own,
            version_before=None if current is None else served_version(connection, current),
            since=now,
            by=by,
            action=DeploymentAction.APPLIED,
        )
    elif _is_frozen(spec) != _is_frozen(before):
        made = replace(
            current,
            number=current.number + 1,
            champion_version=None,
            version_before=served_version(connection, current),
            since=now,
            by=by,
            action=DeploymentAction.APPLIED,
            why={"mode": spec.policy.mode},
        )
    if made is None:
        return
    versions = publish_serving(connection, spec, made, now)
    if _is_frozen(spec):
        made = replace(made, champion_version=versions[0])
    add_deployment(connection, made)


def publish_serving(
    connection: Connection, spec: ExperimentSpec, deployment: Deployment, now: datetime
) -> tuple[int | None, ...]:
    """Publish what the models of a deployment learned last, so that the next refresh serves it.

    Returns:
        The version of each role that servers will find.
    """
    policies = stored_policies(connection, spec.key)
    versions: list[int | None] = []
    for policy, pinned in deployment.roles:
        if pinned is not None or spec.policy.mode == "uniform":
            versions.append(pinned)
            continue
        found = publish_newest(connection, spec.key, policies[policy].definition, now)
        versions.append(None if found is None else found.version)
    return tuple(versions)


def served_version(connection: Connection, deployment: Deployment) -> int | None:
    """The version that a deployment's champion serves now."""
    if deployment.champion_version is not None:
        return deployment.champion_version
    policies = stored_policies(connection, deployment.experiment)
    if deployment.champion not in policies:
        return None
    model = model_hash(policies[deployment.champion].definition)
    newest = newest_version(connection, deployment.experiment, model)
    return None if newest is None else newest.version


def _is_frozen(spec: ExperimentSpec) -> bool:
    return spec.policy.mode == "frozen"
