"""The learned policies of an experiment: their names, and which one a name means."""

from __future__ import annotations

from collections.abc import Mapping

from bandit_platform.domain.deployment import Deployment
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import SECTION, Exploration
from bandit_platform.errors import NotFoundError
from bandit_platform.policies.arguments import model_hash, policy_hash
from bandit_platform.storage.database import Connection
from bandit_platform.storage.deployments import (
    StoredPolicy,
    deployments,
    newest_deployment,
    put_policies,
    remove_policies,
    stored_policies,
)

_SHOWN_OF_HASH = 6


def store_policies(connection: Connection, spec: ExperimentSpec) -> None:
    """Store the policies that a revision names, and forget those that nothing names any more.

    A policy that is or was deployed stays; where its name now belongs to another policy, it is
    called by that name and the beginning of its hash.
    """
    named = _named(spec)
    known = stored_policies(connection, spec.key)
    deployed = _deployed(deployments(connection, spec.key))
    taken = {each.name for each in named.values()}
    renamed = [
        StoredPolicy(
            policy_hash=identity,
            name=f"{old.name}-{identity[:_SHOWN_OF_HASH]}",
            definition=old.definition,
        )
        for identity, old in known.items()
        if identity in deployed and identity not in named and old.name in taken
    ]
    remove_policies(connection, spec.key, set(known) - set(named) - deployed)
    put_policies(connection, spec.key, [*named.values(), *renamed])


def find_policy(policies: Mapping[str, StoredPolicy], name: str) -> StoredPolicy:
    """The policy of a name or hash.

    Raises:
        NotFoundError: there is none.
    """
    if name in policies:
        return policies[name]
    for each in policies.values():
        if each.name == name:
            return each
    known = ", ".join(sorted(each.name for each in policies.values())) or "none"
    raise NotFoundError(f"there is no policy {name!r}; policies: {known}")


def policy_of_model(connection: Connection, spec: ExperimentSpec, model: str) -> Exploration | None:
    """The definition with which a version of a model is shown and valued.

    That is the champion's, else the file's, else that of any policy which uses the model.
    """
    policies = stored_policies(connection, spec.key)
    deployment = newest_deployment(connection, spec.key)
    champion = policies.get(deployment.champion) if deployment is not None else None
    found: list[Exploration] = [] if champion is None else [champion.definition]
    found += [spec.policy, *spec.candidates, *(each.definition for each in policies.values())]
    return next((each for each in found if model_hash(each) == model), None)


def _named(spec: ExperimentSpec) -> dict[str, StoredPolicy]:
    """Hash → policy, each under the first name that the file gives it."""
    found: dict[str, StoredPolicy] = {}
    for name, definition in (
        (SECTION, spec.policy),
        *((candidate.name, candidate) for candidate in spec.candidates),
    ):
        identity = policy_hash(definition)
        found.setdefault(
            identity, StoredPolicy(policy_hash=identity, name=name, definition=definition)
        )
    return found


def _deployed(history: tuple[Deployment, ...]) -> set[str]:
    return {policy for each in history for policy, _ in each.roles}
