"""Where a tracked policy stands, as it is stored and as it is restored; damage is noticed."""

from __future__ import annotations

import json
from dataclasses import replace

import structlog
from pydantic_core import from_json

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.errors import EvaluationError, PolicyError
from bandit_platform.ope import PolicyAccumulator
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.services.learning.tracked import Runner, TrackedPolicy
from bandit_platform.services.learning.walk import Standing, fresh_standing
from bandit_platform.storage.models import PolicyState

_log = structlog.get_logger(__name__)
#: (experiment, policy) → (what it is, cursor, model) as of the last commit
Held = dict[tuple[str, str], tuple[str, int, LearnedPolicy]]


def restored(
    spec: ExperimentSpec,
    policy: TrackedPolicy,
    state: PolicyState | None,
    held: Held,
) -> Standing:
    """Where a policy stands; at the first interaction if it is new, another one, or damaged."""
    if state is None or state.policy_hash != policy.identity:
        return fresh_standing(policy, spec)
    try:
        _demand_whole(state)
        accumulator = PolicyAccumulator.from_state(from_json(state.accumulator))
        learned = _model(spec, policy, state, held)
    except (PolicyError, EvaluationError, LookupError, TypeError, ValueError) as error:
        _log.error(
            "damaged, so learned again from the first interaction",
            experiment=spec.key,
            policy=policy.name,
            error=f"{type(error).__name__}: {error}",
        )
        return fresh_standing(policy, spec)
    return Standing(
        runner=Runner(policy, learned),
        cursor=state.cursor,
        interactions=state.interactions,
        accumulator=accumulator,
        lesson=state.lesson,
        failures=state.failures,
        failure=state.failure,
    )


def _demand_whole(state: PolicyState) -> None:
    if not state.is_whole():
        raise PolicyError("what is stored of it does not have its hash")


def _model(
    spec: ExperimentSpec,
    policy: TrackedPolicy,
    state: PolicyState,
    held: Held,
) -> LearnedPolicy | None:
    if policy.exploration is None:
        return None
    known = held.get((spec.key, policy.name))
    if known is not None and known[:2] == (policy.identity, state.cursor):
        return known[2]
    if state.blob is None:
        raise PolicyError("its model is not stored")
    return LearnedPolicy.load(state.blob)


def state_of(standing: Standing) -> PolicyState:
    """What is stored of a standing, with its hash."""
    learned = standing.runner.learned
    state = PolicyState(
        policy=standing.name,
        policy_hash=standing.runner.policy.identity,
        cursor=standing.cursor,
        interactions=standing.interactions,
        accumulator=json.dumps(standing.accumulator.to_state()),
        blob=None if learned is None else learned.save(),
        lesson=standing.lesson,
        failures=standing.failures,
        failure=standing.failure,
    )
    return replace(state, digest=state.own_digest())
