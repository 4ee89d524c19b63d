"""Whether an interaction can be taken in at all: a matter of the stored row alone.

Rows that the platform wrote always can. One that was changed by hand, or written by a version with
an error, must not stop everything that comes after it; so it is left out, for every policy alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.services.learning.revision_text import RevisionText
from bandit_platform.services.learning.weight_bounds import WeightBound, WeightBounds
from bandit_platform.storage.interactions import Interaction

_SLACK = 1e-9


def why_unusable(
    interaction: Interaction,
    revisions: Mapping[int, RevisionText],
    spec: ExperimentSpec,
    bounds: WeightBounds,
) -> str | None:
    """Why no policy can take an interaction in; None when all can.

    Args:
        interaction: as it is stored.
        revisions: of its experiment.
        spec: the revision in force, whose reward range counts.
        bounds: what the floors of its deployments permit.
    """
    decision = interaction.decision
    revision = revisions.get(decision.revision)
    if revision is None:
        return f"revision {decision.revision} is not stored"
    low, high = spec.reward_range
    if not low <= interaction.reward <= high:
        return "the reward is outside the declared range"
    return _arms_problem(decision, revision.spec) or _chances_problem(decision, bounds.of(decision))


def _arms_problem(decision: Decision, spec: ExperimentSpec) -> str | None:
    arms = decision.request_arms
    if arms is None and decision.draws[0].arms_hash is not None:
        return "the arms of its request are not stored"
    known = spec.arm_keys if arms is None else arms.keys
    if problem := _eligible_problem(decision.eligible, known):
        return problem
    if decision.arm not in decision.eligible:
        return "the arm is not among the eligible ones"
    return None


@lru_cache(maxsize=4096)
def _eligible_problem(eligible: tuple[str, ...], known: tuple[str, ...]) -> str | None:
    """What is wrong with a list of eligible arms: the same few come again and again."""
    if NOTHING not in eligible:
        return "nothing is not among the eligible arms"
    if any(arm not in known for arm in eligible):
        return "an eligible arm is not in its revision"
    if len(set(eligible)) != len(eligible):
        return "an arm is eligible twice"
    return None


def _chances_problem(decision: Decision, bound: WeightBound) -> str | None:
    size, pmf = len(decision.eligible), decision.pmf
    if len(pmf) != size or not _are_probabilities(pmf):
        return "its distribution is none"
    drawn = pmf[decision.eligible.index(decision.arm)]
    if not math.isclose(drawn, decision.propensity, rel_tol=_SLACK):
        return "its propensity is not the arm's probability"
    least = bound.least_propensity(size - 1, nothing=decision.arm == NOTHING)
    if not decision.propensity >= least * (1.0 - _SLACK):
        return "its propensity is below what its floors permit"
    return None


def _are_probabilities(pmf: tuple[float, ...]) -> bool:
    """Whether each is one; a sum with something that is no number is no number."""
    return min(pmf) >= 0.0 and max(pmf) <= 1.0 + _SLACK and sum(pmf) < math.inf
