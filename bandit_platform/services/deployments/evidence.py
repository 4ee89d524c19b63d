"""The numbers of a policy and of the champion at the moment of a deployment, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from math import isfinite
from typing import Any

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.ope import PolicyAccumulator
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.policies.arguments import model_hash
from bandit_platform.services.learning.roll_up import stored_rollups
from bandit_platform.services.reporting.compare import uplift_of_pair
from bandit_platform.storage.database import Connection
from bandit_platform.storage.deployments import StoredPolicy
from bandit_platform.storage.models import newest_version
from bandit_platform.storage.policy_states import PolicyState, policy_states


def evidence(
    connection: Connection,
    spec: ExperimentSpec,
    policy: StoredPolicy,
    champion: StoredPolicy,
) -> dict[str, Any]:
    """What is known about a policy, about the champion, and about their difference.

    Args:
        connection: the transaction that changes the deployment.
        spec: the experiment as it is.
        policy: that the deployment is about.
        champion: that serves before it.
    """
    return evidences(connection, spec, [policy], champion)[policy.policy_hash]


def evidences(
    connection: Connection,
    spec: ExperimentSpec,
    policies: Iterable[StoredPolicy],
    champion: StoredPolicy,
) -> dict[str, dict[str, Any]]:
    """Policy hash → :func:`evidence` about it, with what is stored read once."""
    states = policy_states(connection, spec.key)
    rollups = stored_rollups(connection, spec.key)
    of_champion = _policy(connection, spec, champion, states)
    found: dict[str, dict[str, Any]] = {}
    for policy in policies:
        identity = policy.policy_hash
        found[identity] = {"champion": of_champion}
        if identity == champion.policy_hash:
            continue
        uplift = uplift_of_pair(rollups, spec, identity, champion.policy_hash)
        found[identity] |= {
            "policy": _policy(connection, spec, policy, states),
            "uplift_over_champion": None if uplift is None else _finite(asdict(uplift)),
        }
    return found


def _policy(
    connection: Connection,
    spec: ExperimentSpec,
    policy: StoredPolicy,
    states: dict[str, PolicyState],
) -> dict[str, Any]:
    newest = newest_version(connection, spec.key, model_hash(policy.definition))
    found: dict[str, Any] = {
        "name": policy.name,
        "policy_hash": policy.policy_hash,
        "model_version": None if newest is None else newest.version,
        "model_interactions": 0 if newest is None else newest.interactions,
        "interactions": 0,
        "value": None,
        "uplift": None,
    }
    state = states.get(policy.policy_hash)
    if state is None:
        return found
    accumulator = PolicyAccumulator.from_state(json.loads(state.accumulator))
    return {
        **found,
        "interactions": state.interactions,
        "value": _numbers(accumulator.value()),
        "uplift": _numbers(accumulator.uplift()),
    }


def _numbers(estimate: Estimate) -> dict[str, Any]:
    return _finite(
        {
            "value": estimate.value,
            "lower": estimate.lower,
            "upper": estimate.upper,
            "interval": estimate.interval,
            "n": estimate.n,
            "collecting": estimate.collecting,
        }
    )


def _finite(numbers: dict[str, Any]) -> dict[str, Any]:
    """None for infinite bounds, which JSON cannot represent."""
    return {
        name: None if isinstance(number, float) and not isfinite(number) else number
        for name, number in numbers.items()
    }
