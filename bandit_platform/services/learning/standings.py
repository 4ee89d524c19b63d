"""Where a tracked policy stands, as it is stored and as it is restored; damage is noticed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import structlog
from pydantic_core import from_json

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.errors import EvaluationError, PolicyError
from bandit_platform.ope import PolicyAccumulator
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.services.learning.model_lines import ModelLines
from bandit_platform.services.learning.tracked import Runner, TrackedPolicy
from bandit_platform.services.learning.walk import Standing, fresh_standing
from bandit_platform.storage.policy_states import PolicyState

if TYPE_CHECKING:
    from bandit_platform.policies.trained_model import TrainedModel

_log = structlog.get_logger(__name__)


def restored(
    spec: ExperimentSpec, policy: TrackedPolicy, state: PolicyState | None, models: ModelLines
) -> Standing:
    """A policy's progress; at its first interaction if it is new or damaged."""
    first = 0 if policy.pinned is None else policy.pinned.cursor
    if state is None:
        return fresh_standing(policy, spec, _model(spec, policy, models, first))
    try:
        _demand_whole(state)
        accumulator = PolicyAccumulator.from_state(from_json(state.accumulator))
        model = models.of(policy, state.cursor)
    except (PolicyError, EvaluationError, LookupError, TypeError, ValueError) as error:
        _log.error(
            "damaged, so learned again from the first interaction",
            experiment=spec.key,
            policy=policy.name,
            error=f"{type(error).__name__}: {error}",
        )
        return fresh_standing(policy, spec, _model(spec, policy, models, first))
    learned = None
    if model is not None and policy.exploration is not None:
        learned = LearnedPolicy(model, policy.exploration)
    return Standing(
        runner=Runner(policy, learned),
        cursor=state.cursor,
        interactions=state.interactions,
        accumulator=accumulator,
        failures=state.failures,
        failure=state.failure,
    )


def _demand_whole(state: PolicyState) -> None:
    if not state.is_whole():
        raise PolicyError("what is stored of it does not have its hash")


def state_of(standing: Standing) -> PolicyState:
    """What is stored of a standing."""
    return PolicyState(
        policy_hash=standing.identity,
        cursor=standing.cursor,
        interactions=standing.interactions,
        accumulator=json.dumps(standing.accumulator.to_state()),
        failures=standing.failures,
        failure=standing.failure,
    )


def _model(
    spec: ExperimentSpec, policy: TrackedPolicy, models: ModelLines, cursor: int
) -> TrainedModel | None:
    """The model before a policy's first interaction."""
    try:
        return models.of(policy, cursor)
    except PolicyError as error:
        _log.error("model refused", experiment=spec.key, policy=policy.name, error=str(error))
        return None
